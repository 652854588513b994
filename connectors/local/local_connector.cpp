// SPDX-License-Identifier: Apache-2.0
// A job's way: submit() -> waiting -> start_what_fits() -> starting -> launch() -> running -> watch() -> ended.
// Each of launch() and watch() is one task of one job; they alone move it on, and tend() alone sends it into launch().
#include "connectors/local/local_connector.hpp"

#include "broker/async/child.hpp"
#include "broker/async/run_on.hpp"
#include "connectors/local/supervise.hpp"
#include "connectors/transport/wrapper.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <type_traits>

namespace hansa::connectors::local {

namespace asio = boost::asio;
using async::Deadline;
using async::Task;
using domain::CancelOutcome;
using domain::Outcome;
using ports::LogLevel;

namespace {

constexpr Milliseconds kStartTimeout{30'000};
constexpr Milliseconds kPollPause{50};
constexpr Milliseconds kSettlePause{1'000};
constexpr Milliseconds kPurgePause{3'600'000};
constexpr std::int32_t kStartTries = 8;          // 1 + 2 + 4 + ... s: two minutes of a full disk
constexpr std::size_t kTasks = 100'000;
constexpr std::size_t kUsagePageRecords = 1000;
constexpr const char* kRunVariable = "HANSA_LOCAL_RUN";
constexpr const char* kTaskVariable = "HANSA_LOCAL_TASK";

std::unexpected<Error> too_late() {
  return fail(ErrorKind::deadline_exceeded, "DEADLINE_EXCEEDED", "the local site was asked too late");
}

/// Sites tell times in whole seconds.
UtcTime whole(UtcTime t) { return UtcTime{std::chrono::floor<Seconds>(t)}; }
std::optional<UtcTime> whole(std::optional<UtcTime> t) { return t ? std::optional(whole(*t)) : t; }

struct Account {
  std::string name;
  std::string home;
  std::string shell;
};

Account own_account() {
  std::array<char, 16384> text{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(::geteuid(), &entry, text.data(), text.size(), &found);
  if (found == nullptr) return {.name = std::to_string(::geteuid()), .home = "/", .shell = "/bin/sh"};
  return {.name = found->pw_name, .home = found->pw_dir, .shell = found->pw_shell};
}

Result<void> validate(const LocalOptions& options) {
  std::vector<Fault> faults;
  const auto require = [&](bool holds, const char* key, const char* message) {
    if (!holds) faults.push_back({.where = key, .message = message});
  };
  require(options.spool.starts_with('/'), "spool", "an absolute path is needed");
  require(options.work_dir.starts_with('/') && transport::is_safe_work_dir(options.work_dir), "work_dir",
          "an absolute path of letters, digits and ._/@+,- is needed");
  require(options.runner.starts_with('/') && ::access(options.runner.c_str(), X_OK) == 0, "runner",
          "hansa-local-run is not there");
  require(!options.queue.empty(), "queue", "a queue needs a name");
  require(options.cores >= 1, "slots", "at least one core");
  require(options.memory.value >= 1, "memory_mib", "at least 1 MiB");
  require(options.gpus >= 0, "gpus", "not negative");
  require(!options.max_time || options.max_time->count() >= 1, "max_time", "at least 1 s");
  require(options.keep.count() >= 1, "keep", "at least 1 s");
  if (faults.empty()) return {};
  return std::unexpected(
      Error{.kind = ErrorKind::invalid_argument,
            .code = "LOCAL_OPTIONS",
            .message = "local site " + options.site.str() + ": " + faults.front().where + ": " + faults.front().message,
            .faults = std::move(faults)});
}

}  // namespace

template <class Work>
auto LocalConnector::on_files(Work work) -> Task<typename std::invoke_result_t<Work, Spool&>::value_type> {
  using T = typename std::invoke_result_t<Work, Spool&>::value_type;
  // A coroutine's lambda would be gone when it runs: the work goes in as a parameter.
  auto body = [](Spool& spool, Work todo) -> Task<T> { co_return todo(spool); };
  return async::run_on<T>(files_.get_executor(), body(spool_, std::move(work)));
}

// ---- beginning

Result<std::unique_ptr<LocalConnector>> LocalConnector::open(async::Scheduler& scheduler, asio::any_io_executor executor,
                                                             LocalOptions options, ports::Log& log) {
  if (auto valid = validate(options); !valid) return std::unexpected(std::move(valid.error()));
  auto spool = Spool::open(options.spool, options.work_dir);
  if (!spool) return std::unexpected(std::move(spool.error()));
  std::vector<std::string> damaged;
  auto found = spool->load(damaged);
  if (!found) return std::unexpected(std::move(found.error()));
  for (const auto& folder : damaged) {
    log.write(LogLevel::error, "a job's folder in the spool cannot be read; it is left alone",
              {{"site", options.site.str()}, {"folder", folder}});
  }
  std::unique_ptr<LocalConnector> connector(
      new LocalConnector(scheduler, std::move(executor), std::move(options), log, own_account().name, std::move(*spool)));
  connector->take(std::move(*found));
  return connector;
}

LocalConnector::LocalConnector(async::Scheduler& scheduler, asio::any_io_executor executor, LocalOptions options, ports::Log& log,
                               std::string user, Spool spool)
    : scheduler_(scheduler),
      executor_(std::move(executor)),
      options_(std::move(options)),
      log_(log),
      user_(std::move(user)),
      total_{.cores = options_.cores, .memory_mib = options_.memory.value, .gpus = options_.gpus},
      spool_(std::move(spool)),
      wake_(executor_),
      tasks_(executor_, kTasks, [this](std::string_view name, const Error& error) {
        log_.write(
            LogLevel::error, "a task of the local site ended with an error",
            {{"site", options_.site.str()}, {"task", std::string(name)}, {"error", error.message}, {"detail", error.detail}});
      }) {}

void LocalConnector::take(std::vector<SpooledJob> found) {
  for (auto& [record, sight] : found) {
    const auto id = record.id;
    auto& job = jobs_[id];
    job.record = std::move(record);
    job.record.launch = {};  // the supervisor's to read
    job.room = room_for(job.record.spec.resources, total_);
    job.start = std::move(sight.start);
    by_tag_.emplace(job.record.tag, id);
    switch (sight.presence) {
      case Presence::waiting: active_.insert(id); break;
      case Presence::ended:
        ended_.emplace(sight.end->sequence, id);
        job.end = std::move(sight.end);
        job.stage = Stage::ended;
        break;
      case Presence::alive:
      case Presence::over:
        active_.insert(id);
        job.stage = job.start ? Stage::running : Stage::starting;
        spawn("watch", watch(id));
        break;
    }
  }
  spawn("tend", tend());
}

void LocalConnector::spawn(std::string_view name, Task<void> task) {
  if (auto spawned = tasks_.spawn(name, std::move(task)); !spawned && spawned.error().code != "GROUP_CLOSED") {
    log_.write(LogLevel::error, "the local site cannot start a task",
               {{"site", options_.site.str()}, {"task", std::string(name)}, {"error", spawned.error().message}});
  }
}

void LocalConnector::log_error(const char* sentence, std::int64_t id, const Error& error) {
  log_.write(
      LogLevel::warning, sentence,
      {{"site", options_.site.str()}, {"site_job", std::to_string(id)}, {"error", error.message}, {"detail", error.detail}});
}

// ---- the scheduler

bool LocalConnector::waits_for_its_name(const LocalJob& job) const {
  const auto [first, last] = by_tag_.equal_range(job.record.tag);
  return std::any_of(
      first, last, [&](const auto& each) { return each.second < job.record.id && jobs_.at(each.second).stage != Stage::ended; });
}

Task<void> LocalConnector::tend() {
  auto purge_at = scheduler_.now_monotonic();
  while (true) {
    start_what_fits();
    if (scheduler_.now_monotonic() >= purge_at) {
      if (auto purged = co_await purge(); !purged)
        log_error("old jobs of the local site could not be removed", 0, purged.error());
      purge_at = scheduler_.now_monotonic() + kPurgePause;
    }
    auto next = purge_at;
    for (const auto id : active_) {
      const auto& job = jobs_.at(id);
      if (job.stage == Stage::waiting && job.not_before) next = std::min(next, *job.not_before);
    }
    co_await wake_.wait_until(scheduler_, next);
  }
}

void LocalConnector::start_what_fits() {
  const auto now = scheduler_.now_monotonic();
  std::vector<Occupant> running;
  std::vector<Candidate> waiting;
  std::vector<std::int64_t> ids;
  for (const auto id : active_) {
    const auto& job = jobs_.at(id);
    if (job.stage == Stage::starting || job.stage == Stage::running) {
      const auto started = job.start ? job.start->started_at : scheduler_.now_utc();
      running.push_back({job.room, started + job.record.spec.time_limit + Seconds{kGraceSeconds}});
    } else if (job.stage == Stage::waiting && !(job.not_before && now < *job.not_before) && !waits_for_its_name(job)) {
      waiting.push_back({job.room, job.record.spec.time_limit + Seconds{kGraceSeconds}});
      ids.push_back(id);
    }
  }
  for (const auto chosen : choose_starts(total_, running, waiting, scheduler_.now_utc())) {
    auto& job = jobs_.at(ids[chosen]);
    job.stage = Stage::starting;
    job.not_before.reset();
    spawn("launch", launch(ids[chosen]));
  }
}

Task<void> LocalConnector::launch(std::int64_t id) {
  const auto child = co_await async::run_child(
      scheduler_, Deadline::in(scheduler_, kStartTimeout),
      {.argv = {options_.runner, spool_.folder_of(id)}, .environment = {}, .working_directory = {}, .input = {}});
  // Whatever it says, the spool knows: a supervisor of an earlier broker may have been there first.
  const auto sight = co_await on_files([id](Spool& spool) { return spool.look(id); });
  auto& job = jobs_.at(id);
  if (!sight) {
    log_error("a job of the local site cannot be looked at", id, sight.error());
    job.stage = Stage::running;  // watch() keeps looking
    spawn("watch", watch(id));
    co_return Result<void>{};
  }
  if (sight->presence != Presence::waiting) {
    job.start = sight->start;
    job.stage = Stage::running;
    spawn("watch", watch(id));
    co_return Result<void>{};
  }

  auto words = child ? child->err : child.error().message;
  while (!words.empty() && words.back() == '\n') words.pop_back();
  if (words.empty()) words = "hansa-local-run did not start it";
  if (++job.failed_starts < kStartTries) {
    log_error("a job of the local site could not be started; it is tried again", id, {.message = words});
    job.not_before = scheduler_.now_monotonic() + Seconds{1} * (1 << (job.failed_starts - 1));
    job.stage = Stage::waiting;
    wake_.set();
    co_return Result<void>{};
  }
  auto ended = co_await on_files([id, words, now = scheduler_.now_utc()](Spool& spool) {
    return spool.withdraw(id, now, "LAUNCH_FAILED", Outcome::failed, {"LAUNCH_FAILED", "the job could not be started: " + words});
  });
  auto& again = jobs_.at(id);
  if (ended) {
    end(again, std::move(*ended));
  } else {
    log_error("a job of the local site could not be started, nor ended", id, ended.error());
    again.stage = Stage::running;
    spawn("watch", watch(id));
  }
  co_return Result<void>{};
}

Task<void> LocalConnector::watch(std::int64_t id) {
  while (true) {
    const auto sight = co_await on_files([id](Spool& spool) { return spool.look(id); });
    if (!sight) {
      log_error("a job of the local site cannot be looked at", id, sight.error());
      co_await scheduler_.sleep_until(scheduler_.now_monotonic() + kSettlePause);
      continue;
    }
    auto& job = jobs_.at(id);
    if (sight->presence == Presence::waiting) {  // it was locked for a moment, or its supervisor died before its start
      job.stage = Stage::waiting;
      wake_.set();
      co_return Result<void>{};
    }
    if (sight->presence == Presence::alive) {
      job.stage = Stage::running;
      job.start = sight->start;
      if (job.start) {
        co_await wait_for_supervisor(*job.start);
      } else {
        co_await scheduler_.sleep_until(scheduler_.now_monotonic() + kPollPause);
      }
      continue;
    }
    auto ended = co_await on_files([id, now = scheduler_.now_utc()](Spool& spool) { return spool.settle(id, now); });
    if (ended) {
      end(jobs_.at(id), std::move(*ended));
      co_return Result<void>{};
    }
    log_error("the end of a job of the local site cannot be kept; trying again", id, ended.error());
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() + kSettlePause);
  }
}

asio::awaitable<void> LocalConnector::wait_for_supervisor(StartRecord start) {
  auto process = open_process(start);
  if (!process) {  // gone already, its lock about to be free; or no descriptor to spare
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() + kPollPause);
    co_return;
  }
  asio::posix::stream_descriptor ended(co_await asio::this_coro::executor, process->release());
  co_await ended.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
}

void LocalConnector::end(LocalJob& job, EndRecord record) {
  ended_.emplace(record.sequence, job.record.id);
  active_.erase(job.record.id);
  job.start.reset();
  job.end = std::move(record);
  job.stage = Stage::ended;
  wake_.set();
}

Task<void> LocalConnector::purge() {
  // The last job and the last to end stay: the numbers of both rise from there, also after a restart.
  const auto too_old = scheduler_.now_utc() - options_.keep;
  std::vector<std::int64_t> old;
  for (const auto& [id, job] : jobs_) {
    const bool last = id == jobs_.rbegin()->first || (job.end && job.end->sequence == ended_.rbegin()->first);
    if (job.stage == Stage::ended && !last && job.end->ended_at < too_old) old.push_back(id);
  }
  for (const auto id : old) {
    if (auto removed = co_await on_files([id](Spool& spool) { return spool.remove(id); }); !removed) co_return removed;
    const auto at = jobs_.find(id);
    ended_.erase(at->second.end->sequence);
    const auto [first, last] = by_tag_.equal_range(at->second.record.tag);
    by_tag_.erase(std::find_if(first, last, [id](const auto& each) { return each.second == id; }));
    jobs_.erase(at);
  }
  co_return Result<void>{};
}

// ---- submission

Result<void> LocalConnector::admissible(const ports::SubmitRequest& request) const {
  if (!request.account.empty() && request.account.str() != user_) {
    return fail(ErrorKind::permission_denied, "NO_SUCH_ACCOUNT",
                "local site " + options_.site.str() + " runs jobs as " + user_ + " only, not as '" + request.account.str() + "'");
  }
  const auto refuse = [&](const std::string& words) {
    return fail(ErrorKind::unknown_outcome, "SITE_REFUSED", "local site " + options_.site.str() + " refused the job: " + words);
  };
  const auto& r = request.spec.resources;
  if (!request.queue.empty() && request.queue != options_.queue) return refuse("there is no queue '" + request.queue.str() + "'");
  if (r.nodes != 1) return refuse("it has one node, " + std::to_string(r.nodes) + " were asked for");
  if (r.tasks < 1 || r.cpus_per_task < 1 || r.gpus_per_node < 0 || request.spec.time_limit.count() < 1)
    return refuse("its resources make no sense");
  if (options_.max_time && request.spec.time_limit > *options_.max_time) {
    return refuse("its wall-time limit is " + std::to_string(options_.max_time->count()) + " s");
  }
  if (!total_.holds(room_for(r, total_))) {
    return refuse("it has " + std::to_string(total_.cores) + " cores, " + std::to_string(total_.memory_mib) + " MiB and " +
                  std::to_string(total_.gpus) + " GPUs");
  }
  if (r.gpus_per_node > 0 && !r.gpu_model.empty() && r.gpu_model != options_.gpu_model)
    return refuse("it has no GPU of model '" + r.gpu_model + "'");
  return {};
}

Result<std::string> LocalConnector::wrapped_script(const ports::SubmitRequest& request) const {
  return transport::make_wrapper({.tag = request.tag,
                                  .work_dir = options_.work_dir,
                                  .may_requeue = request.spec.requeue,
                                  .job_id_variable = kIdVariable,
                                  .run_variable = kRunVariable,
                                  .task_variable = kTaskVariable,
                                  .unset = {kIdVariable, kRunVariable, kTaskVariable},
                                  .exported = {{"HANSA_JOB_ID", request.job.str()}, {"HANSA_SITE", options_.site.str()}},
                                  .script = request.payload.script,
                                  .arguments = request.payload.arguments,
                                  .environment = request.payload.environment});
}

Task<ports::SubmitReceipt> LocalConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  if (auto admitted = admissible(request); !admitted) co_return std::unexpected(std::move(admitted.error()));
  auto script = wrapped_script(request);
  if (!script) co_return std::unexpected(std::move(script.error()));

