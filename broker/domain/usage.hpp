// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one run used, in the site's own words: integers and UTC seconds only.

#include "broker/domain/job.hpp"

namespace hansa::domain {

/// Key: site, cluster, site_job_id, submitted_at, started_at (ids are recycled, requeued runs share one).
struct UsageRecord {
  SiteId site;
  std::string cluster;
  SiteJobId site_job_id;
  Tag tag;
  LocalAccount account;
  std::string scheduler_account;
  QueueName queue;
  UtcTime submitted_at{};
  std::optional<UtcTime> started_at;   // none: never started
  UtcTime ended_at{};
  std::string site_state;              // as the site writes it: "COMPLETED", "TIMEOUT", ...
  std::optional<std::int32_t> exit_code;
  Seconds elapsed{0};
  std::int32_t nodes = 0;
  std::int32_t cores = 0;
  std::int32_t gpus = 0;
  CoreSeconds core_seconds{0};         // elapsed * cores, unless the site says otherwise
  GpuSeconds gpu_seconds{0};
  NodeSeconds node_seconds{0};
  std::string gpu_model;               // "": the accounting does not tell, or of several
  std::optional<std::int64_t> energy_j;  // of its nodes, as the site measured it; none: not told
  std::string source_line;             // as read
  SiteJobId array_id;                  // of a task: the site job id of its array, which its attempt is bound to; not kept
  friend bool operator==(const UsageRecord&, const UsageRecord&) = default;
};

}  // namespace hansa::domain
