// SPDX-License-Identifier: Apache-2.0
#include "simulation/replay.hpp"

#include "simulation/figures.hpp"
#include "simulation/routers.hpp"
#include "simulation/seeded_random.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

namespace hansa::simulation {
namespace {

constexpr Policy kAll[] = {Policy::hansa,          Policy::home,      Policy::random, Policy::shortest_queue,
                           Policy::earliest_start, Policy::redundant, Policy::merged};

const std::vector<SimulatedSite>& three_sites() {
  static const std::vector<SimulatedSite> three{{"a", 16, "FI", 0}, {"b", 8, "SE", 0}, {"c", 8, "DE", 0}};
  return three;
}

/// Busy: about as much work as the sites can do.
Workload chance(std::uint64_t seed, bool with_local) {
  SeededRandom random(seed);
  Workload workload;
  workload.widest_site = 16;
  Instant at = 0;
  for (int i = 0; i < 400; ++i) {
    at += static_cast<Instant>(random.below(130));
    const auto limit = 1 + static_cast<std::int64_t>(random.below(900));
    ReplayJob job{
        .submit = at, .run = 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(limit))), .limit = limit};
    job.cores = 1 + static_cast<std::int64_t>(random.below(random.one_in(4) ? 16 : 5));
    job.home = job.cores > 8 ? 0 : static_cast<SiteIndex>(random.below(3));
    job.local = with_local && random.one_in(3);
    workload.jobs.push_back(job);
  }
  return workload;
}

void check_laws(const Workload& workload, const Outcome& outcome, const std::vector<std::int64_t>& cores) {
  std::vector<std::map<Instant, std::int64_t>> change(cores.size());
  REQUIRE(outcome.fates.size() == workload.jobs.size());
  for (std::size_t i = 0; i < workload.jobs.size(); ++i) {
    const auto& job = workload.jobs[i];
    const auto& fate = outcome.fates[i];
    REQUIRE(fate.started >= job.submit);
    change[fate.site][fate.started] += job.cores;
    change[fate.site][fate.started + job.run] -= job.cores;
    if (job.local && cores.size() > 1) REQUIRE(fate.site == job.home);
  }
  for (std::size_t site = 0; site < cores.size(); ++site) {
    std::int64_t used = 0;
    for (const auto& [at, by] : change[site]) {
      used += by;
      REQUIRE(used <= cores[site]);
    }
    REQUIRE(used == 0);
  }
}

}  // namespace

TEST_CASE("a replay: every job starts once, not before its submit, and no site is ever over-committed", "[property]") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const auto workload = chance(seed, seed % 2 == 0);
    for (const auto policy : kAll) {
      CAPTURE(seed, to_string(policy));
      check_laws(workload, play(workload, three_sites(), policy, seed), played_cores(three_sites(), policy));
    }
  }
}

TEST_CASE("a replay: the same seed gives the same history, bit for bit", "[property]") {
  const auto workload = chance(5, true);
  for (const auto policy : kAll) {
    CAPTURE(to_string(policy));
    const auto once = play(workload, three_sites(), policy, 5);
    const auto twice = play(workload, three_sites(), policy, 5);
    CHECK(once.submits == twice.submits);
    CHECK(once.cancels == twice.cancels);
    CHECK(std::ranges::equal(once.fates, twice.fates,
                             [](const Fate& a, const Fate& b) { return a.started == b.started && a.site == b.site; }));
  }
  const auto other = play(workload, three_sites(), Policy::random, 6);
  const auto one = play(workload, three_sites(), Policy::random, 5);
  CHECK_FALSE(std::ranges::equal(one.fates, other.fates, [](const Fate& a, const Fate& b) { return a.site == b.site; }));
}