  const auto account = own_account();
  JobRecord record{.tag = request.tag,
                   .person = request.person,
                   .account = request.account,  // told back as it was asked for: empty, or our own
                   .scheduler_account = request.scheduler_account,
                   .queue = options_.queue,
                   .spec = request.spec,
                   .submitted_at = scheduler_.now_utc(),
                   .launch = {.work_dir = options_.work_dir,
                              .out = transport::output_path(request.tag, false),
                              .err = transport::output_path(request.tag, true),
                              .environment = {{"HOME", account.home},
                                              {"USER", account.name},
                                              {"LOGNAME", account.name},
                                              {"SHELL", account.shell},
                                              {"PATH", "/usr/local/bin:/usr/bin:/bin"}}}};
  auto id =
      co_await on_files([record, text = std::move(*script)](Spool& spool) mutable { return spool.add(std::move(record), text); });
  // Nothing is awaited from here on: what the spool has, the scheduler knows.
  if (!id) co_return std::unexpected(std::move(id.error()));
  auto& job = jobs_[*id];
  job.record = std::move(record);
  job.record.id = *id;
  job.record.launch = {};
  job.room = room_for(job.record.spec.resources, total_);
  by_tag_.emplace(job.record.tag, *id);
  active_.insert(*id);
  wake_.set();
  co_return ports::SubmitReceipt{.site_job_id = SiteJobId(std::to_string(*id))};
}

// ---- questions

LocalConnector::LocalJob* LocalConnector::known(const ports::SiteJob& asked) {
  std::int64_t id = 0;
  const auto& text = asked.id.str();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size()) return nullptr;
  const auto at = jobs_.find(id);
  return at == jobs_.end() || at->second.record.tag != asked.tag ? nullptr : &at->second;
}

