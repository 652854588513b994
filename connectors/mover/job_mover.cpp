// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/job_mover.hpp"

#include "connectors/mover/supervise.hpp"

#include <algorithm>

namespace hansa::connectors::mover {
namespace {

using domain::CancelOutcome;
using domain::TransferEnd;
using domain::TransferId;
using domain::TransferPhase;
using domain::TransferStatus;
using ports::LogLevel;

constexpr std::int32_t kFruitless = 3;         // jobs in a row
constexpr Milliseconds kFirstPause{1'000};     // between two questions to the scheduler; then by a job's age
constexpr std::size_t kStatusBytes = 65'536;   // of its file at the site
constexpr Milliseconds kBetweenLooks{5'000};   // for one without a receipt
constexpr std::size_t kLastWords = 1'000;      // of a job that failed
constexpr Milliseconds kResultAppears{120'000};  // a shared file system may show it so much later
constexpr Seconds kEndOfJob{600};              // a scheduler's grace after a job's limit

// What it runs is in the arguments, which arrive byte for byte.
constexpr const char* kScript = "#!/bin/sh\nexec \"$@\"\n";

/// The one that has the fence, as far as can be seen: what has started has it sooner than what has not.
bool comes_first(const ports::Sighting& a, const ports::Sighting& b) {
  const auto rank = [](const ports::Sighting& s) {
    return s.status.reason.code == "DUPLICATE" ? 2 : s.status.started_at ? 0 : 1;
  };
  return std::pair(rank(a), a.submitted_at) < std::pair(rank(b), b.submitted_at);
}

std::string end_of(const ports::JobStatus& status) {
  if (!status.reason.message.empty()) return status.reason.message;
  if (status.exit_code && *status.exit_code != 0) return "exit code " + std::to_string(*status.exit_code);
  return status.site_state.empty() ? "no word why" : status.site_state;
}

}  // namespace

JobMover::JobMover(ports::SiteConnector& site, async::Scheduler& scheduler, ports::Log& log, JobMoverOptions options)
    : site_(site), scheduler_(scheduler), log_(log), options_(std::move(options)), notes_(options_.notes) {}

ports::SiteJob JobMover::site_job(const JobNote& note) const {
  return {.id = note.site_job,
          .tag = domain::make_tag(note.order.transfer.id, note.jobs),
          .account = options_.account,
          .person = options_.mover.person,
          .intended_at = note.intended_at};
}

// ---- the port's calls

async::Task<TransferStatus> JobMover::start(domain::Transfer transfer, async::Deadline deadline) {
  const auto id = transfer.id;
  auto order = order_for(transfer, options_.mover);
  if (!order) co_return std::unexpected(std::move(order.error()));
  const auto known = co_await course_of(id);
  if (!known) co_return std::unexpected(known.error());
  auto* course = *known;
  if (course != nullptr && course->note.order.transfer != transfer)
    co_return fail(ErrorKind::conflict, "TRANSFER_ID_REUSED", "transfer " + id.str() + " is of something else");
  if (course == nullptr) {
    course = &courses_[id];
    course->note.order = *order;
    course->note.site = options_.site;
    course->note.account = options_.account;
    course->note.status = {.id = id, .moved_by = id, .phase = TransferPhase::not_seen, .progress = {}, .outcome = {}};
  }
  if (auto settled = co_await settle(course, deadline); !settled) co_return std::unexpected(settled.error());
  auto& note = course->note;
  if (!note.live && note.status.phase != TransferPhase::ended) {
    note.order = std::move(*order);  // the configuration's of today
    if (auto sent = co_await submit(course, false, deadline); !sent) co_return std::unexpected(sent.error());
  }
  co_return note.status;
}

async::Task<std::vector<TransferStatus>> JobMover::status(std::vector<TransferId> ids, async::Deadline deadline) {
  std::vector<TransferStatus> all;
  for (const auto& id : ids) {
    const auto course = co_await course_of(id);
    if (!course) co_return std::unexpected(course.error());
    if (*course == nullptr) {
      all.push_back({.id = id, .moved_by = id, .phase = TransferPhase::not_seen, .progress = {}, .outcome = {}});
      continue;
    }
    if (auto settled = co_await settle(*course, deadline); !settled) co_return std::unexpected(settled.error());
    all.push_back((*course)->note.status);
  }
  co_return all;
}

async::Task<> JobMover::cancel(TransferId id, async::Deadline deadline) {
  const auto course = co_await course_of(id);
  if (!course) co_return std::unexpected(course.error());
  if (*course == nullptr)
    co_return fail(ErrorKind::not_found, "TRANSFER_NOT_FOUND", "there is no transfer " + id.str() + " here");
  if ((*course)->note.status.phase == TransferPhase::ended) co_return Result<void>{};
  if (!(*course)->note.cancelled) {
    auto note = (*course)->note;
    note.cancelled = true;
    if (auto kept = co_await keep(*course, std::move(note)); !kept) co_return kept;
  }
  co_return co_await settle(*course, deadline);
}

async::Task<> JobMover::forget(std::vector<TransferId> ids, async::Deadline) {
  for (const auto& id : ids) {
    const auto course = co_await course_of(id);
    if (!course) co_return std::unexpected(course.error());
    if (*course == nullptr) continue;
    const auto& note = (*course)->note;
    if (note.status.phase != TransferPhase::ended && note.jobs > 0) continue;
    if (auto forgotten = co_await notes_.forget(id); !forgotten) co_return forgotten;
    courses_.erase(id);
  }
  co_return Result<void>{};
}

async::Task<JobMover::Course*> JobMover::course_of(TransferId id) {
  if (const auto at = courses_.find(id); at != courses_.end()) co_return &at->second;
  auto note = co_await notes_.read(id);
  if (!note) co_return std::unexpected(note.error());
  if (!*note) co_return nullptr;
  if ((*note)->live && ((*note)->site != options_.site || (*note)->account != options_.account)) {
    co_return fail(ErrorKind::unavailable, "TRANSFER_JOB_ELSEWHERE",
                   "transfer " + id.str() + " has a job at site " + (*note)->site.str() + " as account \"" +
                       (*note)->account.str() + "\", and its link names another: configure that one again until it is over");
  }
  co_return &courses_
      .emplace(id, Course{.note = std::move(**note),
                          .child_dead_at = scheduler_.now_monotonic() + options_.submit_timeout,
                          .refusal = {},
                          .unseen_since = {},
                          .result_due_since = {},
                          .looked_for_at = {}})
      .first->second;
}

async::Task<> JobMover::keep(Course* course, JobNote note) {
  if (auto kept = co_await notes_.keep(note); !kept) co_return kept;
  course->note = std::move(note);
  co_return Result<void>{};
}

// ---- what becomes of a job

async::Task<> JobMover::settle(Course* course, async::Deadline deadline) {
  if (auto looked = co_await look(course, deadline); !looked) co_return looked;
  const auto& note = course->note;
  if (!note.cancelled || note.status.phase == TransferPhase::ended) co_return Result<void>{};
  if (note.live && !note.discards && !note.site_job.empty()) {
    const auto outcome = co_await site_.cancel(site_job(note), ports::CancelWhen::always, deadline);
    if (!outcome) co_return std::unexpected(outcome.error());
    said_.erase(note.site_job);  // it is another word from now on
    if (*outcome == CancelOutcome::never_started) {
      if (auto sealed = co_await seal(course, deadline); !sealed) co_return sealed;
    } else if (*outcome != CancelOutcome::unknown) {
      if (auto kept = co_await has_begun(course); !kept) co_return kept;
      if (auto looked = co_await look(course, deadline); !looked) co_return looked;
    }
  }
  if (note.live || note.status.phase == TransferPhase::ended) co_return Result<void>{};
  if (note.started) co_return co_await submit(course, true, deadline);
  co_return co_await end(course, TransferEnd::cancelled, "cancelled before it began to copy", {});
}

/// It may have copied, whether or not anybody sees its file: what lies there is to be taken away if it is cancelled.
async::Task<> JobMover::has_begun(Course* course) {
  if (course->note.started) co_return Result<void>{};
  auto note = course->note;
  note.started = true;
  co_return co_await keep(course, std::move(note));
}

async::Task<> JobMover::look(Course* course, async::Deadline deadline) {
  if (course->note.live && course->note.site_job.empty()) {
    if (auto found = co_await find_job(course, deadline); !found) co_return found;
  }
  if (!course->note.live || course->note.site_job.empty()) co_return Result<void>{};
  const auto said = co_await scheduler_says(course, deadline);
  if (!said) co_return std::unexpected(said.error());
  if (said->phase != ports::Phase::not_seen) course->unseen_since.reset();
  if (said->phase == ports::Phase::queued) co_return Result<void>{};
  const auto go_on = co_await read_result(course, deadline);
  if (!go_on) co_return std::unexpected(go_on.error());
  if (!*go_on) co_return Result<void>{};
  switch (said->phase) {
    case ports::Phase::queued: break;
    case ports::Phase::running:
    case ports::Phase::finishing:
      if (!course->note.started) {
        auto note = course->note;
        note.started = true;
        co_return co_await keep(course, std::move(note));
      }
      break;
    case ports::Phase::ended: co_return co_await job_ended(course, *said, deadline);
    case ports::Phase::not_seen: co_return co_await job_unseen(course, deadline);
  }
  co_return Result<void>{};
}

async::Task<ports::JobStatus> JobMover::scheduler_says(const Course* course, async::Deadline deadline) {
  const auto now = scheduler_.now_monotonic();
  const auto known = said_.find(course->note.site_job);
  // A job that is new is asked for sooner.
  const auto pause = std::max(std::min((now - course->bound_at) / 2, options_.look_interval), kFirstPause);
  if (known != said_.end() && now - said_at_ < pause) co_return known->second;
  std::vector<ports::SiteJob> jobs;
  for (const auto& [id, other] : courses_) {
    if (other.note.live && !other.note.site_job.empty()) jobs.push_back(site_job(other.note));
  }
  const auto said = co_await site_.status(jobs, deadline);
  if (!said) co_return std::unexpected(said.error());
  if (said->size() != jobs.size())
    co_return fail(ErrorKind::internal, "SITE_ANSWER", "site " + options_.site.str() + " told of other jobs than asked");
  said_.clear();
  for (std::size_t i = 0; i < jobs.size(); ++i) said_.emplace(jobs[i].id, (*said)[i]);
  said_at_ = now;
  co_return said_[course->note.site_job];
}

/// Without a receipt: what carries its tag is ours. What does not show up is made to never start.
async::Task<> JobMover::find_job(Course* course, async::Deadline deadline) {
  if (!course->refusal.empty()) co_return co_await seal(course, deadline);
  const auto now = scheduler_.now_monotonic();
  if (course->looked_for_at && now - *course->looked_for_at < kBetweenLooks && !course->note.cancelled) co_return Result<void>{};
  course->looked_for_at = now;
  const auto wanted = site_job(course->note);
  auto found = co_await site_.find({wanted}, deadline);
  if (!found) co_return std::unexpected(found.error());
  auto& sightings = found->sightings;
  std::erase_if(sightings, [&](const ports::Sighting& s) {
    return s.tag != wanted.tag || s.account != wanted.account || s.status.phase == ports::Phase::not_seen ||
           s.submitted_at < wanted.intended_at - options_.clock_skew;
  });
  if (sightings.empty()) {
    if (course->note.cancelled || scheduler_.now_monotonic() >= course->child_dead_at) co_return co_await seal(course, deadline);
    co_return Result<void>{};
  }
  std::ranges::sort(sightings, comes_first);
  if (auto bound = co_await bind(course, sightings.front().status.id, "found"); !bound) co_return bound;
  for (std::size_t i = 1; i < sightings.size(); ++i) {  // the fence lets one of them run; the others only take up room
    if (sightings[i].status.phase != ports::Phase::queued) continue;
    auto extra = wanted;
    extra.id = sightings[i].status.id;
    const auto cancelled = co_await site_.cancel(extra, ports::CancelWhen::only_while_pending, deadline);
    if (!cancelled) co_return std::unexpected(cancelled.error());
  }
  co_return Result<void>{};
}

/// Afterwards it can never start, or it has started and is known.
async::Task<> JobMover::seal(Course* course, async::Deadline deadline) {
  const auto job = site_job(course->note);
  const auto sealed =
      co_await site_.seal({.tag = job.tag, .task_index = 0, .account = job.account, .person = job.person}, deadline);
  if (!sealed) co_return std::unexpected(sealed.error());
  if (sealed->sealed) {
    if (!course->refusal.empty() && !course->note.cancelled)
      co_return co_await end(course, TransferEnd::tool_failed,
                             "site " + options_.site.str() + " did not take the transfer job: " + course->refusal, {});
    co_return co_await job_over(course, "it never started", {});
  }
  if (sealed->holder.empty())
    co_return fail(ErrorKind::internal, "BAD_SEAL", "the fence is neither sealed nor held by a site job");
  auto note = course->note;
  note.started = true;
  course->refusal.clear();
  if (note.site_job == sealed->holder) co_return co_await keep(course, std::move(note));
  course->note.started = true;
  co_return co_await bind(course, sealed->holder, "holds the fence");
}

async::Task<> JobMover::bind(Course* course, SiteJobId site_job, const char* how) {
  auto note = course->note;
  note.site_job = std::move(site_job);
  course->bound_at = scheduler_.now_monotonic();
  log_.write(LogLevel::info, "a transfer has a job",
             {{"transfer", note.order.transfer.id.str()},
              {"site", options_.site.str()},
              {"site_job_id", note.site_job.str()},
              {"tag", domain::make_tag(note.order.transfer.id, note.jobs).str()},
              {"how", how}});
  co_return co_await keep(course, std::move(note));
}

/// How far it is, and the outcome if there is one. False: that is all for now, it is over or was being written.
async::Task<bool> JobMover::read_result(Course* course, async::Deadline deadline) {
  const auto file = co_await site_.read_file(site_job(course->note), kJobStatus, 0, kStatusBytes, deadline);
  if (!file && file.error().code == "FILE_CHANGED") co_return false;
  if (!file) co_return std::unexpected(file.error());
  const auto json = parse_json(file->bytes);
  auto told = json ? domain::transfer_status_from_json(*json) : std::unexpected(json.error());
  if (!told || told->id != course->note.order.transfer.id) co_return true;  // not there yet, or not to be believed
  auto note = course->note;
  note.started = true;
  note.status = std::move(*told);
  // A file of the site's: it knows no time that has not come, nor amounts that nobody could add up.
  if (note.status.outcome) note.status.outcome->at = std::min(note.status.outcome->at, scheduler_.now_utc());
  constexpr domain::Bytes kMost{std::int64_t{1} << 60};
  note.status.progress.bytes = std::min(note.status.progress.bytes, kMost);
  note.status.progress.verified = std::min(note.status.progress.verified, kMost);
  const bool waits = note.status.phase == TransferPhase::not_seen || note.status.phase == TransferPhase::interrupted;
  if (waits) note.status.phase = TransferPhase::preparing;  // for another job's lock
  note.live = note.status.phase != TransferPhase::ended;
  if (note.live && course->note.started) {
    course->note = std::move(note);
    co_return true;
  }
  if (auto kept = co_await keep(course, std::move(note)); !kept) co_return std::unexpected(kept.error());
  co_return course->note.live;
}

async::Task<> JobMover::job_ended(Course* course, ports::JobStatus status, async::Deadline deadline) {
  if (status.reason.code == "DUPLICATE") {  // another submission under its tag has the fence
    const auto before = course->note.site_job;
    if (auto sealed = co_await seal(course, deadline); !sealed || !course->note.live || course->note.site_job != before)
      co_return sealed;
  }
  if (status.started_at || status.outcome != domain::Outcome::never_started) {
    if (auto kept = co_await has_begun(course); !kept) co_return kept;
  }
  const auto now = scheduler_.now_monotonic();
  if (!course->result_due_since) course->result_due_since = now;
  if (status.outcome == domain::Outcome::succeeded && now - *course->result_due_since < kResultAppears) co_return Result<void>{};
  const auto words = co_await site_.read_output(site_job(course->note), ports::Stream::err, 0, kLastWords, deadline);
  co_return co_await job_over(course, end_of(status), words ? words->bytes : std::string());
}

/// The site has no record of it. It can never start, or it has started, and nothing runs past its limit.
async::Task<> JobMover::job_unseen(Course* course, async::Deadline deadline) {
  const auto now = scheduler_.now_monotonic();
  if (!course->unseen_since) course->unseen_since = now;
  const auto unseen = now - *course->unseen_since;
  if (unseen < options_.visibility) co_return Result<void>{};
  const auto before = course->note.site_job;
  if (auto sealed = co_await seal(course, deadline); !sealed || !course->note.live || course->note.site_job != before)
    co_return sealed;
  if (unseen >= options_.time_limit + kEndOfJob)
    co_return co_await job_over(course, "the site has no record of it, and its time is over", {});
  co_return fail(ErrorKind::unavailable, "SITE_FORGOT",
                 "transfer job " + before.str() + " has started, and site " + options_.site.str() +
                     " has no record of it: nothing else begins before its time is over");
}

async::Task<> JobMover::submit(Course* course, bool discards, async::Deadline deadline) {
  const auto before = course->note;
  auto note = before;
  ++note.jobs;
  note.live = true;
  if (discards && !before.discards) note.fruitless = 0;
  note.discards = discards;
  note.site = options_.site;
  note.account = options_.account;
  note.site_job = {};
  note.intended_at = scheduler_.now_utc();
  note.status.phase = TransferPhase::queued;
  note.status.progress = {};  // it begins at what is really there
  const auto& id = note.order.transfer.id;
  ports::SubmitRequest request{.job = id,
                               .attempt = note.jobs,
                               .tag = domain::make_tag(id, note.jobs),
                               .person = options_.mover.person,
                               .account = options_.account,
                               .scheduler_account = options_.scheduler_account,
                               .queue = options_.queue,
                               .spec = {},
                               .payload = {.script = kScript,
                                           .arguments = {options_.mover.program, "--job", discards ? "discard" : "move",
                                                         options_.mover.spool, canonical_json(to_json(note.order))},
                                           .environment = {}},
                               .code = {}};
  request.spec.time_limit = options_.time_limit;
  request.spec.datasets = {course->note.order.transfer.dataset};  // what the site's own rules judge
  request.stages_in = true;
  if (auto kept = co_await keep(course, std::move(note)); !kept) co_return kept;
  course->unseen_since.reset();
  course->result_due_since.reset();
  course->looked_for_at.reset();
  course->refusal.clear();
  course->child_dead_at = deadline.at;
  const auto receipt = co_await site_.submit(std::move(request), deadline);
  if (receipt) co_return co_await bind(course, receipt->site_job_id, "submitted");
  const auto& error = receipt.error();
  log_.write(LogLevel::warning, "submission of a transfer job without a receipt",
             {{"transfer", course->note.order.transfer.id.str()},
              {"site", options_.site.str()},
              {"code", error.code},
              {"error", error.message},
              {"detail", error.detail}});
  if (ports::surely_not_sent(error)) {  // the number is free for the next
    (void)co_await keep(course, before);
    if (error.kind != ErrorKind::permission_denied) co_return std::unexpected(error);
    co_return co_await end(course, discards ? TransferEnd::cancelled : TransferEnd::access_refused,
                           (discards ? "cancelled; what was copied may still lie there, hidden: " : "") + error.message,
                           error.detail);
  }
  if (error.code == "SITE_REFUSED") course->refusal = error.message;
  co_return Result<void>{};
}

async::Task<> JobMover::job_over(Course* course, std::string how, std::string detail) {
  auto note = course->note;
  const auto came = note.status.progress.bytes + note.status.progress.verified;
  note.fruitless = came > note.furthest ? 0 : note.fruitless + 1;
  note.furthest = std::max(note.furthest, came);
  note.live = false;
  note.status.phase = TransferPhase::interrupted;
  log_.write(LogLevel::warning, "a transfer job is over without a result",
             {{"transfer", note.order.transfer.id.str()},
              {"site", options_.site.str()},
              {"site_job_id", note.site_job.str()},
              {"end", how},
              {"detail", detail}});
  const bool winding_up = note.cancelled && !note.discards;
  if (note.fruitless < kFruitless || winding_up) co_return co_await keep(course, std::move(note));
  if (note.discards)
    co_return co_await end(course, TransferEnd::cancelled, "cancelled; what was copied may still lie there, hidden: " + how,
                           std::move(detail));
  co_return co_await end(course, TransferEnd::tool_failed,
                         std::to_string(kFruitless) + " transfer jobs at site " + options_.site.str() +
                             " came no further, the last one: " + how + "; the broker's log has its words",
                         std::move(detail));
}

async::Task<> JobMover::end(Course* course, TransferEnd how, std::string message, std::string detail) {
  auto note = course->note;
  note.live = false;
  note.status.phase = TransferPhase::ended;
  note.status.outcome =
      domain::TransferOutcome{.end = how, .message = std::move(message), .detail = std::move(detail), .at = scheduler_.now_utc()};
  co_return co_await keep(course, std::move(note));
}

}  // namespace hansa::connectors::mover
