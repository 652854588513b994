// SPDX-License-Identifier: Apache-2.0
// One decision at the size of a federation: rules, accounts of the queues, estimate, choice, over all sites. Each site is a
// machine of 200 nodes, full, with 200 jobs waiting. `first`: the first job of its kind in this second, so that the rules are
// asked about each site. `next`: the others of that second. `again`: what 100,000 waiting jobs of 500 people cost when a site
// has news; jobs of one shape are one line, which is looked at once, so the worst is that no two are alike.

#include "policies/routing/decide.hpp"
#include "tests/bench/federation.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace hansa;
using namespace hansa::bench;

constexpr std::size_t kMachines = 16;  // different ones

domain::SiteSnapshot machine(std::uint32_t seed) {
  std::mt19937 random(seed);
  domain::SiteSnapshot snapshot;
  snapshot.taken_at = kNow;
  snapshot.queues.push_back(
      {.name = QueueName{"main"}, .up = true, .is_default = true, .max_time = {}, .max_nodes = {}, .nodes = {}});
  for (std::uint32_t i = 0; i < 200; ++i) {
    snapshot.nodes.push_back({"n" + std::to_string(i), 128, {256'000}, 0, "", true});
    snapshot.queues[0].nodes.push_back(i);
    snapshot.running.push_back({.id = SiteJobId{std::to_string(i)},
                                .queue = {},
                                .shares = {{i, 128, {256'000}, 0}},
                                .expected_end = kNow + Seconds{60 + random() % 86'400}});
  }
  for (std::uint32_t i = 0; i < 200; ++i) {
    domain::Resources resources;
    resources.nodes = resources.tasks = 1 << (random() % 5);
    resources.cpus_per_task = 128;
    snapshot.waiting.push_back({.id = SiteJobId{"w" + std::to_string(i)},
                                .queue = QueueName{"main"},
                                .resources = resources,
                                .time_limit = Seconds{900 + random() % 86'400},
                                .priority = static_cast<std::int64_t>(random() % 1000),
                                .eligible = true,
                                .eligible_at = {}});
  }
  return snapshot;
}

/// Everything that a decision is taken from, as the broker has it at hand.
struct Question {
  Federation federation;
  RuleSet rules;
  std::vector<routing::AvailabilityProfile> profiles;
  std::vector<domain::Site> sites;
  std::vector<domain::SiteState> states;
  std::vector<Bound> bound_sites;
  std::vector<Explanation> rulings;
  routing::DecisionInput input;

  Question(std::size_t site_count, std::size_t rule_count, std::size_t dataset_count)
      : federation(site_count, dataset_count), rules(compiled(rule_count)), sites(site_count), states(site_count) {
    for (std::uint32_t i = 0; i < kMachines; ++i) profiles.push_back(routing::build_profile(machine(i), kNow));
    input.now = kNow;
    input.spec.resources.nodes = input.spec.resources.tasks = 4;
    input.spec.resources.cpus_per_task = 128;
    input.ruled = routing::RuledJob{.rules = &rules, .packs_hash = {}, .job = &federation.job, .datasets = {}};
    for (const auto& dataset : federation.datasets) input.ruled->datasets.push_back(&dataset);
    for (std::size_t i = 0; i < site_count; ++i) {
      sites[i].id = SiteId{"site-" + std::to_string(i)};
      states[i].health = domain::SiteHealth::up;
      bound_sites.push_back(rules.bind(Subject::site, federation.sites[i], kNow));
      routing::SiteView view;
      view.site = &sites[i];
      view.state = &states[i];
      view.profile = &profiles[i % kMachines];
      view.facts = &federation.sites[i];
      input.sites.push_back(view);
    }
    ask();
  }

  void ask() {
    const auto job = rules.bind(Subject::job, federation.job, kNow);
    std::vector<Bound> datasets;
    for (const auto& dataset : federation.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, kNow));
    rulings.clear();
    rulings.reserve(bound_sites.size());
    for (std::size_t i = 0; i < bound_sites.size(); ++i) {
      rulings.push_back(routing::ruling(rules, job, bound_sites[i], datasets));
      input.sites[i].ruling = &rulings.back();
    }
  }
};

Question question(const benchmark::State& state) {
  return {static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)),
          static_cast<std::size_t>(state.range(2))};
}

void first(benchmark::State& state) {
  auto asked = question(state);
  for (auto _ : state) {
    ++asked.input.spec.resources.memory_per_node.value;  // the first that asks this of a node
    asked.ask();
    benchmark::DoNotOptimize(routing::decide(asked.input));
  }
}

void next(benchmark::State& state) {
  const auto asked = question(state);
  for (auto _ : state) benchmark::DoNotOptimize(routing::decide(asked.input));
}

void again(benchmark::State& state) {
  constexpr std::int64_t kPeople = 500;
  auto asked = question(state);
  const auto lines_of_each = state.range(3) / kPeople;
  for (auto _ : state) {
    for (std::int64_t person = 0; person < kPeople; ++person) {
      asked.ask();  // about this person
      for (std::int64_t line = 0; line < lines_of_each; ++line) {
        asked.input.spec.time_limit = Seconds{600 + 60 * line};
        benchmark::DoNotOptimize(routing::decide(asked.input));
      }
    }
  }
}

BENCHMARK(again)
    ->ArgNames({"sites", "rules", "datasets", "lines"})
    ->Args({20, 50, 1, 10'000})
    ->Args({20, 50, 1, 100'000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(first)
    ->ArgNames({"sites", "rules", "datasets"})
    ->Args({20, 50, 10})
    ->Args({1000, 500, 10})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(next)
    ->ArgNames({"sites", "rules", "datasets"})
    ->Args({20, 50, 10})
    ->Args({1000, 500, 10})
    ->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