std::string LocalConnector::pending_reason(const LocalJob& job) const {
  if (waits_for_its_name(job)) return "Dependency";
  return job.not_before ? "LaunchFailed" : "Resources";
}

ports::JobStatus LocalConnector::status_of(const LocalJob& job) const {
  ports::JobStatus status{.id = SiteJobId(std::to_string(job.record.id)), .site_state = {}, .pending_reason = {}, .reason = {}};
  switch (job.stage) {
    case Stage::waiting:
      status.phase = ports::Phase::queued;
      status.site_state = "PENDING";
      status.pending_reason = pending_reason(job);
      break;
    case Stage::starting:
      status.phase = ports::Phase::queued;
      status.site_state = "STARTING";
      break;
    case Stage::running:
      status.phase = job.start ? ports::Phase::running : ports::Phase::queued;
      status.site_state = job.start ? "RUNNING" : "STARTING";
      if (job.start) status.started_at = whole(job.start->started_at);
      break;
    case Stage::ended:
      status.phase = ports::Phase::ended;
      status.site_state = job.end->site_state;
      status.started_at = whole(job.end->started_at);
      status.ended_at = whole(job.end->ended_at);
      status.outcome = job.end->outcome;
      status.exit_code = job.end->exit_code;
      status.signal = job.end->signal;
      status.reason = job.end->reason;
      break;
  }
  return status;
}

