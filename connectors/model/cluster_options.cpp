// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/cluster.hpp"

#include <algorithm>

namespace hansa::connectors::model {

namespace {

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

}  // namespace hansa::connectors::model
