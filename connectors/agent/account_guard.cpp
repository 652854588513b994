// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/account_guard.hpp"

#include <algorithm>
#include <utility>

namespace hansa::connectors::agent {

using ports::Deadline;
using ports::SiteJob;
using ports::Task;

Result<LocalAccount> AccountGuard::account_for(const Principal& person, const LocalAccount& asked) const {
  auto account = accounts_.account_of(person, options_.site);
  if (!account) return account;
  if (!asked.empty() && asked != *account) {
    return fail(ErrorKind::permission_denied, "OTHER_ACCOUNT",
                person.str() + " is \"" + account->str() + "\" at site " + options_.site.str() +
                    ", by the site's own account map, not \"" + asked.str() + "\"");
  }
  if (options_.own_people_only && options_.own_account && *account != *options_.own_account) {
    return fail(ErrorKind::permission_denied, "OTHER_ACCOUNT",
                "the agent that answers was started by the login of account \"" + options_.own_account->str() +
                    "\" and serves nobody else; " + person.str() + " is \"" + account->str() + "\" at site " +
                    options_.site.str());
  }
  return options_.own_account ? LocalAccount() : std::move(*account);
}

Task<domain::SiteSnapshot> AccountGuard::snapshot(Deadline deadline) {
  auto snapshot = co_await site_.snapshot(deadline);
  if (snapshot && options_.rules != nullptr) snapshot->site_rules = options_.rules->own().digest;
  co_return snapshot;
}

Task<ports::SubmitReceipt> AccountGuard::submit(ports::SubmitRequest request, Deadline deadline) {
  auto ours = admitted(std::move(request));
  if (!ours) co_return std::unexpected(std::move(ours.error()));
  if (options_.rules != nullptr) {
    if (auto allowed = options_.rules->may_run(*ours); !allowed) co_return std::unexpected(std::move(allowed.error()));
  }
  if (!options_.projects.empty()) {
    const auto project = options_.projects.find(ours->spec.project);
    ours->scheduler_account = project == options_.projects.end() ? "" : project->second;
  }
  co_return co_await site_.submit(std::move(*ours), deadline);
}

Task<ports::FindResult> AccountGuard::find(std::vector<SiteJob> wanted, Deadline deadline) {
  std::vector<SiteJob> ours;
  std::vector<LocalAccount> asked;
  for (const auto& job : wanted) {
    if (auto admission = admitted(job)) {
      ours.push_back(std::move(*admission));
      asked.push_back(job.account);
    }
  }
  if (ours.empty()) co_return ports::FindResult{};
  auto found = co_await site_.find(ours, deadline);
  if (!found) co_return found;
  if (ours.size() < wanted.size()) found->queue_seen = found->history_seen = false;  // the absence of those proves nothing
  std::map<std::pair<Tag, LocalAccount>, LocalAccount> names;
  for (std::size_t i = 0; i < ours.size(); ++i) names.emplace(std::pair(ours[i].tag, ours[i].account), asked[i]);
  std::erase_if(found->sightings, [&](ports::Sighting& sighting) {
    const auto name = names.find({sighting.tag, sighting.account});
    if (name == names.end()) return true;  // another account's job under our tag
    sighting.account = name->second;       // told as it was asked for
    return false;
  });
  co_return found;
}

Task<std::vector<ports::JobStatus>> AccountGuard::status(std::vector<SiteJob> jobs, Deadline deadline) {
  std::vector<SiteJob> ours;
  std::vector<std::size_t> places;
  std::vector<ports::JobStatus> statuses(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    statuses[i].id = jobs[i].id;
    if (auto admission = admitted(jobs[i])) {
      ours.push_back(std::move(*admission));
      places.push_back(i);
    }
  }
  auto told = co_await site_.status(std::move(ours), deadline);
  if (!told) co_return told;
  for (std::size_t i = 0; i < places.size() && i < told->size(); ++i) statuses[places[i]] = std::move((*told)[i]);
  co_return statuses;
}

Task<domain::CancelOutcome> AccountGuard::cancel(SiteJob job, ports::CancelWhen when, Deadline deadline) {
  auto ours = admitted(std::move(job));
  if (!ours) co_return std::unexpected(std::move(ours.error()));
  co_return co_await site_.cancel(std::move(*ours), when, deadline);
}

Task<ports::SealOutcome> AccountGuard::seal(ports::Fence fence, Deadline deadline) {
  auto ours = admitted(std::move(fence));
  if (!ours) co_return std::unexpected(std::move(ours.error()));
  co_return co_await site_.seal(std::move(*ours), deadline);
}

Task<ports::UsagePage> AccountGuard::usage(ports::UsageCursor from, Deadline deadline) {
  auto page = co_await site_.usage(std::move(from), deadline);
  if (!page || !options_.own_account) co_return page;
  for (auto& record : page->records) {
    if (record.account.empty()) record.account = *options_.own_account;
  }
  // An accounting may be open to everybody; what others used is not this one's to tell.
  if (options_.own_people_only) {
    std::erase_if(page->records, [&](const auto& record) { return record.account != *options_.own_account; });
    page->others.reset();
  }
  co_return page;
}

Task<> AccountGuard::remove_secrets(SiteJob job, std::vector<std::string> files, Deadline deadline) {
  auto ours = admitted(std::move(job));
  if (!ours) co_return std::unexpected(std::move(ours.error()));
  co_return co_await site_.remove_secrets(std::move(*ours), std::move(files), deadline);
}

Task<ports::OutputChunk> AccountGuard::read_output(SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                                   Deadline deadline) {
  auto ours = admitted(std::move(job));
  if (!ours) co_return std::unexpected(std::move(ours.error()));
  co_return co_await site_.read_output(std::move(*ours), stream, offset, limit, deadline);
}

Task<std::vector<ports::FileFacts>> AccountGuard::look_at(SiteJob job, std::vector<std::string> paths, Deadline deadline) {
  auto ours = admitted(std::move(job));
  if (!ours) co_return std::unexpected(std::move(ours.error()));
  co_return co_await site_.look_at(std::move(*ours), std::move(paths), deadline);
}

Task<ports::FileChunk> AccountGuard::read_file(SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                               Deadline deadline) {
  auto ours = admitted(std::move(job));
  if (!ours) co_return std::unexpected(std::move(ours.error()));
  co_return co_await site_.read_file(std::move(*ours), std::move(path), offset, limit, deadline);
}

Task<ports::AccountLimits> AccountGuard::account_limits(std::vector<ports::ProjectAccount> wanted, Deadline deadline) {
  if (options_.projects.empty()) co_return co_await site_.account_limits(std::move(wanted), deadline);
  std::map<std::string, int> projects_of;
  for (const auto& [project, account] : options_.projects) ++projects_of[account];
  std::vector<ports::ProjectAccount> ours;
  for (const auto& [project, account] : wanted) {
    const auto known = options_.projects.find(project);
    if (known == options_.projects.end() || projects_of[known->second] > 1) continue;  // several projects' is nobody's
    ours.push_back({.project = project, .account = known->second});
  }
  co_return co_await site_.account_limits(std::move(ours), deadline);
}

Task<domain::DoctorReport> AccountGuard::doctor(ports::DoctorRequest request, Deadline deadline) {
  constexpr std::size_t kSome = 20;
  auto mapped = accounts_.accounts_at(options_.site);
  if (options_.own_people_only) {
    request.accounts.clear();  // of whoever started this agent the broker knows nothing, and of others nothing can be seen
  } else if (options_.own_account) {
    request.accounts = {LocalAccount()};
  } else if (std::ranges::all_of(request.accounts, &LocalAccount::empty)) {
    if (mapped.size() > kSome) mapped.resize(kSome);
    request.accounts = std::move(mapped);
  } else {
    std::erase_if(request.accounts,
                  [&](const LocalAccount& account) { return std::ranges::find(mapped, account) == mapped.end(); });
  }
  auto report = co_await site_.doctor(std::move(request), deadline);
  if (!report) co_return report;
  for (auto& found : report->findings) {  // a broker knows people, and of accounts nothing that it could go by
    if (found.bars && !found.subject.empty()) found.people = accounts_.people_as(LocalAccount(found.subject), options_.site);
  }
  co_return report;
}

}  // namespace hansa::connectors::agent
