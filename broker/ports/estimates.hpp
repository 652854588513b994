// SPDX-License-Identifier: Apache-2.0
#pragma once
// What became of predicted waits. A score is written with the event of the start (JobChange::score); so many of each site are
// kept that a report can be made of them, the oldest go.

#include "broker/async/task.hpp"
#include "broker/domain/decision.hpp"
#include "broker/ports/report_limits.hpp"

#include <string>
#include <vector>

namespace hansa::ports {

enum class EstimateGroup { site, size_class, project, basis };

struct EstimateQuery {
  std::optional<UtcTime> since;     // started at or after
  std::optional<Principal> owner;   // none: everybody's
  std::vector<EstimateGroup> by;
  ReportLimits within = {};
};

/// A start counts as within a quantile up to a minute past it: nothing that an estimate is made from is finer than that.
inline constexpr Seconds kOnTime{60};

struct EstimateRow {
  std::vector<std::string> keys;    // in the order of `by`
  std::int64_t starts = 0;
  std::int64_t estimated = 0;       // of those, with an estimate (p50)
  std::int64_t within_p50 = 0;      // of those
  std::int64_t ranged = 0;          // with a p90
  std::int64_t within_p90 = 0;      // of those
  Seconds actual{0};                // median wait of all
  std::optional<Seconds> predicted; // median p50 of those that have one
  std::optional<Seconds> error;     // median of |actual - p50|
};

class EstimateStore {
 public:
  virtual ~EstimateStore() = default;
  /// The newest of a site, the oldest of them first.
  virtual async::Task<std::vector<domain::WaitScore>> recent_waits(SiteId site, std::size_t limit) = 0;
  virtual async::Task<std::vector<EstimateRow>> estimate_report(EstimateQuery query) = 0;
};

}  // namespace hansa::ports
