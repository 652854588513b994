// SPDX-License-Identifier: Apache-2.0
// A job's way: add() -> waiting -> start_what_fits() -> starting -> launch() -> running -> watch() -> ended.
// Each of launch() and watch() is one task of one job; they alone move it on (and cancel(), a waiting one), and tend() alone
// sends it into launch().
#include "connectors/local/job_runner.hpp"

#include "broker/async/child.hpp"
#include "broker/domain/nobody.hpp"
#include "connectors/local/supervise.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

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

}  // namespace

JobRunner::JobRunner(async::Scheduler& scheduler, asio::any_io_executor executor, Options options, ports::Log& log, Spool spool)
    : scheduler_(scheduler),
      options_(std::move(options)),
      log_(log),
      spool_(std::move(spool)),
      wake_(executor),
      tasks_(executor, kTasks, [this](std::string_view name, const Error& error) {
        log_.write(
            LogLevel::error, "a task of the local site ended with an error",
            {{"site", options_.site.str()}, {"task", std::string(name)}, {"error", error.message}, {"detail", error.detail}});
      }) {}

void JobRunner::take(std::vector<SpooledJob> found) {
  for (auto& [record, sight] : found) {
    const auto id = record.id;
    auto& job = jobs_[id];
    job.record = std::move(record);
    job.record.launch = {};
    job.room = room_for(job.record.spec.resources, options_.total);
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

void JobRunner::spawn(std::string_view name, Task<void> task) {
  if (auto spawned = tasks_.spawn(name, std::move(task)); !spawned && spawned.error().code != "GROUP_CLOSED") {
    log_.write(LogLevel::error, "the local site cannot start a task",
               {{"site", options_.site.str()}, {"task", std::string(name)}, {"error", spawned.error().message}});
  }
}

void JobRunner::log_error(const char* sentence, std::int64_t id, const Error& error) {
  log_.write(
      LogLevel::warning, sentence,
      {{"site", options_.site.str()}, {"site_job", std::to_string(id)}, {"error", error.message}, {"detail", error.detail}});
}

bool JobRunner::waits_for_its_name(const LocalJob& job) const {
  const auto [first, last] = by_tag_.equal_range(job.record.tag);
  return std::any_of(first, last, [&](const auto& each) {
    const auto& other = jobs_.at(each.second);
    const bool sibling = job.record.array != 0 && other.record.array == job.record.array;
    return each.second < job.record.id && !sibling && other.stage != Stage::ended;
  });
}

std::vector<const LocalJob*> JobRunner::tasks_of(std::int64_t array, const Tag& tag) const {
  std::vector<const LocalJob*> tasks;
  for (auto at = jobs_.lower_bound(array); at != jobs_.end() && array != 0 && at->second.record.array == array; ++at) {
    if (at->second.record.tag == tag) tasks.push_back(&at->second);
  }
  return tasks;
}

Task<void> JobRunner::tend() {
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

void JobRunner::start_what_fits() {
  const auto now = scheduler_.now_monotonic();
  std::vector<Occupant> running;
  std::vector<Candidate> waiting;
  std::vector<std::int64_t> ids;
  std::map<std::int64_t, std::int32_t> of_array;  // tasks that run, or may start now
  for (const auto id : active_) {
    const auto& job = jobs_.at(id);
    if (job.record.array != 0 && job.stage != Stage::waiting) ++of_array[job.record.array];
  }
  for (const auto id : active_) {
    const auto& job = jobs_.at(id);
    const auto most = job.record.spec.array.at_most;
    if (job.stage == Stage::waiting && job.record.array != 0 && most > 0 && of_array[job.record.array]++ >= most) continue;
    if (job.stage == Stage::starting || job.stage == Stage::running) {
      const auto started = job.start ? job.start->started_at : scheduler_.now_utc();
      running.push_back({job.room, started + job.record.spec.time_limit + Seconds{kGraceSeconds}});
    } else if (job.stage == Stage::waiting && !(job.not_before && now < *job.not_before) && !waits_for_its_name(job)) {
      waiting.push_back({job.room, job.record.spec.time_limit + Seconds{kGraceSeconds}});
      ids.push_back(id);
    }
  }
  for (const auto chosen : choose_starts(options_.total, running, waiting, scheduler_.now_utc())) {
    auto& job = jobs_.at(ids[chosen]);
    job.stage = Stage::starting;
    job.not_before.reset();
    spawn("launch", launch(ids[chosen]));
  }
}

Task<void> JobRunner::launch(std::int64_t id) {
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

Task<void> JobRunner::watch(std::int64_t id) {
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

asio::awaitable<void> JobRunner::wait_for_supervisor(StartRecord start) {
  auto process = open_process(start);
  if (!process) {  // gone already, its lock about to be free; or no descriptor to spare
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() + kPollPause);
    co_return;
  }
  asio::posix::stream_descriptor ended(co_await asio::this_coro::executor, process->release());
  co_await ended.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
}

void JobRunner::end(LocalJob& job, EndRecord record) {
  ended_.emplace(record.sequence, job.record.id);
  active_.erase(job.record.id);
  job.start.reset();
  job.end = std::move(record);
  job.stage = Stage::ended;
  wake_.set();
}

Task<void> JobRunner::purge() {
  // The last job and the last to end stay: the numbers of both rise from there, also after a restart.
  const auto too_old = scheduler_.now_utc() - options_.keep;
  std::vector<std::int64_t> old;
  for (const auto& [id, job] : jobs_) {
    const bool last = id == jobs_.rbegin()->first || (job.end && job.end->sequence == ended_.rbegin()->first);
    // An array goes as a whole: what is left of one that was not spooled whole is removed at the next start.
    const auto tasks = tasks_of(job.record.array, job.record.tag);
    const bool alive = std::ranges::any_of(tasks, [](const LocalJob* task) { return task->stage != Stage::ended; });
    if (job.stage == Stage::ended && !last && !alive && job.end->ended_at < too_old) old.push_back(id);
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

Task<std::int64_t> JobRunner::add(JobRecord record, std::string script) {
  const auto& tasks = record.spec.array.tasks;
  auto id = co_await on_files([record, text = std::move(script)](Spool& spool) mutable {
    return record.spec.array.empty() ? spool.add(std::move(record), text) : spool.add_array(std::move(record), text);
  });
  // Nothing is awaited from here on: what the spool has, the scheduler knows.
  if (!id) co_return id;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, tasks.size()); ++i) {
    const auto own = *id + static_cast<std::int64_t>(i);
    auto& job = jobs_[own];
    job.record = record;
    job.record.id = own;
    job.record.launch = {};
    if (!tasks.empty()) job.record.array = *id, job.record.task = tasks[i];
    job.room = room_for(job.record.spec.resources, options_.total);
    by_tag_.emplace(job.record.tag, own);
    active_.insert(own);
  }
  wake_.set();
  co_return id;
}

Task<void> JobRunner::forget(Principal person, std::function<Result<void>(const JobRecord&)> files) {
  std::vector<std::int64_t> theirs;
  for (const auto& [id, job] : jobs_) {
    if (job.stage == Stage::ended && job.record.person == person) theirs.push_back(id);
  }
  for (const auto id : theirs) {
    auto done = co_await on_files([id, files, record = jobs_.at(id).record](Spool& spool) -> Result<bool> {
      if (auto gone = files(record); !gone) return std::unexpected(gone.error());
      if (auto gone = spool.forget_person(id); !gone) return std::unexpected(gone.error());
      return true;
    });
    if (!done) co_return std::unexpected(done.error());
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) continue;
    at->second.record.person = domain::kNobody;
    at->second.record.account = {};
    at->second.record.spec = domain::without_names(std::move(at->second.record.spec));
  }
  co_return Result<void>{};
}

Task<CancelOutcome> JobRunner::cancel(std::int64_t id, ports::CancelWhen when, Deadline deadline) {
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

}  // namespace hansa::connectors::local
