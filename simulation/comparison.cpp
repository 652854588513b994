// SPDX-License-Identifier: Apache-2.0
#include "simulation/comparison.hpp"

#include <algorithm>

namespace hansa::simulation {

Result<Comparison> compare(const Trace& trace, const std::vector<SimulatedSite>& sites, const std::vector<SimulatedSite>& grown,
                           std::span<const Policy> policies, const ComparisonOptions& options) {
  Comparison comparison;
  for (const auto policy : policies) comparison.runs.push_back({.policy = policy, .by_seed = {}, .fates = {}});
  for (std::uint64_t seed = options.seeds == 0 ? 0 : 1; seed <= static_cast<std::uint64_t>(options.seeds); ++seed) {
    const bool first = comparison.seeds.empty();
    comparison.seeds.push_back(seed);
    auto workload = make_workload(trace, sites, {.load = options.load, .seed = seed, .one_in = options.one_in});
    if (workload.jobs.empty()) {
      return fail(ErrorKind::invalid_argument, "TRACE_EMPTY",
                  "no job is left of the trace with seed " + std::to_string(seed) + "; take more of it (--sample)");
    }
    if (options.rules != nullptr) options.rules->apply(workload, grown, seed);
    if (workload.jobs.empty())
      return fail(ErrorKind::invalid_argument, "TRACE_EMPTY", "the rules let no job of the trace go to any site");
    for (auto& run : comparison.runs) {
      auto outcome = play(workload, grown, run.policy, seed);
      run.by_seed.push_back(figures_of(workload, outcome, played_cores(grown, run.policy)));
      if (options.rules != nullptr) run.by_seed.back().violations = options.rules->violations(workload, outcome);
      if (first) run.fates = std::move(outcome.fates);
    }
    if (first) comparison.workload = std::move(workload);
  }
  return comparison;
}

double median_of(const PolicyRun& run, const std::function<double(const Figures&)>& figure) {
  std::vector<double> values;
  for (const auto& figures : run.by_seed) values.push_back(figure(figures));
  return median(std::move(values));
}

double median_ratio(const PolicyRun& run, const PolicyRun& to, const std::function<double(const Figures&)>& figure) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < run.by_seed.size(); ++i) {
    const auto below = figure(to.by_seed[i]);
    if (below > 0) ratios.push_back(figure(run.by_seed[i]) / below);
  }
  return ratios.empty() ? 1.0 : median(std::move(ratios));
}

}  // namespace hansa::simulation