Task<std::vector<ports::JobStatus>> LocalConnector::status(std::vector<ports::SiteJob> jobs, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  std::vector<ports::JobStatus> answers;
  answers.reserve(jobs.size());
  for (const auto& asked : jobs) {
    if (const auto* job = known(asked))
      answers.push_back(status_of(*job));
    else
      answers.push_back({.id = asked.id, .site_state = {}, .pending_reason = {}, .reason = {}});
  }
  co_return answers;
}

Task<ports::FindResult> LocalConnector::find(std::vector<ports::SiteJob> wanted, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  ports::FindResult result{.sightings = {}, .queue_seen = true, .history_seen = true};
  std::set<Tag> tags;
  for (const auto& job : wanted) tags.insert(job.tag);
  for (const auto& tag : tags) {
    const auto [first, last] = by_tag_.equal_range(tag);
    for (auto at = first; at != last; ++at) {
      const auto& job = jobs_.at(at->second);
      result.sightings.push_back({.tag = tag,
                                  .cluster = options_.site.str(),
                                  .account = job.record.account,
                                  .submitted_at = whole(job.record.submitted_at),
                                  .status = status_of(job)});
    }
  }
  co_return result;
}

Task<domain::SiteSnapshot> LocalConnector::snapshot(Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  domain::SiteSnapshot snapshot{.taken_at = scheduler_.now_utc(), .cluster = options_.site.str(), .scheduler = "hansa local"};
  snapshot.queues.push_back(
      {.name = options_.queue, .is_default = true, .max_time = options_.max_time, .max_nodes = 1, .nodes = {0}});
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  snapshot.nodes.push_back({.name = host.data(),
                            .cores = options_.cores,
                            .memory = options_.memory,
                            .gpus = options_.gpus,
                            .gpu_model = options_.gpu_model});
  for (const auto id : active_) {
    const auto& job = jobs_.at(id);
    const auto& spec = job.record.spec;
    if (job.stage == Stage::starting || job.stage == Stage::running) {
      const auto started = job.start ? job.start->started_at : snapshot.taken_at;
      snapshot.running.push_back({.id = SiteJobId(std::to_string(id)),
                                  .queue = options_.queue,
                                  .shares = {{.node = 0,
                                              .cores = static_cast<std::int32_t>(job.room.cores),
                                              .memory = Mebibytes{job.room.memory_mib},
                                              .gpus = static_cast<std::int32_t>(job.room.gpus)}},
                                  .expected_end = started + spec.time_limit});
    } else if (job.stage == Stage::waiting) {
      snapshot.waiting.push_back({.id = SiteJobId(std::to_string(id)),
                                  .queue = options_.queue,
                                  .resources = spec.resources,
                                  .time_limit = spec.time_limit,
                                  .eligible = !waits_for_its_name(job)});
    }
  }
  co_return snapshot;
}

