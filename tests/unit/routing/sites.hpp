// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small snapshots, written the way a test reads them.

#include "broker/domain/snapshot.hpp"

namespace hansa::routing::test {

/// A round moment, so that times in failures are readable: 1,000,000 s.
inline constexpr std::int64_t kNow = 1'000'000;
inline UtcTime at(std::int64_t after_now) { return from_unix_seconds(kNow + after_now); }

inline domain::Resources want(std::int32_t nodes, std::int32_t cores_per_node, std::int64_t memory = 0, std::int32_t gpus = 0,
                              std::string model = "") {
  return {.nodes = nodes,
          .tasks = nodes,
          .cpus_per_task = cores_per_node,
          .memory_per_node = {memory},
          .gpus_per_node = gpus,
          .gpu_model = std::move(model)};
}

class SiteMaker {
 public:
  SiteMaker() { site_.taken_at = at(0); }

  SiteMaker& nodes(std::int32_t count, std::int32_t cores, std::int64_t memory = 0, std::int32_t gpus = 0,
                   const std::string& model = "", bool usable = true) {
    for (std::int32_t i = 0; i < count; ++i) {
      site_.nodes.push_back({"n" + std::to_string(site_.nodes.size()), cores, {memory}, gpus, model, usable});
    }
    return *this;
  }
  /// Over all nodes made so far, unless `members` says otherwise.
  SiteMaker& queue(const std::string& name, std::vector<std::uint32_t> members = {}) {
    domain::Queue queue;
    queue.name = QueueName{name};
    queue.is_default = site_.queues.empty();
    queue.nodes = std::move(members);
    if (queue.nodes.empty()) {
      for (std::uint32_t i = 0; i < site_.nodes.size(); ++i) queue.nodes.push_back(i);
    }
    site_.queues.push_back(std::move(queue));
    return *this;
  }
  SiteMaker& running(std::vector<std::uint32_t> on, std::int32_t cores, std::int64_t ends, std::int64_t memory = 0,
                     std::int32_t gpus = 0) {
    domain::RunningWork work{
        .id = SiteJobId{"r" + std::to_string(site_.running.size())}, .queue = {}, .shares = {}, .expected_end = at(ends)};
    for (const auto node : on) work.shares.push_back({node, cores, {memory}, gpus});
    site_.running.push_back(std::move(work));
    return *this;
  }
  SiteMaker& waiting(domain::Resources resources, std::int64_t limit, std::int64_t priority = 0,
                     const std::string& queue = "main") {
    site_.waiting.push_back({.id = SiteJobId{"w" + std::to_string(site_.waiting.size())},
                             .queue = QueueName{queue},
                             .resources = std::move(resources),
                             .time_limit = Seconds{limit},
                             .priority = priority,
                             .eligible = true,
                             .eligible_at = {}});
    return *this;
  }
  SiteMaker& reservation(std::int64_t from, std::int64_t until, std::vector<std::uint32_t> on) {
    site_.reservations.push_back({"maintenance", at(from), at(until), std::move(on)});
    return *this;
  }
  domain::SiteSnapshot& get() { return site_; }

 private:
  domain::SiteSnapshot site_;
};

}  // namespace hansa::routing::test
