// SPDX-License-Identifier: Apache-2.0
// Who starts when: first come, first served within a tier, with EASY backfilling.
#include "connectors/model/cluster_parts.hpp"

#include <algorithm>

namespace hansa::connectors::model {

using domain::NodeShare;

namespace {

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

}  // namespace

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

}  // namespace hansa::connectors::model
