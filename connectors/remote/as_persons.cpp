// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/as_persons.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/ports/usage_between.hpp"
#include "connectors/protocol/fields.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace hansa::connectors::remote {

using ports::Deadline;
using ports::SiteJob;
using ports::Task;
using protocol::Fields;

namespace {

constexpr Milliseconds kAccountingLag{180'000};   // an accounting that was read so long after a job was spoken of has it
constexpr std::size_t kMostCursorBytes = 4'096;   // of one person's agent

/// What somebody answered who had the time for it.
template <class T>
Result<T> heard(PersonPool::Hold& hold, Result<T> answer) {
  const bool silent =
      !answer && (answer.error().kind == ErrorKind::deadline_exceeded || answer.error().kind == ErrorKind::unknown_outcome ||
                  answer.error().kind == ErrorKind::cancelled);
  if (!silent) hold.heard();
  return answer;
}

}  // namespace

AsPersons::AsPersons(async::Scheduler& scheduler, ports::Log& log, SiteId site, CallRates rates, OwnerOf owner_of)
    : queries_(scheduler, rates.queries),
      submits_(scheduler, rates.submits),
      cancels_(scheduler, rates.cancels),
      scheduler_(scheduler),
      log_(log),
      site_(std::move(site)),
      owner_of_(std::move(owner_of)) {}

Task<> LeavingRate::pass(Deadline deadline) {
  constexpr Milliseconds kMinute{60'000};
  while (!deadline.passed(scheduler_)) {
    const auto now = scheduler_.now_monotonic();
    while (!left_.empty() && now - left_.front() >= kMinute) left_.pop_front();
    if (left_.size() < limit_) {
      left_.push_back(now);
      co_return Result<void>{};
    }
    co_await scheduler_.sleep_until(std::min(left_.front() + kMinute, deadline.at));
  }
  co_return fail(ErrorKind::deadline_exceeded, "SITE_BUDGET",
                 "the load budget of the site left no room for this call in time; try again later");
}

Task<PersonPool::Hold> AsPersons::hold(Login login, LeavingRate* rate, Deadline deadline) {
  auto hold = co_await hold_of(std::move(login), deadline);
  if (!hold || rate == nullptr) co_return hold;
  if (auto passed = co_await rate->pass(deadline); !passed) co_return std::unexpected(passed.error());
  co_return hold;
}

Login AsPersons::named(const Principal& person, const LocalAccount& account) {
  Login login{.person = person, .account = account};
  accounting_[login].named_at = scheduler_.now_monotonic();
  return login;
}

void AsPersons::name_again(const Principal& person) {
  for (auto& [login, known] : accounting_) {
    if (login.person == person) known.named_at = scheduler_.now_monotonic();
  }
}

Result<Login> AsPersons::one_person(const std::vector<SiteJob>& jobs) {
  const auto& first = jobs.front();
  if (std::ranges::any_of(jobs, [&](const auto& job) { return job.person != first.person || job.account != first.account; })) {
    return fail(ErrorKind::invalid_argument, "SEVERAL_PEOPLE",
                "at site " + site_.str() + " each person is asked for as themselves, one at a time");
  }
  return named(first.person, first.account);
}

// ---- submission

Task<ports::SubmitReceipt> AsPersons::submit(ports::SubmitRequest request, Deadline deadline) {
  const auto login = named(request.person, request.account);
  if (auto good = co_await may_submit(login, request.spec.time_limit, deadline); !good) co_return std::unexpected(good.error());
  auto hold = co_await this->hold(login, &submits_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().submit(std::move(request), deadline));
}

// ---- questions

Task<ports::FindResult> AsPersons::find(std::vector<SiteJob> wanted, Deadline deadline) {
  if (wanted.empty()) co_return ports::FindResult{.sightings = {}, .queue_seen = true, .history_seen = true};
  const auto login = one_person(wanted);
  if (!login) co_return std::unexpected(login.error());
  auto hold = co_await this->hold(*login, &queries_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  std::set<Tag> tags;
  for (const auto& job : wanted) tags.insert(job.tag);
  auto found = heard(*hold, co_await hold->connector().find(std::move(wanted), deadline));
  if (found) {
    std::erase_if(found->sightings,
                  [&](const auto& sighting) { return sighting.account != login->account || !tags.contains(sighting.tag); });
  }
  co_return found;
}

Task<std::vector<ports::JobStatus>> AsPersons::status(std::vector<SiteJob> jobs, Deadline deadline) {
  if (jobs.empty()) co_return std::vector<ports::JobStatus>{};
  const auto login = one_person(jobs);
  if (!login) co_return std::unexpected(login.error());
  auto hold = co_await this->hold(*login, &queries_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().status(std::move(jobs), deadline));
}

// ---- accounting

/// {"last": "local:bob", "people": [{"account": "alice", "cursor": "...", "person": "local:alice"}]}
void AsPersons::resume_accounting(const ports::UsageCursor& from) {
  for (auto& [login, known] : accounting_) known.cursor.clear();
  const auto json = parse_json(from.text);
  const auto people = json && json->is_object() ? json->find("people") : Json::const_iterator{};
  if (!json || !json->is_object() || people == json->end() || !people->is_array()) return;  // from the beginning
  for (const auto& told : *people) {
    Fields f(told);
    const Login login{.person = Principal(f.word("person")), .account = LocalAccount(f.word("account"))};
    auto cursor = f.words("cursor", kMostCursorBytes);
    if (!f.ok()) continue;
    accounting_.try_emplace(login, Accounting{.cursor = {}, .named_at = scheduler_.now_monotonic()}).first->second.cursor =
        std::move(cursor);
  }
}

ports::UsageCursor AsPersons::cursor_after(const Login& last) const {
  Json people = Json::array();
  for (const auto& [login, known] : accounting_)
    people.push_back({{"person", login.person.str()}, {"account", login.account.str()}, {"cursor", known.cursor}});
  return {.text = canonical_json({{"last", last.person.str()}, {"people", std::move(people)}})};
}

Task<ports::UsagePage> AsPersons::usage(ports::UsageCursor from, Deadline deadline) {
  if (ports::span_of(from)) {
    co_return fail(ErrorKind::conflict, "NO_VIEW_OF_THE_SITE",
                   "people tell their own records at this site, one by one: nobody can ask it for a time as a whole");
  }
  resume_accounting(from);
  if (round_.empty()) {
    for (const auto& [login, known] : accounting_) {
      if (is_there(login) && (!known.read_at || *known.read_at < known.named_at + kAccountingLag)) round_.push_back(login);
    }
  }
  if (round_.empty()) co_return ports::UsagePage{.records = {}, .next = std::move(from)};
  const auto login = round_.front();
  const auto asked_at = scheduler_.now_monotonic();
  auto page = co_await usage_of(login, accounting_[login].cursor, deadline);
  auto& known = accounting_[login];
  if (!page || page->complete) {
    round_.pop_front();
    if (page) known.read_at = asked_at;
  }
  if (!page && round_.empty()) co_return std::unexpected(page.error());
  if (page) known.cursor = page->next.text;
  co_return ports::UsagePage{.records = page ? std::move(page->records) : std::vector<domain::UsageRecord>{},
                             .next = cursor_after(login),
                             .complete = round_.empty()};
}

/// What a person's own agent tells of anybody else is left out.
Task<ports::UsagePage> AsPersons::usage_of(Login login, std::string cursor, Deadline deadline) {
  auto hold = co_await this->hold(login, &queries_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  auto page = heard(*hold, co_await hold->connector().usage({.text = std::move(cursor)}, deadline));
  if (!page) co_return page;
  if (page->next.text.size() > kMostCursorBytes) {
    co_return fail(ErrorKind::internal, "BAD_ANSWER",
                   "the agent of account \"" + login.account.str() + "\" tells too long a cursor");
  }
  if (!login.account.empty()) std::erase_if(page->records, [&](const auto& record) { return record.account != login.account; });
  if (!owner_of_) co_return page;
  auto own = co_await of_own_jobs(std::move(login), std::move(page->records));
  if (!own) co_return std::unexpected(own.error());
  page->records = std::move(*own);
  co_return page;
}

Task<std::vector<domain::UsageRecord>> AsPersons::of_own_jobs(Login login, std::vector<domain::UsageRecord> records) {
  std::vector<domain::UsageRecord> own;
  std::size_t others = 0;
  std::string of_whom;
  for (auto& record : records) {
    const auto tag = domain::parse_tag(record.tag.str());
    if (!tag) continue;
    const auto owner = co_await owner_of_(tag->job);
    if (!owner) co_return std::unexpected(owner.error());
    if (!*owner) continue;
    if (**owner == login.person) {
      own.push_back(std::move(record));
    } else if (++others == 1) {
      of_whom = record.tag.str() + " of " + (*owner)->str();
    }
  }
  if (others > 0) {
    log_.write(ports::LogLevel::warning, "what a person's agent tells of other people's jobs is left out",
               {{"site", site_.str()},
                {"person", login.person.str()},
                {"records", std::to_string(others)},
                {"first", std::move(of_whom)}});
  }
  co_return own;
}

// ---- interventions

Task<domain::CancelOutcome> AsPersons::cancel(SiteJob job, ports::CancelWhen when, Deadline deadline) {
  auto hold = co_await this->hold(named(job.person, job.account), &cancels_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().cancel(std::move(job), when, deadline));
}

Task<ports::SealOutcome> AsPersons::seal(ports::Fence fence, Deadline deadline) {
  auto hold = co_await this->hold(named(fence.person, fence.account), nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().seal(std::move(fence), deadline));
}

Task<> AsPersons::remove_secrets(SiteJob job, std::vector<std::string> files, Deadline deadline) {
  auto hold = co_await this->hold({.person = job.person, .account = job.account}, nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().remove_secrets(std::move(job), std::move(files), deadline));
}

// ---- files

Task<ports::OutputChunk> AsPersons::read_output(SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                                Deadline deadline) {
  auto hold = co_await this->hold({.person = job.person, .account = job.account}, nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().read_output(std::move(job), stream, offset, limit, deadline));
}

Task<std::vector<ports::FileFacts>> AsPersons::look_at(SiteJob job, std::vector<std::string> paths, Deadline deadline) {
  auto hold = co_await this->hold({.person = job.person, .account = job.account}, nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().look_at(std::move(job), std::move(paths), deadline));
}

Task<ports::FileChunk> AsPersons::read_file(SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                            Deadline deadline) {
  auto hold = co_await this->hold({.person = job.person, .account = job.account}, nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().read_file(std::move(job), std::move(path), offset, limit, deadline));
}

}  // namespace hansa::connectors::remote
