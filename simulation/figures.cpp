// SPDX-License-Identifier: Apache-2.0
#include "simulation/figures.hpp"

#include <algorithm>

namespace hansa::simulation {
namespace {

double real(std::int64_t value) { return static_cast<double>(value); }

template <typename Take>
WaitFigures waits_of(const Workload& workload, const Outcome& outcome, Take take) {
  std::vector<std::int64_t> waits;
  WaitFigures figures;
  double slowdowns = 0;
  double sum = 0;
  for (std::size_t i = 0; i < workload.jobs.size(); ++i) {
    const auto& job = workload.jobs[i];
    if (!take(job)) continue;
    const auto wait = outcome.fates[i].started - job.submit;
    waits.push_back(wait);
    sum += real(wait);
    slowdowns += std::max(1.0, real(wait + job.run) / real(std::max(job.run, kTau)));
  }
  figures.jobs = static_cast<std::int64_t>(waits.size());
  if (waits.empty()) return figures;
  std::ranges::sort(waits);
  const auto n = waits.size();
  figures.mean_wait_s = sum / real(figures.jobs);
  figures.median_wait_s = (real(waits[(n - 1) / 2]) + real(waits[n / 2])) / 2;
  figures.p99_wait_s = real(waits[(n * 99 + 99) / 100 - 1]);
  figures.mean_bounded_slowdown = slowdowns / real(figures.jobs);
  return figures;
}

}  // namespace

Figures figures_of(const Workload& workload, const Outcome& outcome, const std::vector<std::int64_t>& cores) {
  Figures figures;
  figures.all = waits_of(workload, outcome, [](const ReplayJob&) { return true; });
  figures.broker = waits_of(workload, outcome, [](const ReplayJob& job) { return !job.local; });
  figures.local = waits_of(workload, outcome, [](const ReplayJob& job) { return job.local; });
  figures.wide = waits_of(workload, outcome, [&](const ReplayJob& job) { return job.cores * 4 > workload.widest_site; });
  for (std::uint32_t kind = 0; kind < workload.kinds.size(); ++kind)
    figures.kinds.push_back(waits_of(workload, outcome, [&](const ReplayJob& job) { return !job.local && job.kind == kind; }));
  const auto last_submit = workload.jobs.empty() ? 0 : workload.jobs.back().submit;
  std::vector<std::int64_t> used(cores.size(), 0);
  for (std::size_t i = 0; i < workload.jobs.size(); ++i) {
    const auto& job = workload.jobs[i];
    const auto& fate = outcome.fates[i];
    figures.makespan_s = std::max(figures.makespan_s, fate.started + job.run);
    const auto counted = std::min(fate.started + job.run, last_submit) - std::min(fate.started, last_submit);
    used[fate.site] += counted * job.cores;
  }
  for (std::size_t site = 0; site < cores.size(); ++site) {
    figures.utilisation.push_back(last_submit == 0 ? 0 : real(used[site]) / (real(cores[site]) * real(last_submit)));
  }
  figures.messages_per_job = figures.broker.jobs == 0 ? 0 : real(outcome.submits + outcome.cancels) / real(figures.broker.jobs);
  figures.moves = outcome.moves;
  return figures;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

}  // namespace hansa::simulation
