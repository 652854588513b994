// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/persons_connector.hpp"

#include "broker/core/canonical_json.hpp"
#include "connectors/protocol/fields.hpp"
#include "connectors/remote/certificate_carrier.hpp"

#include <algorithm>
#include <utility>

namespace hansa::connectors::remote {

using ports::Deadline;
using ports::SiteJob;
using ports::Task;
using protocol::Fields;

namespace {

constexpr Milliseconds kAfterTheJob{600'000};     // its state, usage and output, where certificates are not renewed
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

PersonsConnector::PersonsConnector(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random,
                                   ports::Log& log, MemoryFolder folder, PersonsOptions options)
    : scheduler_(scheduler),
      options_(std::move(options)),
      queries_(scheduler, options_.rates.queries),
      submits_(scheduler, options_.rates.submits),
      cancels_(scheduler, options_.rates.cancels),
      credentials_(executor, scheduler, options_.certificates, std::move(folder)),
      own_(executor, scheduler, random, log,
           std::make_unique<CertificateCarrier>(
               scheduler, log, options_.pool.site, options_.pool.ssh, credentials_,
               Login{.person = Principal("broker:" + options_.pool.site.str()), .account = options_.own_account}),
           LinkOptions{.site = options_.pool.site, .name = options_.pool.name, .session = session_of(options_.pool)}),
      pool_(executor, scheduler, random, log, credentials_, options_.pool) {}

async::Task<> PersonsConnector::close() {
  auto pool = co_await pool_.close();
  auto own = co_await own_.close();
  co_return own ? pool : own;
}

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

Task<PersonPool::Hold> PersonsConnector::hold(Login login, LeavingRate* rate, Deadline deadline) {
  auto hold = co_await pool_.hold(std::move(login), deadline);
  if (!hold || rate == nullptr) co_return hold;
  if (auto passed = co_await rate->pass(deadline); !passed) co_return std::unexpected(passed.error());
  co_return hold;
}

Task<domain::SiteSnapshot> PersonsConnector::snapshot(Deadline deadline) {
  if (auto ready = co_await own_.ready(deadline); !ready) co_return std::unexpected(ready.error());
  if (auto passed = co_await queries_.pass(deadline); !passed) co_return std::unexpected(passed.error());
  co_return co_await own_.snapshot(deadline);
}

Task<domain::DoctorReport> PersonsConnector::doctor(ports::DoctorRequest request, Deadline deadline) {
  if (auto ready = co_await own_.ready(deadline); !ready) co_return std::unexpected(ready.error());
  if (auto passed = co_await queries_.pass(deadline); !passed) co_return std::unexpected(passed.error());
  co_return co_await own_.doctor(std::move(request), deadline);
}

Login PersonsConnector::named(const Principal& person, const LocalAccount& account) {
  Login login{.person = person, .account = account};
  accounting_[login].named_at = scheduler_.now_monotonic();
  return login;
}

Result<Login> PersonsConnector::one_person(const std::vector<SiteJob>& jobs) {
  const auto& first = jobs.front();
  if (std::ranges::any_of(jobs, [&](const auto& job) { return job.person != first.person || job.account != first.account; })) {
    return fail(ErrorKind::invalid_argument, "SEVERAL_PEOPLE",
                "at site " + options_.pool.site.str() + " each person is asked for as themselves, one at a time");
  }
  return named(first.person, first.account);
}

// ---- submission

UtcTime PersonsConnector::needed_until(const ports::SubmitRequest& request, Deadline deadline) const {
  const auto now = scheduler_.now_utc();
  return now + (options_.renewed ? deadline.remaining(scheduler_) : request.spec.time_limit + kAfterTheJob);
}

Task<ports::SubmitReceipt> PersonsConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  const auto login = named(request.person, request.account);
  if (auto good = co_await credentials_.of(login, needed_until(request, deadline), deadline); !good)
    co_return std::unexpected(good.error());
  auto hold = co_await this->hold(login, &submits_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().submit(std::move(request), deadline));
}

// ---- questions

Task<ports::FindResult> PersonsConnector::find(std::vector<SiteJob> wanted, Deadline deadline) {
  if (wanted.empty()) co_return ports::FindResult{.sightings = {}, .queue_seen = true, .history_seen = true};
  const auto login = one_person(wanted);
  if (!login) co_return std::unexpected(login.error());
  auto hold = co_await this->hold(*login, &queries_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  auto found = heard(*hold, co_await hold->connector().find(std::move(wanted), deadline));
  if (found) std::erase_if(found->sightings, [&](const auto& sighting) { return sighting.account != login->account; });
  co_return found;
}

Task<std::vector<ports::JobStatus>> PersonsConnector::status(std::vector<SiteJob> jobs, Deadline deadline) {
  if (jobs.empty()) co_return std::vector<ports::JobStatus>{};
  const auto login = one_person(jobs);
  if (!login) co_return std::unexpected(login.error());
  auto hold = co_await this->hold(*login, &queries_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().status(std::move(jobs), deadline));
}

// ---- accounting

/// {"last": "local:bob", "people": [{"account": "alice", "cursor": "...", "person": "local:alice"}]}
void PersonsConnector::resume_accounting(const ports::UsageCursor& from) {
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

ports::UsageCursor PersonsConnector::cursor_after(const Login& last) const {
  Json people = Json::array();
  for (const auto& [login, known] : accounting_)
    people.push_back({{"person", login.person.str()}, {"account", login.account.str()}, {"cursor", known.cursor}});
  return {.text = canonical_json({{"last", last.person.str()}, {"people", std::move(people)}})};
}

Task<ports::UsagePage> PersonsConnector::usage(ports::UsageCursor from, Deadline deadline) {
  resume_accounting(from);
  if (round_.empty()) {
    for (const auto& [login, known] : accounting_) {
      if (!known.read_at || *known.read_at < known.named_at + kAccountingLag) round_.push_back(login);
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
Task<ports::UsagePage> PersonsConnector::usage_of(Login login, std::string cursor, Deadline deadline) {
  auto hold = co_await this->hold(login, &queries_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  auto page = heard(*hold, co_await hold->connector().usage({.text = std::move(cursor)}, deadline));
  if (!page) co_return page;
  if (page->next.text.size() > kMostCursorBytes) {
    co_return fail(ErrorKind::internal, "BAD_ANSWER",
                   "the agent of account \"" + login.account.str() + "\" tells too long a cursor");
  }
  std::erase_if(page->records, [&](const auto& record) { return record.account != login.account; });
  co_return page;
}

// ---- interventions

Task<domain::CancelOutcome> PersonsConnector::cancel(SiteJob job, ports::CancelWhen when, Deadline deadline) {
  auto hold = co_await this->hold(named(job.person, job.account), &cancels_, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().cancel(std::move(job), when, deadline));
}

Task<ports::SealOutcome> PersonsConnector::seal(ports::Fence fence, Deadline deadline) {
  auto hold = co_await this->hold(named(fence.person, fence.account), nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().seal(std::move(fence), deadline));
}

// ---- files

Task<ports::OutputChunk> PersonsConnector::read_output(SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                                       Deadline deadline) {
  auto hold = co_await this->hold({.person = job.person, .account = job.account}, nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().read_output(std::move(job), stream, offset, limit, deadline));
}

Task<std::vector<ports::FileFacts>> PersonsConnector::look_at(SiteJob job, std::vector<std::string> paths, Deadline deadline) {
  auto hold = co_await this->hold({.person = job.person, .account = job.account}, nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().look_at(std::move(job), std::move(paths), deadline));
}

Task<ports::FileChunk> PersonsConnector::read_file(SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                                   Deadline deadline) {
  auto hold = co_await this->hold({.person = job.person, .account = job.account}, nullptr, deadline);
  if (!hold) co_return std::unexpected(hold.error());
  co_return heard(*hold, co_await hold->connector().read_file(std::move(job), std::move(path), offset, limit, deadline));
}

}  // namespace hansa::connectors::remote
