// SPDX-License-Identifier: Apache-2.0
#include "simulation/comparison.hpp"

#include "simulation/plots.hpp"

#include <catch2/catch.hpp>

namespace hansa::simulation {
namespace {

const std::string kTrace = HANSA_SOURCE_DIR "/tests/data/traces/small.swf";

const std::vector<SimulatedSite>& four_sites() {
  static const std::vector<SimulatedSite> four{{"a", 64, "FI", 0}, {"b", 32, "SE", 0}, {"c", 32, "DE", 0}, {"d", 16, "FR", 0}};
  return four;
}

double mean_wait(const Figures& figures) { return figures.all.mean_wait_s; }

}  // namespace

TEST_CASE("a comparison: every policy on every seed, in order") {
  const auto trace = read_swf(kTrace);
  REQUIRE(trace);
  const Policy policies[] = {Policy::hansa, Policy::random, Policy::merged};
  const auto comparison = compare(*trace, four_sites(), four_sites(), policies, {.load = 850'000, .seeds = 3});
  REQUIRE(comparison);
  CHECK(comparison->seeds == std::vector<std::uint64_t>{1, 2, 3});
  REQUIRE(comparison->runs.size() == 3);
  for (const auto& run : comparison->runs) {
    CHECK(run.by_seed.size() == 3);
    CHECK(run.fates.size() == comparison->workload.jobs.size());
  }
  CHECK(comparison->runs[1].policy == Policy::random);
  CHECK(mean_wait(comparison->runs[0].by_seed[0]) != mean_wait(comparison->runs[0].by_seed[1]));
  const auto plots = plots_of(*comparison, four_sites());
  REQUIRE(plots.size() == 3);
  for (const auto& plot : plots) {
    CAPTURE(plot.file);
    CHECK_THAT(plot.svg, Catch::StartsWith("<svg xmlns") && Catch::EndsWith("</svg>\n") && Catch::Contains("hansa") &&
                             !Catch::Contains("nan") && !Catch::Contains("inf\""));
  }
}

TEST_CASE("a comparison: without seeds the trace itself is played, once") {
  const auto trace = read_swf(kTrace);
  REQUIRE(trace);
  const Policy policies[] = {Policy::home};
  const auto comparison = compare(*trace, four_sites(), four_sites(), policies, {});
  REQUIRE(comparison);
  CHECK(comparison->seeds == std::vector<std::uint64_t>{0});
  CHECK(comparison->workload.jobs.size() == 600);
}

TEST_CASE("a comparison: more capacity meets the same jobs") {
  const auto trace = read_swf(kTrace);
  REQUIRE(trace);
  const Policy policies[] = {Policy::redundant};
  auto grown = four_sites();
  grown[3].cores += 64;
  const auto before = compare(*trace, four_sites(), four_sites(), policies, {.load = 930'000});
  const auto after = compare(*trace, four_sites(), grown, policies, {.load = 930'000});
  REQUIRE(before);
  REQUIRE(after);
  CHECK(before->workload.jobs.back().submit == after->workload.jobs.back().submit);
  CHECK(mean_wait(after->runs[0].by_seed[0]) < 0.5 * mean_wait(before->runs[0].by_seed[0]));
}

TEST_CASE("a comparison: a sample of nothing is an error") {
  const auto trace = read_swf(kTrace);
  REQUIRE(trace);
  const Policy policies[] = {Policy::home};
  const auto comparison = compare(*trace, four_sites(), four_sites(), policies, {.load = {}, .seeds = 1, .one_in = 1'000'000});
  REQUIRE_FALSE(comparison);
  CHECK(comparison.error().code == "TRACE_EMPTY");
}

TEST_CASE("medians and ratios are taken seed by seed") {
  const auto run = [](std::initializer_list<double> waits) {
    PolicyRun made;
    for (const auto wait : waits) made.by_seed.emplace_back().all.mean_wait_s = wait;
    return made;
  };
  CHECK(median_of(run({1, 5, 3}), mean_wait) == 3);
  CHECK(median_ratio(run({1, 20, 3}), run({2, 10, 3}), mean_wait) == 1);
  CHECK(median_ratio(run({1, 20}), run({0, 10}), mean_wait) == 2);
  CHECK(median_ratio(run({0}), run({0}), mean_wait) == 1);
}

// The short grid: on shaken made-up traces of two loads Hansa waits no longer than the policies that a broker could have instead.
TEST_CASE("the policies stand in the order that the reference has them in") {
  const auto trace = read_swf(kTrace);
  REQUIRE(trace);
  const Policy policies[] = {Policy::hansa, Policy::redundant, Policy::earliest_start, Policy::shortest_queue, Policy::random};
  for (const std::int64_t load : {700'000, 930'000}) {
    CAPTURE(load);
    const auto comparison = compare(*trace, four_sites(), four_sites(), policies, {.load = load, .seeds = 10});
    REQUIRE(comparison);
    const auto& runs = comparison->runs;
    const auto ratio = [&](std::size_t to) { return median_ratio(runs[0], runs[to], mean_wait); };
    CHECK(ratio(1) <= 1.05);
    CHECK(ratio(2) <= 1.0);
    CHECK(ratio(3) <= 0.7);
    CHECK(ratio(4) <= 0.5);
    CHECK(median_of(runs[0], [](const Figures& f) { return f.messages_per_job; }) == 1.0);
  }
}

}  // namespace hansa::simulation
