// SPDX-License-Identifier: Apache-2.0
#pragma once
// Several policies on the same workloads: every seed is one workload that each policy plays.

#include "simulation/figures.hpp"
#include "simulation/routers.hpp"
#include "simulation/rules_of_play.hpp"

#include <functional>
#include <span>
#include <vector>

namespace hansa::simulation {

struct PolicyRun {
  Policy policy = Policy::hansa;
  std::vector<Figures> by_seed;        // as Comparison::seeds
  std::vector<Fate> fates;             // of the first seed
};

struct Comparison {
  std::vector<std::uint64_t> seeds;
  Workload workload;                   // of the first seed
  std::vector<PolicyRun> runs;
};

struct ComparisonOptions {
  std::optional<std::int64_t> load;
  std::int64_t seeds = 0;              // 0: the trace as it is; else the shaken ones 1 to this
  std::int64_t one_in = 1;
  const RulesOfPlay* rules = nullptr;  // none: every job may go everywhere; not for `home` and `merged`
};

/// Workloads are made for `sites` and played at `grown`: the same sites in the same order, none smaller, so that more capacity
/// meets the same jobs. TRACE_EMPTY where nothing is left of the trace. `policies` has no policy twice.
Result<Comparison> compare(const Trace& trace, const std::vector<SimulatedSite>& sites, const std::vector<SimulatedSite>& grown,
                           std::span<const Policy> policies, const ComparisonOptions& options);

/// The median over seeds of a figure of each seed.
double median_of(const PolicyRun& run, const std::function<double(const Figures&)>& figure);
/// The median over seeds of the ratio of a figure to another run's on the same seed. Seeds where the other is 0 do not count;
/// 1 where both always are 0.
double median_ratio(const PolicyRun& run, const PolicyRun& to, const std::function<double(const Figures&)>& figure);

}  // namespace hansa::simulation