domain::UsageRecord LocalConnector::usage_of(const LocalJob& job) const {
  const auto& end = *job.end;
  domain::UsageRecord record{.site = options_.site,
                             .cluster = options_.site.str(),
                             .site_job_id = SiteJobId(std::to_string(job.record.id)),
                             .tag = job.record.tag,
                             .account = job.record.account,
                             .scheduler_account = job.record.scheduler_account,
                             .queue = job.record.queue,
                             .submitted_at = whole(job.record.submitted_at),
                             .started_at = whole(end.started_at),
                             .ended_at = whole(end.ended_at),
                             .site_state = end.site_state,
                             .exit_code = end.exit_code,
                             .source_line = canonical_json(to_json(end))};
  if (record.started_at) {
    record.elapsed = std::max(std::chrono::floor<Seconds>(record.ended_at - *record.started_at), Seconds{0});
    record.nodes = 1;
    record.cores = static_cast<std::int32_t>(job.room.cores);
    record.gpus = static_cast<std::int32_t>(job.room.gpus);
    record.core_seconds = {record.elapsed.count() * record.cores};
    record.gpu_seconds = {record.elapsed.count() * record.gpus};
    record.node_seconds = {record.elapsed.count()};
  }
  return record;
}

Task<ports::UsagePage> LocalConnector::usage(ports::UsageCursor from, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  std::int64_t after = 0;  // the sequence number of the last record read
  const auto* text_end = from.text.data() + from.text.size();
  if (const auto [stop, error] = std::from_chars(from.text.data(), text_end, after);
      !from.text.empty() && (error != std::errc{} || stop != text_end)) {
    co_return fail(ErrorKind::invalid_argument, "BAD_CURSOR", "'" + from.text + "' is no usage cursor of a local site");
  }
  ports::UsagePage page;
  for (auto at = ended_.upper_bound(after); at != ended_.end(); ++at) {
    if (page.records.size() == kUsagePageRecords) {
      page.complete = false;
      break;
    }
    page.records.push_back(usage_of(jobs_.at(at->second)));
    after = at->first;
  }
  page.next.text = std::to_string(after);
  co_return page;
}