TEST_CASE("a replay: work is conserved", "[property]") {
  const auto workload = chance(7, false);
  double area = 0;
  for (const auto& job : workload.jobs) area += static_cast<double>(job.cores * job.run);
  for (const auto policy : kAll) {
    CAPTURE(to_string(policy));
    auto longer = workload;  // nobody is still at work when the last one comes: all of it is counted
    longer.jobs.push_back({.submit = 10'000'000, .run = 1, .limit = 1, .cores = 1, .home = 0, .local = false});
    const auto cores = played_cores(three_sites(), policy);
    const auto figures = figures_of(longer, play(longer, three_sites(), policy, 7), cores);
    double used = 0;
    for (std::size_t site = 0; site < cores.size(); ++site)
      used += figures.utilisation[site] * static_cast<double>(cores[site]) * 10'000'000;
    CHECK(used == Approx(area));
  }
}

TEST_CASE("a replay: no core stays idle that a waiting job of the merged queue could use alone") {
  // One job at a time of all cores: every policy must play them one after the other.
  Workload workload;
  for (int i = 0; i < 5; ++i)
    workload.jobs.push_back({.submit = 0, .run = 10, .limit = 20, .cores = 8, .home = 0, .local = false});
  workload.widest_site = 8;
  const std::vector<SimulatedSite> one{{"a", 8, "", 0}};
  for (const auto policy : kAll) {
    CAPTURE(to_string(policy));
    const auto outcome = play(workload, one, policy, 1);
    std::vector<Instant> starts;
    for (const auto& fate : outcome.fates) starts.push_back(fate.started);
    std::ranges::sort(starts);
    CHECK(starts == std::vector<Instant>{0, 10, 20, 30, 40});
  }
}

TEST_CASE("redundant: everywhere at once, and cancelled where it did not start") {
  Workload workload;
  workload.widest_site = 16;
  workload.jobs.push_back({.submit = 0, .run = 100, .limit = 100, .cores = 16, .home = 0, .local = false});
  workload.jobs.push_back({.submit = 0, .run = 50, .limit = 50, .cores = 8, .home = 0, .local = false});
  workload.jobs.push_back({.submit = 0, .run = 50, .limit = 50, .cores = 8, .home = 0, .local = false});
  workload.jobs.push_back({.submit = 1, .run = 50, .limit = 50, .cores = 8, .home = 0, .local = false});
  const auto outcome = play(workload, three_sites(), Policy::redundant, 1);
  CHECK(outcome.fates[1].started == 0);
  CHECK(outcome.fates[2].started == 0);
  CHECK(outcome.fates[1].site != outcome.fates[2].site);
  CHECK(outcome.fates[3].started == 50);
  CHECK(outcome.submits == 1 + 3 * 3);
  CHECK(outcome.cancels == 3 * 2);
}

TEST_CASE("hansa: one message a job where nobody else submits; with others never more than the cap of moves allows") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    const auto alone = chance(seed, false);
    const auto quiet = play(alone, three_sites(), Policy::hansa, seed);
    CHECK(quiet.submits == 400);
    CHECK(quiet.cancels == 0);
    const auto shared = chance(seed, true);
    const auto outcome = play(shared, three_sites(), Policy::hansa, seed);
    const auto broker = std::ranges::count(shared.jobs, false, &ReplayJob::local);
    CHECK(static_cast<double>(outcome.submits + outcome.cancels) <= 1.19 * static_cast<double>(broker));
  }
}

TEST_CASE("a replay: time in which nothing happens is not played", "[property]") {
  class Counting final : public Router {
   public:
    void arrived(Replay& replay, JobIndex job) override { replay.submit(job, 0); }
    void act(Replay& /*replay*/) override { ++acts; }
    int acts = 0;
  };
  Workload workload;
  for (int i = 0; i < 10; ++i)
    workload.jobs.push_back({.submit = i * 100'000'000LL, .run = 5, .limit = 5, .cores = 1, .home = 0, .local = false});
  Counting router;
  const std::vector<std::int64_t> cores{1};
  const auto outcome = Replay(workload, cores).run(router);
  CHECK(outcome.fates.back().started == 900'000'000);
  CHECK(router.acts == 20);  // ten arrivals, ten ends
}

}  // namespace hansa::simulation
