// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/cluster.hpp"

#include <algorithm>

namespace hansa::connectors::model {

using domain::NodeShare;
using domain::Outcome;
using domain::Reason;

namespace {

/// How long a requeued job is kept back. Slurm takes two minutes; a second keeps its runs apart in an accounting of whole
/// seconds.
constexpr Milliseconds kRequeuedFor{1'000};

std::int32_t tasks_on(const domain::Resources& r, std::int32_t node) {
  return r.tasks / r.nodes + (node < r.tasks % r.nodes ? 1 : 0);
}

/// What a job takes of a node that it runs `cores` on: all of it, if that is for itself alone; memory that it did not ask for
/// comes with the cores.
NodeShare share_of(const domain::Resources& r, const domain::Node& node, std::uint32_t index, std::int32_t cores) {
  if (r.exclusive) return {.node = index, .cores = node.cores, .memory = node.memory, .gpus = node.gpus};
  const auto memory =
      r.memory_per_node.value > 0 ? r.memory_per_node.value : node.memory.value * cores / std::max<std::int64_t>(node.cores, 1);
  return {.node = index, .cores = cores, .memory = Mebibytes{memory}, .gpus = r.gpus_per_node};
}

bool has_gpus(const domain::Resources& r, const domain::Node& node) {
  return r.gpus_per_node == 0 || (node.gpus >= r.gpus_per_node && (r.gpu_model.empty() || r.gpu_model == node.gpu_model));
}

bool is_large_enough(const domain::Resources& r, const domain::Node& node) {
  return node.cores >= r.cores_per_node() && node.memory >= r.memory_per_node && has_gpus(r, node);
}

std::string array_key(const ClusterJob& job) { return job.array_id.str() + ' ' + job.request.name; }

void require(std::vector<Fault>& faults, bool holds, const char* key, const char* message) {
  if (!holds) faults.push_back({.where = key, .message = message});
}

}  // namespace

Result<void> validate(const ClusterOptions& options) {
  std::vector<Fault> faults;
  require(faults, !options.name.empty(), "name", "a cluster needs a name");
  require(faults, !options.node_groups.empty(), "node_groups", "at least one group of nodes is needed");
  for (const auto& group : options.node_groups) {
    require(faults, group.count >= 1 && group.count <= 100'000, "nodes", "1 to 100000 nodes");
    require(faults, group.cores >= 1, "cores", "at least one core for each node");
    require(faults, group.memory.value >= 1, "memory_mib", "at least 1 MiB for each node");
    require(faults, group.gpus >= 0, "gpus", "not negative");
  }
  require(faults, !options.queues.empty(), "queues", "at least one queue is needed");
  for (const auto& queue : options.queues) {
    require(faults, !queue.name.empty(), "queues.name", "a queue needs a name");
    require(faults, std::ranges::count(options.queues, queue.name, &QueueLimits::name) == 1, "queues.name",
            "two queues have the same name");
    require(faults, !queue.max_time || queue.max_time->count() >= 1, "queues.max_time", "at least 1 s");
    require(faults, !queue.max_nodes || *queue.max_nodes >= 1, "queues.max_nodes", "at least 1");
    require(faults, std::ranges::all_of(queue.groups, [&](std::size_t g) { return g < options.node_groups.size(); }),
            "queues.groups", "no such group of nodes");
  }
  for (const auto& load : options.background) {
    require(faults, load.every.count() >= 1 && load.run.count() >= 1 && load.time_limit.count() >= 1, "background",
            "every, run and time_limit are at least 1 s");
    require(faults,
            load.resources.nodes >= 1 && load.resources.tasks >= load.resources.nodes && load.resources.cpus_per_task >= 1,
            "background", "nodes, tasks and cores are at least 1, tasks at least as many as nodes");
  }
  require(faults, options.backfill_depth >= 1, "backfill_depth", "at least 1");
  for (const auto delay : {options.scheduling_delay, options.completing, options.visibility_lag, options.accounting_lag,
                           Milliseconds{options.min_job_age}}) {
    require(faults, delay.count() >= 0, "delays", "no delay is negative");
  }
  require(faults, options.first_job_id >= 1 && options.last_job_id >= options.first_job_id, "job ids", "1 <= first <= last");
  if (faults.empty()) return {};
  return std::unexpected(Error{.kind = ErrorKind::invalid_argument,
                               .code = "MODEL_OPTIONS",
                               .message = "the model site is not well described",
                               .faults = std::move(faults)});
}

Cluster::Cluster(ClusterOptions options, UtcTime start)
    : options_(std::move(options)), now_(start), next_id_(options_.first_job_id) {
  std::vector<std::vector<std::uint32_t>> of_group;
  for (const auto& group : options_.node_groups) {
    auto& members = of_group.emplace_back();
    for (std::int32_t i = 0; i < group.count; ++i) {
      members.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({.name = "n" + std::to_string(nodes_.size() + 1),
                        .cores = group.cores,
                        .memory = group.memory,
                        .gpus = group.gpus,
                        .gpu_model = group.gpu_model});
      free_.push_back({.cores = group.cores, .memory = group.memory.value, .gpus = group.gpus});
    }
  }
  for (const auto& limits : options_.queues) {
    domain::Queue queue{.name = limits.name,
                        .is_default = queues_.empty(),
                        .max_time = limits.max_time,
                        .max_nodes = limits.max_nodes,
                        .priority_tier = limits.priority_tier};
    for (std::size_t g = 0; g < of_group.size(); ++g) {
      if (limits.groups.empty() || std::ranges::count(limits.groups, g) > 0) {
        queue.nodes.insert(queue.nodes.end(), of_group[g].begin(), of_group[g].end());
      }
    }
    queues_.push_back(std::move(queue));
  }
  for (const auto& reservation : options_.reservations) at(reservation.end, [this] { wake_scheduler(); });
  for (std::size_t i = 0; i < options_.background.size(); ++i) {
    at(start, [this, i] { plan_background(i); });
  }
}

void Cluster::at(UtcTime when, std::function<void()> what) {
  agenda_.emplace(std::pair{std::max(when, now_), planned_++}, std::move(what));
}

void Cluster::advance_to(UtcTime t) {
  while (!agenda_.empty() && agenda_.begin()->first.first <= t) {
    auto next = agenda_.extract(agenda_.begin());
    now_ = next.key().first;
    next.mapped()();
  }
  now_ = std::max(now_, t);
}

void Cluster::plan_background(std::size_t which) {
  const auto& load = options_.background[which];
  (void)submit({.name = "local-" + std::to_string(which),
                .account = LocalAccount("local"),
                .queue = load.queue,
                .resources = load.resources,
                .time_limit = load.time_limit,
                .behaviour = {.run = load.run}});
  at(now_ + load.every, [this, which] { plan_background(which); });
}

// ---- submission

std::optional<std::size_t> Cluster::queue_index(const QueueName& name) const {
  if (name.empty()) return 0;
  const auto found = std::ranges::find(queues_, name, &domain::Queue::name);
  if (found == queues_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - queues_.begin());
}

Result<void> Cluster::admissible(const ClusterRequest& request) const {
  const auto refuse = [](std::string words) { return fail(ErrorKind::invalid_argument, "REFUSED", std::move(words)); };
  const auto& r = request.resources;
  const auto which = queue_index(request.queue);
  if (!which) return refuse("invalid partition specified: " + request.queue.str());
  const auto& queue = queues_[*which];
  if (!options_.scheduler_accounts.empty() && !request.scheduler_account.empty() &&
      std::ranges::count(options_.scheduler_accounts, request.scheduler_account) == 0) {
    return refuse("Invalid account or account/partition combination specified");
  }
  if (r.nodes < 1 || r.tasks < r.nodes || r.cpus_per_task < 1 || (queue.max_nodes && r.nodes > *queue.max_nodes)) {
    return refuse("Node count specification invalid");
  }
  std::int32_t able = 0;  // a limit that the whole queue does not meet lets the job wait, what no node has refuses it
  for (const auto n : queue.nodes) {
    const auto& node = nodes_[n];
    if (is_large_enough(r, node)) ++able;
  }
  if (able < std::min(r.nodes, static_cast<std::int32_t>(queue.nodes.size()))) {
    return fail(ErrorKind::invalid_argument, "NOT_AVAILABLE", "Requested node configuration is not available");
  }
  return {};
}

Result<SiteJobId> Cluster::submit(ClusterRequest request) {
  if (options_.on_submission) options_.on_submission(request);
  if (!options_.accounts.empty() && request.account != LocalAccount("local") &&
      std::ranges::count(options_.accounts, request.account) == 0) {
    return fail(ErrorKind::permission_denied, "NO_SUCH_ACCOUNT",
                options_.name + " has no account '" + request.account.str() + "'; ask its people for one");
  }
  const auto admitted = admissible(request);
  if (!admitted) {
    // Slurm makes the job before it finds that no node is like that, and keeps the failed one.
    if (admitted.error().code == "NOT_AVAILABLE") keep_failed(std::move(request));
    return std::unexpected(admitted.error());
  }
  if (request.queue.empty()) request.queue = queues_.front().name;
  const auto id = take_id();
  const auto take_in = [this](ClusterJob& job) {
    alive_by_name_[{job.request.name, job.request.account.str()}].insert(job.serial);
    if (job.request.singleton && !first_of_its_name(job)) job.pending_reason = "Dependency";
    waiting_.insert(turn_of(job));
  };
  if (request.array.empty()) {
    take_in(make_job(std::move(request), id));
  } else {
    request.singleton = false;  // its tasks have one name
    for (const auto task : request.array.tasks) {
      auto& job = make_job(request, SiteJobId(id.str() + '_' + std::to_string(task)));
      by_id_[id.str()].push_back(job.serial);
      job.array_id = id;
      job.task = task;
      take_in(job);
    }
  }
  wake_scheduler();
  return id;
}

ClusterJob& Cluster::make_job(ClusterRequest request, const SiteJobId& id) {
  auto& job = jobs_.emplace_back();
  job.serial = static_cast<std::int64_t>(jobs_.size());
  job.id = id;
  job.request = std::move(request);
  job.submitted_at = now_;
  by_name_[job.request.name].push_back(job.serial);
  by_id_[id.str()].push_back(job.serial);
  return job;
}

void Cluster::keep_failed(ClusterRequest request) {
  auto& job = make_job(std::move(request), take_id());
  job.state = ClusterState::ended;
  job.site_state = "FAILED";
  job.outcome = Outcome::failed;
  job.reason = {.code = "SITE_FAILED", .message = "the site gave it up before it started (BadConstraints)"};
  job.ended_at = now_;
  record_run(job, "FAILED", 0, 0);
}

/// The next one that no listed job has; if all are listed, the next whose job has ended. A cluster that small does not get so
/// full that all of them live.
SiteJobId Cluster::take_id() {
  const auto all = options_.last_job_id - options_.first_job_id + 1;
  SiteJobId id;
  for (const bool may_be_listed : {false, true}) {
    for (auto tries = all; tries > 0; --tries) {
      id = SiteJobId(std::to_string(next_id_));
      next_id_ = next_id_ == options_.last_job_id ? options_.first_job_id : next_id_ + 1;
      const auto before = by_id_.find(id.str());
      if (before == by_id_.end()) return id;
      const auto& last = jobs_[index(before->second.back())];
      if (last.state != ClusterState::ended) continue;
      const bool listed = *last.ended_at + options_.min_job_age > now_ && !last.forgotten;
      if (may_be_listed || !listed) return id;
    }
  }
  return id;
}

void Cluster::submit_later(UtcTime when, ClusterRequest request) {
  at(when, [this, r = std::move(request)] { (void)submit(r); });
}

std::pair<std::int32_t, std::int64_t> Cluster::turn_of(const ClusterJob& job) const {
  return {-queues_[*queue_index(job.request.queue)].priority_tier, job.serial};
}

// ---- scheduling

void Cluster::wake_scheduler() {
  const auto when = now_ + options_.scheduling_delay;
  if (pass_at_) return;  // one is planned, no later than this one would be
  pass_at_ = when;
  at(when, [this] {
    pass_at_.reset();
    schedule();
  });
}

std::string_view Cluster::beyond_its_queue(const ClusterJob& job) const {
  const auto& queue = queues_[*queue_index(job.request.queue)];
  if (job.request.resources.nodes > static_cast<std::int32_t>(queue.nodes.size())) return "PartitionNodeLimit";
  if (queue.max_time && job.request.time_limit > *queue.max_time) return "PartitionTimeLimit";
  return "";
}

bool Cluster::first_of_its_name(const ClusterJob& job) const {
  const auto& alive = alive_by_name_.at({job.request.name, job.request.account.str()});
  return *alive.begin() == job.serial;
}

std::vector<NodeShare> Cluster::place(const ClusterJob& job, const std::vector<Place>& free, UtcTime from,
                                      const std::vector<Place>* beside) const {
  const auto& r = job.request.resources;
  const auto to = from + job.request.time_limit;
  const auto& queue = queues_[*queue_index(job.request.queue)];
  const auto fits = [&](const NodeShare& share, const Place& room) {
    return share.cores <= room.cores && share.memory.value <= room.memory && share.gpus <= room.gpus;
  };
  std::vector<NodeShare> shares;
  std::int32_t fuller = r.tasks % r.nodes;  // nodes that take one task more
  std::int32_t others = r.nodes - fuller;
  for (const auto n : queue.nodes) {
    if (fuller + others == 0) break;
    const auto& node = nodes_[n];
    if (!node.usable || !has_gpus(r, node) || free[n].cores == 0) continue;
    if (r.exclusive && !is_large_enough(r, node)) continue;
    const bool reserved = std::ranges::any_of(options_.reservations, [&](const domain::Reservation& reservation) {
      return reservation.start < to && from < reservation.end && std::ranges::count(reservation.nodes, n) > 0;
    });
    if (reserved) continue;
    for (auto* left : {&fuller, &others}) {
      if (*left == 0) continue;
      const auto share = share_of(r, node, n, tasks_on(r, left == &fuller ? 0 : r.nodes - 1) * r.cpus_per_task);
      if (!fits(share, free[n]) || (beside != nullptr && !fits(share, (*beside)[n]))) continue;
      shares.push_back(share);
      --*left;
      break;
    }
  }
  if (fuller + others > 0) shares.clear();
  return shares;
}

Cluster::Shadow Cluster::shadow_of(const ClusterJob& head) const {
  std::multimap<UtcTime, const ClusterJob*> ends;
  for (const auto serial : running_) {
    const auto& job = jobs_[index(serial)];
    ends.emplace(std::max(now_, *job.started_at + job.request.time_limit), &job);
  }
  for (const auto& reservation : options_.reservations) {
    if (reservation.end > now_) ends.emplace(reservation.end, nullptr);
  }
  auto free = free_;
  for (auto it = ends.begin(); it != ends.end();) {
    const auto t = it->first;
    for (; it != ends.end() && it->first == t; ++it) {
      if (it->second == nullptr) continue;
      for (const auto& share : it->second->shares) {
        free[share.node].cores += share.cores;
        free[share.node].memory += share.memory.value;
        free[share.node].gpus += share.gpus;
      }
    }
    const auto shares = place(head, free, t);
    if (shares.empty()) continue;
    for (const auto& share : shares) {
      free[share.node].cores -= share.cores;
      free[share.node].memory -= share.memory.value;
      free[share.node].gpus -= share.gpus;
    }
    return {.starts_at = t, .left_free = std::move(free)};
  }
  return {};
}

void Cluster::schedule() {
  std::optional<Shadow> shadow;
  std::set<QueueName> blocked;  // queues whose turn is over, without backfilling
  std::size_t looked_at = 0;
  bool started = false;
  auto it = waiting_.begin();
  for (; it != waiting_.end() && looked_at < options_.backfill_depth;) {
    auto& job = jobs_[index((it++)->second)];
    const auto& queue = queues_[*queue_index(job.request.queue)];
    if (job.held) continue;
    if (!queue.up) {
      job.pending_reason = "PartitionDown";
      continue;
    }
    if (job.request.singleton && !first_of_its_name(job)) {
      job.pending_reason = "Dependency";
      continue;
    }
    if (const auto limit = beyond_its_queue(job); !limit.empty()) {
      job.pending_reason = limit;
      continue;
    }
    if (const auto most = job.request.array.at_most; most > 0 && running_tasks_[array_key(job)] >= most) {
      job.pending_reason = "JobArrayTaskLimit";
      continue;
    }
    ++looked_at;
    job.pending_reason = "Priority";
    if (blocked.contains(queue.name)) continue;
    const bool in_the_way = shadow && now_ + job.request.time_limit > shadow->starts_at;
    auto shares = place(job, free_, now_, in_the_way ? &shadow->left_free : nullptr);
    if (!shares.empty()) {
      if (in_the_way) {
        for (const auto& share : shares) {
          auto& room = shadow->left_free[share.node];
          room.cores -= share.cores;
          room.memory -= share.memory.value;
          room.gpus -= share.gpus;
        }
      }
      start(job, std::move(shares));
      started = true;
      continue;
    }
    if (!shadow) job.pending_reason = "Resources";
    if (options_.backfill) {
      if (!shadow) shadow = shadow_of(job);
    } else {
      blocked.insert(queue.name);
    }
  }
  if (started && it != waiting_.end()) wake_scheduler();  // it ended at its depth, and what it started is out of the way now
}

// ---- runs

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

// ---- the site's own people

bool Cluster::requeue(const SiteJobId& id) {
  const auto found = by_id_.find(id.str());
  if (found == by_id_.end()) return false;
  auto& job = jobs_[index(found->second.back())];
  if (job.state != ClusterState::running) return false;
  back_to_queue(job, "REQUEUED");
  return true;
}

bool Cluster::hold(const SiteJobId& id, bool held) {
  const auto found = by_id_.find(id.str());
  if (found == by_id_.end()) return false;
  auto& job = jobs_[index(found->second.back())];
  if (job.state != ClusterState::pending) return false;
  job.held = held;
  job.pending_reason = held ? "JobHeldAdmin" : "Priority";
  wake_scheduler();
  return true;
}

void Cluster::set_node_usable(std::size_t node, bool usable) {
  nodes_.at(node).usable = usable;
  if (!usable) {
    const auto here = running_;  // node_failed changes running_
    for (const auto serial : here) {
      auto& job = jobs_[index(serial)];
      const bool hit = std::ranges::any_of(job.shares, [&](const NodeShare& share) { return share.node == node; });
      if (hit && job.state == ClusterState::running) node_failed(job);
    }
  }
  wake_scheduler();
}

void Cluster::set_queue_up(const QueueName& name, bool up) {
  if (const auto which = queue_index(name)) queues_[*which].up = up;
  wake_scheduler();
}

void Cluster::restart_controller(Milliseconds lost) {
  for (auto at = jobs_.rbegin(); at != jobs_.rend() && at->submitted_at + lost > now_; ++at) {
    auto& job = *at;
    if (job.state != ClusterState::pending && job.state != ClusterState::running) continue;
    job.forgotten = true;
    job.ended_at = now_;
    leave_alive(job);
    if (job.state == ClusterState::running)
      release_nodes(job);
    else
      waiting_.erase(turn_of(job));
    job.state = ClusterState::ended;
  }
  wake_scheduler();
}

void Cluster::purge_history(Milliseconds older_than) {
  for (auto& job : jobs_) {
    if (job.state == ClusterState::ended && job.ended_at && *job.ended_at + older_than <= now_) job.purged = true;
  }
}

void Cluster::step_clock(Milliseconds by) {
  const auto off = clock_steps_.empty() ? Milliseconds{0} : clock_steps_.back().second;
  clock_steps_.emplace_back(now_, off + by);
}

UtcTime Cluster::told(UtcTime moment) const {
  for (auto step = clock_steps_.rbegin(); step != clock_steps_.rend(); ++step) {
    if (step->first <= moment) return moment + step->second;
  }
  return moment;
}

// ---- listings

bool Cluster::is_listed(const ClusterJob& job) const {
  if (job.forgotten) return false;
  if (job.submitted_at + options_.visibility_lag > now_) return false;
  return job.state != ClusterState::ended || *job.ended_at + options_.min_job_age > now_;
}

std::vector<const ClusterJob*> Cluster::listed(std::string_view name) const {
  std::vector<const ClusterJob*> found;
  if (const auto named = by_name_.find(std::string(name)); named != by_name_.end()) {
    for (const auto serial : named->second) {
      if (const auto& job = jobs_[index(serial)]; is_listed(job)) found.push_back(&job);
    }
  }
  return found;
}

std::vector<const ClusterJob*> Cluster::recorded(std::string_view name) const {
  std::vector<const ClusterJob*> found;
  if (const auto named = by_name_.find(std::string(name)); named != by_name_.end()) {
    for (const auto serial : named->second) {
      if (const auto& job = jobs_[index(serial)]; is_recorded(job)) found.push_back(&job);
    }
  }
  return found;
}

const ClusterJob* Cluster::job(const SiteJobId& id, std::string_view name) const {
  const auto found = by_id_.find(id.str());
  if (found == by_id_.end()) return nullptr;
  for (auto serial = found->second.rbegin(); serial != found->second.rend(); ++serial) {
    if (const auto& job = jobs_[index(*serial)]; job.request.name == name && !job.forgotten) return &job;
  }
  return nullptr;
}

void Cluster::describe(domain::SiteSnapshot& snapshot) const {
  snapshot.cluster = options_.name;
  snapshot.scheduler = "model";
  snapshot.queues = queues_;
  snapshot.nodes = nodes_;
  for (const auto& reservation : options_.reservations) {
    if (reservation.end > now_) snapshot.reservations.push_back(reservation);
  }
  snapshot.sees_everyone = !options_.hides_jobs;
  snapshot.arrays = options_.arrays;
  const auto hidden = [&](const ClusterJob& job) { return options_.hides_jobs && !domain::parse_tag(job.request.name); };
  for (const auto serial : running_) {
    const auto& job = jobs_[index(serial)];
    if (hidden(job)) {
      snapshot.running.push_back({.id = {}, .queue = {}, .shares = job.shares, .expected_end = domain::hidden_until(told(now_))});
      continue;
    }
    snapshot.running.push_back({.id = job.id,
                                .queue = job.request.queue,
                                .shares = job.shares,
                                .expected_end = told(*job.started_at) + job.request.time_limit});
  }
  for (const auto& [tier, serial] : waiting_) {
    const auto& job = jobs_[index(serial)];
    if (!is_listed(job) || hidden(job)) continue;
    snapshot.waiting.push_back({.id = job.id,
                                .queue = job.request.queue,
                                .resources = job.request.resources,
                                .time_limit = job.request.time_limit,
                                .eligible = !job.held && !(job.request.singleton && !first_of_its_name(job))});
  }
}

}  // namespace hansa::connectors::model