// ---- interventions

Task<CancelOutcome> LocalConnector::cancel(ports::SiteJob asked, ports::CancelWhen when, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  const auto* found = known(asked);
  if (found == nullptr) co_return CancelOutcome::unknown;
  const auto id = found->record.id;
  const auto job = [this, id]() -> LocalJob* {
    const auto at = jobs_.find(id);
    return at == jobs_.end() ? nullptr : &at->second;
  };

  bool told = false;
  while (auto* now = job()) {
    if (now->stage == Stage::ended) {
      if (now->end->outcome != Outcome::cancelled) co_return CancelOutcome::already_ended;
      co_return now->end->started_at ? CancelOutcome::stopped : CancelOutcome::never_started;
    }
    if (now->stage == Stage::waiting) {
      now->stage = Stage::starting;  // out of tend()'s hands
      auto ended = co_await on_files([id, at = scheduler_.now_utc()](Spool& spool) {
        return spool.withdraw(id, at, "CANCELLED", Outcome::cancelled, {"CANCELLED", "cancelled before it started"});
      });
      if (ended) {
        end(jobs_.at(id), std::move(*ended));
        continue;
      }
      // A supervisor of an earlier broker was quicker, or the disk is full: watch() finds out how it stands.
      spawn("watch", watch(id));
      if (ended.error().kind != ErrorKind::conflict) co_return std::unexpected(std::move(ended.error()));
      continue;
    }
    if (when == ports::CancelWhen::only_while_pending && now->start) co_return CancelOutcome::unknown;  // left alone
    if (now->start && !told) {
      auto asked_to = co_await on_files([id, start = *now->start](Spool& spool) -> Result<bool> {
        if (auto done = spool.ask_to_end(id, start); !done) return std::unexpected(std::move(done.error()));
        return true;
      });
      if (!asked_to) co_return std::unexpected(std::move(asked_to.error()));
      told = true;
    }
    if (deadline.passed(scheduler_)) co_return CancelOutcome::unknown;
    const auto until = std::min(scheduler_.now_monotonic() + kPollPause, deadline.at);
    co_await scheduler_.sleep_until(until);
    if (scheduler_.now_monotonic() < until) break;  // the caller has given up
  }
  co_return CancelOutcome::unknown;
}

Task<ports::SealOutcome> LocalConnector::seal(ports::Fence fence, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  if (!fence.account.empty() && fence.account.str() != user_) {
    co_return fail(ErrorKind::permission_denied, "NO_SUCH_ACCOUNT",
                   "local site " + options_.site.str() + " has no fences of '" + fence.account.str() + "'");
  }
  if (!domain::parse_tag(fence.tag.str()))
    co_return fail(ErrorKind::invalid_argument, "BAD_TAG", "'" + fence.tag.str() + "' is no tag");
  co_return co_await on_files([fence](Spool& spool) { return spool.work_folder().seal(fence.tag, fence.task_index); });
}

Task<ports::OutputChunk> LocalConnector::read_output(ports::SiteJob asked, ports::Stream stream, std::uint64_t offset,
                                                     std::size_t limit, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  const auto* job = known(asked);
  if (job == nullptr) co_return ports::OutputChunk{.bytes = {}, .next_offset = offset, .exists = false};
  co_return co_await on_files([tag = job->record.tag, stream, offset, limit](Spool& spool) {
    return spool.work_folder().read_output(tag, stream, offset, limit);
  });
}

}  // namespace hansa::connectors::local
