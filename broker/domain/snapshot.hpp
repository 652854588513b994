// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a site said about itself at one moment: queues, nodes, reservations, running and waiting work.

#include "broker/domain/job.hpp"

namespace hansa::domain {

struct Queue {
  QueueName name;
  bool up = true;                            // takes and starts jobs
  bool is_default = false;
  std::optional<Seconds> max_time;           // none: no limit
  std::optional<std::int32_t> max_nodes;     // per job
  std::int32_t min_nodes = 1;
  std::int32_t priority_tier = 1;            // higher goes first
  std::vector<std::uint32_t> nodes;          // indices into SiteSnapshot::nodes, rising
};

struct Node {
  std::string name;
  std::int32_t cores = 0;
  Mebibytes memory{0};
  std::int32_t gpus = 0;
  std::string gpu_model;                     // "" if unknown or none
  bool usable = true;                        // false: down, drained, in maintenance
  std::string architecture = {};             // as uname -m has it; "" if unknown
};

struct NodeShare {
  std::uint32_t node = 0;                    // index into SiteSnapshot::nodes
  std::int32_t cores = 0;
  Mebibytes memory{0};
  std::int32_t gpus = 0;
};

/// Work that is hidden from us is counted to last so long from when it was seen: nobody says until when.
inline constexpr Seconds kHiddenLasts{86'400};
/// From the whole hour, so that a site where nothing changes tells the same again.
inline UtcTime hidden_until(UtcTime seen) { return std::chrono::floor<std::chrono::hours>(seen) + kHiddenLasts; }

struct RunningWork {
  SiteJobId id;                              // "": hidden from us; what is seen is the room that it takes
  QueueName queue;
  std::vector<NodeShare> shares;
  UtcTime expected_end{};                    // start + wall-time limit, by the site
};

struct WaitingWork {
  SiteJobId id;
  QueueName queue;
  Resources resources;
  Seconds time_limit{0};
  std::int64_t priority = 0;                 // higher goes first within a tier; ties by order in the snapshot
  bool eligible = true;                      // false: held, waiting for a dependency, begin time in the future
  std::optional<UtcTime> eligible_at;
};

/// Nodes taken out for a time: maintenance, or other people's.
struct Reservation {
  std::string name;
  UtcTime start{};
  UtcTime end{};
  std::vector<std::uint32_t> nodes;
};

/// Which job arrays a site runs.
struct ArrayLimits {
  std::int32_t max_index = kMaxTaskIndex;    // largest index of a task
  bool any_indices = true;                   // false: two tasks or more, with one step between them
  bool at_most = true;                       // "%N", so many at a time
};

/// What is used of one line of a load budget, over all who use it: in the last minute, or of "concurrent_calls" at that moment.
struct BudgetShare {
  std::string kind;                          // "queries", "submits", "cancels", "concurrent_calls"
  std::int64_t used = 0;
  std::int64_t limit = 0;
  friend bool operator==(const BudgetShare&, const BudgetShare&) = default;
};

struct SiteSnapshot {
  UtcTime taken_at{};                        // the broker's clock when the site was asked
  std::string cluster;                       // the scheduler's own name of itself
  std::string scheduler;                     // "slurm 22.05.8"
  std::vector<Queue> queues;
  std::vector<Node> nodes;
  std::vector<RunningWork> running;
  std::vector<WaitingWork> waiting;          // in the site's own order
  std::vector<Reservation> reservations;
  bool sees_everyone = true;                 // false: other people's jobs are hidden from us
  std::optional<ArrayLimits> arrays;         // none: the site, or the way to it, runs no job arrays
  std::optional<UtcTime> quiet_until = {};   // by the site's own end: nothing new is taken before
  std::vector<BudgetShare> own_budget = {};  // kept by the site's own end; none: it keeps none
  std::string site_rules = {};  // of the site's own rules and facts, another text once they change; "": it has none
};

}  // namespace hansa::domain
