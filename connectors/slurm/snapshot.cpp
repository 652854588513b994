// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/snapshot.hpp"

#include "broker/domain/variant.hpp"
#include "connectors/batch/hidden_work.hpp"
#include "connectors/slurm/host_list.hpp"
#include "connectors/slurm/job_state.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <unordered_map>

namespace hansa::connectors::slurm {

namespace {

using batch::to_int32;

constexpr Seconds kYear{31'536'000};  // stands for "no limit" where a length is needed

class Builder {
 public:
  Builder(const Inventory& inventory, UtcTime now) : inventory_(inventory), now_(now) { snapshot_.taken_at = now; }

  domain::SiteSnapshot build(const Configuration& configuration, const Listing<QueueRow>& jobs) {
    add_nodes();
    add_partitions();
    for (const auto& reservation : inventory_.reservations) {
      snapshot_.reservations.push_back({reservation.name, reservation.start, reservation.end, indices(reservation.nodes)});
    }
    for (const auto& row : jobs.rows) add_job(row);
    if (configuration.hides_jobs) batch::show_hidden_work(snapshot_, allocated_);
    return std::move(snapshot_);
  }

 private:
  void add_nodes() {
    std::set<std::string_view> held_now;
    for (const auto& reservation : inventory_.reservations) {
      if (reservation.start <= now_ && now_ < reservation.end)
        held_now.insert(reservation.nodes.begin(), reservation.nodes.end());
    }
    for (const auto& node : inventory_.nodes) {
      if (!index_.try_emplace(node.name, static_cast<std::uint32_t>(snapshot_.nodes.size())).second) continue;
      // A reservation that we see says until when; one that is hidden from us (PrivateData=reservations) holds it for good.
      const bool usable = node.usable && (!node.reserved || held_now.contains(node.name));
      snapshot_.nodes.push_back({.name = node.name,
                                 .cores = to_int32(node.cpus),
                                 .memory = node.memory,
                                 .gpus = to_int32(node.gpus.count),
                                 .gpu_model = node.gpus.model,
                                 .usable = usable,
                                 .architecture = std::string(domain::architecture_meant_by(node.architecture))});
      allocated_.push_back({.cores = node.allocated.cpus, .memory = node.allocated.memory, .gpus = node.allocated.gpus});
    }
  }

  void add_partitions() {
    for (const auto& partition : inventory_.partitions) {
      domain::Queue queue{.name = QueueName(partition.name),
                          .up = partition.up,
                          .is_default = partition.is_default,
                          .max_time = partition.max_time,
                          .max_nodes = {},
                          .min_nodes = to_int32(partition.min_nodes),
                          .priority_tier = to_int32(partition.priority_tier),
                          .nodes = indices(partition.nodes)};
      if (partition.max_nodes) queue.max_nodes = to_int32(*partition.max_nodes);
      snapshot_.queues.push_back(std::move(queue));
    }
  }

  void add_job(const QueueRow& row) {
    switch (phase_of(row.state)) {
      case ports::Phase::queued:
        if (row.nodes.empty()) {
          add_waiting(row);
        } else {
          add_running(row);  // CONFIGURING has its nodes
        }
        break;
      case ports::Phase::running:
      case ports::Phase::finishing: add_running(row); break;
      case ports::Phase::ended:
      case ports::Phase::not_seen: break;
    }
  }

