// SPDX-License-Identifier: Apache-2.0
// A run from its start to its end: the fence, the end that its behaviour asks for, requeues, cancels.
#include "connectors/model/cluster_parts.hpp"

#include <algorithm>

namespace hansa::connectors::model {

using domain::NodeShare;
using domain::Outcome;
using domain::Reason;

namespace {

/// How long a requeued job is kept back. Slurm takes two minutes; a second keeps its runs apart in an accounting of whole
/// seconds.
constexpr Milliseconds kRequeuedFor{1'000};

}  // namespace

void Cluster::start(ClusterJob& job, std::vector<NodeShare> shares) {
  for (const auto& share : shares) {
    auto& room = free_[share.node];
    room.cores -= share.cores;
    room.memory -= share.memory.value;
    room.gpus -= share.gpus;
  }
  waiting_.erase(turn_of(job));
  running_.insert(job.serial);
  if (!job.array_id.empty()) ++running_tasks_[array_key(job)];
  job.state = ClusterState::running;
  job.site_state = "RUNNING";
  job.pending_reason.clear();
  job.shares = std::move(shares);
  job.cores = job.gpus = 0;
  for (const auto& share : job.shares) job.cores += share.cores, job.gpus += share.gpus;
  job.started_at = now_;
  job.ended_at.reset();

  const auto planned = [this, serial = job.serial, run = job.run](UtcTime when, std::function<void(ClusterJob&)> what) {
    at(when, [this, serial, run, what = std::move(what)] {
      auto& j = jobs_[index(serial)];
      if (j.state == ClusterState::running && j.run == run) what(j);
    });
  };
  auto refused = job.request.fenced ? wrapper_(fences_, job) : std::nullopt;
  if (refused) {
    job.reason = std::move(*refused);
    // The wrapper's exit codes: connectors/transport/wrapper.hpp.
    planned(now_, [this](ClusterJob& j) {
      const auto code = j.reason.code == "DUPLICATE" ? 113 : j.reason.code == "SITE_REQUEUED" ? 114 : 115;
      end_run(j, "FAILED", Outcome::failed, code, 0, j.reason);
    });
    return;
  }
  ++job.payload_starts;
  ++payload_starts_;
  const auto& behaviour = job.request.behaviour;
  if (behaviour.node_fails_after && job.run == 0 &&
      *behaviour.node_fails_after < std::min(behaviour.run, job.request.time_limit)) {
    planned(now_ + *behaviour.node_fails_after, [this](ClusterJob& j) { node_failed(j); });
  } else if (behaviour.run > job.request.time_limit) {
    planned(now_ + job.request.time_limit, [this](ClusterJob& j) {
      end_run(j, "TIMEOUT", Outcome::timed_out, 0, 15, {.code = "TIMEOUT", .message = "stopped at its wall-time limit"});
    });
  } else {
    planned(now_ + behaviour.run, [this](ClusterJob& j) {
      const auto& b = j.request.behaviour;
      const bool fails = b.failing_tasks.empty() || std::ranges::binary_search(b.failing_tasks.tasks, j.task);
      const bool well = (b.exit_code == 0 || !fails) && !b.signal;
      Reason reason;
      if (b.signal) reason = {.code = "SIGNAL", .message = "ended by signal " + std::to_string(*b.signal)};
      if (!b.signal && !well) reason = {.code = "EXIT_CODE", .message = "exit code " + std::to_string(b.exit_code)};
      end_run(j, well ? "COMPLETED" : "FAILED", well ? Outcome::succeeded : Outcome::failed, b.signal || well ? 0 : b.exit_code,
              b.signal.value_or(0), std::move(reason));
    });
  }
}

std::optional<Reason> take_fence(Fences& fences, const ClusterJob& job) {
  if (job.request.behaviour.fence_error) {
    return Reason{.code = "FENCE_FAILED", .message = "the fence could not be taken, nothing was run: disk quota exceeded"};
  }
  if (!job.array_id.empty()) {
    const auto right = "job:" + job.array_id.str() + ":0:tasks";
    const auto& held = fences.try_emplace({job.request.account.str(), job.request.name + ".array"}, right).first->second;
    if (held == "sealed")
      return Reason{.code = "DUPLICATE", .message = "the broker had withdrawn this array before it started; nothing was run"};
    if (held != right)
      return Reason{.code = "DUPLICATE", .message = "another site job (" + held + ") has this array's fence; nothing was run"};
  }
  const auto mine = "job:" + job.id.str() + ":";
  const auto [fence, taken] = fences.try_emplace({job.request.account.str(), job.request.name + "." + std::to_string(job.task)},
                                                 mine + std::to_string(job.run));
  if (taken) return std::nullopt;
  if (fence->second.starts_with(mine)) {
    if (job.request.requeue) return std::nullopt;
    return Reason{.code = "SITE_REQUEUED", .message = "the site started the job again although it may run only once"};
  }
  if (fence->second == "sealed")
    return Reason{.code = "DUPLICATE", .message = "the broker had withdrawn this attempt before it started; nothing was run"};
  return Reason{.code = "DUPLICATE",
                .message = "another site job (" + fence->second + ") has this attempt's fence; nothing was run"};
}

bool Cluster::seal(const LocalAccount& account, const std::string& name, SiteJobId& holder) {
  const auto [fence, taken] = fences_.try_emplace({account.str(), name}, "sealed");
  if (taken || fence->second == "sealed") return true;
  const auto& held = fence->second;  // job:<id>:<run>, job:<array's id>:0:tasks
  holder = SiteJobId(held.substr(4, held.find(':', 4) - 4));
  return false;
}

void Cluster::release_nodes(ClusterJob& job) {
  for (const auto& share : job.shares) {
    auto& room = free_[share.node];
    room.cores += share.cores;
    room.memory += share.memory.value;
    room.gpus += share.gpus;
  }
  running_.erase(job.serial);
  if (!job.array_id.empty()) --running_tasks_[array_key(job)];
  wake_scheduler();
}

void Cluster::record_run(const ClusterJob& job, std::string_view site_state, std::int32_t exit_code, std::int32_t signal) {
  accounting_.push_back({.serial = job.serial,
                         .run = {.number = job.run,
                                 .started_at = job.started_at,
                                 .ended_at = now_,
                                 .site_state = std::string(site_state),
                                 .exit_code = exit_code,
                                 .signal = signal,
                                 .cores = job.cores,
                                 .gpus = job.gpus}});
}

void Cluster::end_run(ClusterJob& job, std::string_view site_state, Outcome outcome, std::int32_t exit_code, std::int32_t signal,
                      Reason reason) {
  const bool on_nodes = job.state == ClusterState::running;
  record_run(job, site_state, exit_code, signal);
  job.site_state = site_state;
  job.outcome = outcome;
  job.exit_code = exit_code;
  job.signal = signal;
  job.reason = std::move(reason);
  job.ended_at = now_;
  const auto finish = [this](ClusterJob& j) {
    j.state = ClusterState::ended;
    leave_alive(j);
  };
  if (!on_nodes) {
    waiting_.erase(turn_of(job));
    finish(job);
    wake_scheduler();  // others of its name may have waited for it
    return;
  }
  if (options_.completing.count() == 0) {
    finish(job);
    release_nodes(job);
    return;
  }
  job.state = ClusterState::completing;
  at(now_ + options_.completing, [this, finish, serial = job.serial] {
    auto& j = jobs_[index(serial)];
    finish(j);
    release_nodes(j);
  });
}

void Cluster::leave_alive(const ClusterJob& job) {
  const auto alive = alive_by_name_.find({job.request.name, job.request.account.str()});
  alive->second.erase(job.serial);
  if (alive->second.empty()) alive_by_name_.erase(alive);
}

void Cluster::back_to_queue(ClusterJob& job, std::string_view site_state) {
  record_run(job, site_state, 0, 0);
  job.past_runs.push_back(accounting_.back().run);
  release_nodes(job);
  job.state = ClusterState::pending;
  job.site_state = "PENDING";
  job.pending_reason = "BeginTime";
  job.held = true;
  at(now_ + kRequeuedFor, [this, serial = job.serial, run = job.run + 1] {
    auto& j = jobs_[index(serial)];
    if (j.state != ClusterState::pending || j.run != run || !j.held) return;
    j.held = false;
    wake_scheduler();
  });
  job.started_at.reset();
  job.shares.clear();
  ++job.run;
  waiting_.insert(turn_of(job));
}

void Cluster::node_failed(ClusterJob& job) {
  if (job.request.requeue) return back_to_queue(job, "NODE_FAIL");
  end_run(job, "NODE_FAIL", Outcome::failed, 0, 0, {.code = "NODE_FAIL", .message = "a node of the job failed"});
}

Killed Cluster::cancel(const SiteJobId& id, std::string_view name, bool only_while_pending) {
  const auto* seen = job(id, name);
  if (seen == nullptr) return Killed::no_such_job;
  auto& job = jobs_[index(seen->serial)];
  switch (job.state) {
    case ClusterState::pending: {
      end_run(job, "CANCELLED", Outcome::cancelled, 0, 0, {.code = "CANCELLED", .message = "cancelled before it started"});
      return job.run == 0 ? Killed::never_started : Killed::stopped;
    }
    case ClusterState::running:
      if (only_while_pending) return Killed::not_pending;
      end_run(job, "CANCELLED", Outcome::cancelled, 0, 15, {.code = "CANCELLED", .message = "cancelled"});
      return Killed::stopped;
    case ClusterState::completing:
    case ClusterState::ended: break;
  }
  if (job.outcome != Outcome::cancelled) return Killed::already_ended;
  return job.payload_starts == 0 ? Killed::never_started : Killed::stopped;  // still true, however often it is asked
}

std::vector<const ClusterJob*> Cluster::tasks_of(const SiteJobId& array, std::string_view name) const {
  std::map<std::int32_t, const ClusterJob*> found;  // the last one, should the id have come round
  if (const auto named = by_name_.find(std::string(name)); named != by_name_.end()) {
    for (const auto serial : named->second) {
      const auto& job = jobs_[index(serial)];
      if (job.array_id == array && !job.forgotten) found.insert_or_assign(job.task, &job);
    }
  }
  std::vector<const ClusterJob*> tasks;
  for (const auto& [task, job] : found) tasks.push_back(job);
  return tasks;
}

Killed Cluster::cancel_array(const SiteJobId& array, std::string_view name, bool only_while_pending,
                             const std::vector<std::int32_t>* only) {
  auto tasks = tasks_of(array, name);
  if (only != nullptr)
    std::erase_if(tasks, [&](const ClusterJob* task) { return !std::ranges::binary_search(*only, task->task); });
  if (tasks.empty()) return Killed::no_such_job;
  const auto pending = [](const ClusterJob* task) { return task->state == ClusterState::pending; };
  if (only_while_pending && !std::ranges::all_of(tasks, pending)) return Killed::not_pending;
  bool any = false, stopped = false;
  for (const auto* task : tasks) {
    const auto killed = cancel(task->id, name, only_while_pending);
    any = any || killed == Killed::never_started || killed == Killed::stopped;
    stopped = stopped || killed == Killed::stopped || task->payload_starts > 0;
  }
  return !any ? Killed::already_ended : stopped ? Killed::stopped : Killed::never_started;
}

}  // namespace hansa::connectors::model
