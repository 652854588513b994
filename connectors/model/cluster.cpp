// SPDX-License-Identifier: Apache-2.0
// The site itself, what is submitted to it, and what its own people do.
#include "connectors/model/cluster.hpp"

#include "connectors/model/cluster_parts.hpp"

#include <algorithm>

namespace hansa::connectors::model {

using domain::NodeShare;
using domain::Outcome;

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

}  // namespace hansa::connectors::model