  void add_running(const QueueRow& row) {
    const auto most = std::min(snapshot_.nodes.size(), kMaxHostsInAll - std::min(kMaxHostsInAll, hosts_seen_));
    const auto hosts = expand_hosts(row.nodes, most);
    if (!hosts || hosts->empty()) return;
    hosts_seen_ += hosts->size();
    const auto nodes = indices(*hosts);
    std::int64_t all_cores = 0;
    for (const auto node : nodes) all_cores += snapshot_.nodes[node].cores;
    const bool whole_nodes = row.tres.cpus >= all_cores;

    domain::RunningWork work{.id = SiteJobId(row.display_id), .queue = row.queue, .shares = {}, .expected_end = now_};
    const auto count = static_cast<std::int64_t>(hosts->size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto part = [&](std::int64_t total) {
        return to_int32(total / count + (static_cast<std::int64_t>(i) < total % count ? 1 : 0));
      };
      const auto& node = snapshot_.nodes[nodes[i]];
      work.shares.push_back({.node = nodes[i],
                             .cores = whole_nodes ? node.cores : std::min(node.cores, part(row.tres.cpus)),
                             .memory = std::min(node.memory, Mebibytes{(row.tres.memory.value + count - 1) / count}),
                             .gpus = std::min(node.gpus, part(row.tres.gpus))});
    }
    if (phase_of(row.state) != ports::Phase::finishing) {
      work.expected_end = row.ends_at ? *row.ends_at : row.starts_at.value_or(now_) + row.time_limit.value_or(kYear);
    }
    snapshot_.running.push_back(std::move(work));
  }

  void add_waiting(const QueueRow& row) {
    domain::WaitingWork work;
    work.id = SiteJobId(row.display_id);
    work.queue = row.queue;
    // squeue tells the fewest nodes asked for, which may be one for more cores than any node has.
    const auto largest = std::max<std::int64_t>(1, largest_node(row.queue));
    work.resources.nodes = std::max({1, to_int32(row.tres.nodes), to_int32((row.tres.cpus + largest - 1) / largest)});
    work.resources.tasks = std::max(work.resources.nodes, to_int32(row.tres.cpus));
    work.resources.memory_per_node = Mebibytes{(row.tres.memory.value + work.resources.nodes - 1) / work.resources.nodes};
    work.resources.gpus_per_node = to_int32((row.tres.gpus + work.resources.nodes - 1) / work.resources.nodes);
    work.resources.gpu_model = row.tres.gpu_model;
    work.resources.exclusive = row.exclusive.value_or(false);
    work.time_limit = row.time_limit.value_or(kYear);
    work.priority = row.priority;
    work.eligible = is_eligible(row.reason) && (!row.eligible_at || *row.eligible_at <= now_);
    if (row.eligible_at && *row.eligible_at > now_) work.eligible_at = row.eligible_at;
    snapshot_.waiting.push_back(std::move(work));
  }

  [[nodiscard]] std::int64_t largest_node(const QueueName& name) const {
    const auto queue = std::ranges::find(snapshot_.queues, name, &domain::Queue::name);
    std::int64_t cores = 0;
    if (queue == snapshot_.queues.end() || queue->nodes.empty()) return std::numeric_limits<std::int32_t>::max();
    for (const auto node : queue->nodes) cores = std::max<std::int64_t>(cores, snapshot_.nodes[node].cores);
    return cores;
  }

  [[nodiscard]] std::vector<std::uint32_t> indices(const std::vector<std::string>& names) const {
    std::vector<std::uint32_t> found;
    found.reserve(names.size());
    for (const auto& name : names) {
      if (const auto at = index_.find(name); at != index_.end()) found.push_back(at->second);
    }
    std::ranges::sort(found);
    const auto repeated = std::ranges::unique(found);
    found.erase(repeated.begin(), repeated.end());
    return found;
  }

  const Inventory& inventory_;
  UtcTime now_;
  std::unordered_map<std::string, std::uint32_t> index_;
  std::vector<batch::Allocated> allocated_;  // node by node
  std::size_t hosts_seen_ = 0;  // of running jobs, all together
  domain::SiteSnapshot snapshot_;
};

}  // namespace

domain::SiteSnapshot build_snapshot(const Inventory& inventory, const Configuration& configuration, const Listing<QueueRow>& jobs,
                                    UtcTime taken_at) {
  auto snapshot = Builder(inventory, taken_at).build(configuration, jobs);
  snapshot.cluster = configuration.cluster;
  snapshot.scheduler = "slurm " + configuration.version;
  if (configuration.max_array_size > 0)  // slurm.conf(5): "the maximum job array task index value will be one less"
    snapshot.arrays = domain::ArrayLimits{.max_index = batch::to_int32(configuration.max_array_size - 1)};
  return snapshot;
}

}  // namespace hansa::connectors::slurm
