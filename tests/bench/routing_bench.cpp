// SPDX-License-Identifier: Apache-2.0
// Routing at the size of a national machine: 2,000 nodes, 5,000 waiting jobs. Seeded, so every run times the same work.

#include "policies/routing/decide.hpp"

#include <benchmark/benchmark.h>

#include <random>

namespace {

using namespace hansa;
using namespace hansa::routing;

constexpr std::int64_t kNow = 1'000'000'000;
UtcTime at(std::int64_t after_now) { return from_unix_seconds(kNow + after_now); }

enum Workload : std::int64_t { whole_nodes, shared_nodes, distinct_requests };

/// Full: every node runs something. `whole_nodes`: jobs take nodes whole, usual limits. `shared_nodes`: four jobs a node,
/// requests for parts. `distinct_requests`: as shared, and hardly two waiting jobs are alike.
domain::SiteSnapshot site(std::int32_t nodes, std::int32_t waiting, Workload workload) {
  std::mt19937 random(42);
  const auto pick = [&](std::int32_t from, std::int32_t to) {
    return from + static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(to - from + 1));
  };
  domain::SiteSnapshot snapshot;
  snapshot.taken_at = at(0);
  snapshot.queues.push_back(
      {.name = QueueName{"main"}, .up = true, .is_default = true, .max_time = {}, .max_nodes = {}, .nodes = {}});
  for (std::int32_t i = 0; i < nodes; ++i) {
    snapshot.nodes.push_back({"n" + std::to_string(i), 128, {256'000}, 0, "", true});
    snapshot.queues[0].nodes.push_back(static_cast<std::uint32_t>(i));
  }
  const std::int32_t parts = workload == whole_nodes ? 1 : 4;
  for (std::int32_t i = 0; i < nodes;) {
    const auto width = workload == whole_nodes ? std::min(pick(1, 16), nodes - i) : 1;
    for (std::int32_t part = 0; part < parts; ++part) {
      domain::RunningWork work{.id = SiteJobId{std::to_string(i) + "." + std::to_string(part)},
                               .queue = {},
                               .shares = {},
                               .expected_end = at(pick(-60, 86'400))};
      for (std::int32_t n = i; n < i + width; ++n) {
        work.shares.push_back({static_cast<std::uint32_t>(n), 128 / parts, {256'000 / parts}, 0});
      }
      snapshot.running.push_back(std::move(work));
    }
    i += width;
  }
  const std::int64_t limits[] = {900, 3600, 7200, 14'400, 43'200, 86'400, 172'800};
  for (std::int32_t i = 0; i < waiting; ++i) {
    domain::Resources resources;
    std::int64_t limit = limits[pick(0, 6)];
    if (workload == whole_nodes) {
      resources.nodes = 1 << pick(0, 6);
      resources.tasks = resources.nodes;
      resources.cpus_per_task = 128;
    } else if (workload == shared_nodes) {
      resources.nodes = pick(0, 9) == 0 ? pick(2, 32) : 1;
      resources.tasks = resources.nodes;
      resources.cpus_per_task = 1 << pick(0, 7);
      resources.memory_per_node = {1000LL << pick(0, 7)};
    } else {
      resources.nodes = pick(0, 9) == 0 ? pick(2, 32) : 1;
      resources.tasks = resources.nodes;
      resources.cpus_per_task = pick(1, 128);
      resources.memory_per_node = {pick(100, 256'000)};
      limit = pick(60, 172'800);
    }
    snapshot.waiting.push_back({.id = SiteJobId{std::to_string(i)},
                                .queue = QueueName{"main"},
                                .resources = resources,
                                .time_limit = Seconds{limit},
                                .priority = pick(0, 1000),
                                .eligible = true,
                                .eligible_at = {}});
  }
  return snapshot;
}

void play(benchmark::State& state) {
  const auto snapshot = site(2000, static_cast<std::int32_t>(state.range(1)), Workload{state.range(0)});
  std::int64_t unplayed = 0;
  for (auto _ : state) {
    const auto played = play_forward(snapshot, at(0));
    unplayed = std::ranges::count_if(played.starts, [](const auto& start) { return !start; });
  }
  state.counters["unplayed"] = static_cast<double>(unplayed);
}

void build(benchmark::State& state) {
  const auto snapshot = site(2000, static_cast<std::int32_t>(state.range(1)), Workload{state.range(0)});
  std::size_t bytes = 0;
  for (auto _ : state) {
    auto profile = build_profile(snapshot, at(0));
    bytes = profile.unstored().begin()->second.size();
  }
  state.counters["document_bytes"] = static_cast<double>(bytes);
}

void query(benchmark::State& state) {
  const auto profile = build_profile(site(2000, 5000, Workload{state.range(0)}), at(0));
  domain::Resources resources;
  resources.nodes = static_cast<std::int32_t>(state.range(1));
  resources.tasks = resources.nodes;
  resources.cpus_per_task = 64;
  for (auto _ : state) { benchmark::DoNotOptimize(profile.earliest_start(QueueName{"main"}, resources, Seconds{7200}, at(5))); }
}

void occupy_and_release(benchmark::State& state) {
  auto profile = build_profile(site(2000, 5000, Workload{state.range(0)}), at(0));
  domain::Resources resources;
  resources.cpus_per_task = 4;
  for (auto _ : state) {
    profile.occupy(Tag{"t"}, QueueName{"main"}, resources, Seconds{7200}, at(5));
    profile.release(Tag{"t"}, at(5));
    const auto documents = profile.unstored();
    benchmark::DoNotOptimize(documents);
    profile.mark_stored(documents);
  }
}

void decide_of_three(benchmark::State& state) {
  domain::Site sites[3];
  domain::SiteState states[3];
  std::vector<AvailabilityProfile> profiles;
  profiles.reserve(3);
  DecisionInput input;
  input.now = at(5);
  input.spec.resources.cpus_per_task = 4;
  for (int i = 0; i < 3; ++i) {
    sites[i].id = SiteId{std::string(1, static_cast<char>('a' + i))};
    states[i].health = domain::SiteHealth::up;
    profiles.push_back(build_profile(site(2000 >> i, 5000 >> i, Workload{state.range(0)}), at(0)));
    SiteView view;
    view.site = &sites[i];
    view.state = &states[i];
    view.profile = &profiles.back();
    input.sites.push_back(view);
  }
  for (auto _ : state) benchmark::DoNotOptimize(decide(input));
}

BENCHMARK(play)->ArgNames({"workload", "waiting"})->ArgsProduct({{0, 1, 2}, {500, 5000, 50'000}})->Unit(benchmark::kMillisecond);
BENCHMARK(build)->ArgNames({"workload", "waiting"})->ArgsProduct({{0, 1, 2}, {5000}})->Unit(benchmark::kMillisecond);
BENCHMARK(query)->ArgNames({"workload", "nodes"})->ArgsProduct({{0, 1, 2}, {1, 8, 256}})->Unit(benchmark::kMicrosecond);
BENCHMARK(occupy_and_release)->ArgName("workload")->DenseRange(0, 2)->Unit(benchmark::kMicrosecond);
BENCHMARK(decide_of_three)->ArgName("workload")->DenseRange(0, 2)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
