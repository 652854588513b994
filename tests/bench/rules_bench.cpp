// SPDX-License-Identifier: Apache-2.0
// Rules at the size of a federation: where may a job with its datasets go.
// `decide_everywhere` is what a placement asks: the job and its datasets bound once, every site bound and asked.

#include "policies/rules/explain.hpp"
#include "tests/bench/federation.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace hansa;
using namespace hansa::bench;

void decide_everywhere(benchmark::State& state) {
  const Federation federation(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(2)));
  const auto rules = compiled(static_cast<std::size_t>(state.range(1)));
  std::int64_t allowed = 0;
  for (auto _ : state) {
    allowed = 0;
    const auto job = rules.bind(Subject::job, federation.job, kNow);
    std::vector<Bound> datasets;
    for (const auto& dataset : federation.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, kNow));
    for (const auto& site : federation.sites) {
      const auto bound = rules.bind(Subject::site, site, kNow);
      if (rules.decide(Action::place, job, bound, datasets).allowed()) ++allowed;
    }
  }
  state.counters["allowed"] = static_cast<double>(allowed);
}

void explain_everywhere(benchmark::State& state) {
  const Federation federation(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(2)));
  const auto rules = compiled(static_cast<std::size_t>(state.range(1)));
  const auto job = rules.bind(Subject::job, federation.job, kNow);
  std::vector<Bound> datasets;
  for (const auto& dataset : federation.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, kNow));
  for (auto _ : state) {
    for (const auto& site : federation.sites) {
      benchmark::DoNotOptimize(explain(rules, Action::place, job, rules.bind(Subject::site, site, kNow), datasets));
    }
  }
}

void compile(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(compiled(static_cast<std::size_t>(state.range(0))));
}

BENCHMARK(decide_everywhere)
    ->ArgNames({"sites", "rules", "datasets"})
    ->Args({20, 50, 10})
    ->Args({20, 500, 10})
    ->Args({1000, 500, 1})
    ->Args({1000, 500, 10})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(explain_everywhere)->ArgNames({"sites", "rules", "datasets"})->Args({20, 50, 10})->Unit(benchmark::kMicrosecond);
BENCHMARK(compile)->ArgName("rules")->Arg(50)->Arg(500)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
