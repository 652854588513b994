// SPDX-License-Identifier: Apache-2.0
#include "simulation/workload.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

namespace hansa::simulation {
namespace {

constexpr std::int64_t kDay = 86'400;

Trace trace_of(int jobs, std::int64_t gap, int users) {
  Trace trace;
  for (int i = 0; i < jobs; ++i)
    trace.jobs.push_back(
        {.number = i, .submit = 5'000 + i * gap, .run = 100 + i % 50, .limit = 200, .cores = 1 + i % 16, .user = i % users});
  return trace;
}

std::vector<SimulatedSite> sites(std::int64_t local_share = 0) {
  return {{"a", 16, "FI", local_share}, {"b", 8, "SE", local_share}};
}

double offered(const Workload& workload, std::int64_t cores) {
  double area = 0;
  for (const auto& job : workload.jobs) area += static_cast<double>(job.cores * job.run);
  return area / static_cast<double>(cores) / static_cast<double>(workload.jobs.back().submit);
}

}  // namespace

TEST_CASE("a workload without options is the trace, from its first submit") {
  const auto trace = trace_of(100, 60, 3);
  const auto workload = make_workload(trace, sites(), {});
  REQUIRE(workload.jobs.size() == 100);
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(workload.jobs[i].submit == static_cast<std::int64_t>(i) * 60);
    CHECK(workload.jobs[i].run == trace.jobs[i].run);
    CHECK(workload.jobs[i].cores == trace.jobs[i].cores);
    CHECK_FALSE(workload.jobs[i].local);
  }
  CHECK(workload.clipped == 0);
  CHECK(static_cast<double>(workload.offered_load) / 1e6 == Approx(offered(workload, 24)).epsilon(0.001));
}

TEST_CASE("a workload is brought to the load asked for, whatever its seed") {
  const auto trace = trace_of(2000, 60, 30);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    const auto workload = make_workload(trace, sites(), {.load = 850'000, .seed = seed});
    CHECK(offered(workload, 24) == Approx(0.85).epsilon(0.001));
  }
}

TEST_CASE("jobs wider than the widest site are made as wide as that, and counted") {
  auto trace = trace_of(10, 60, 3);
  trace.jobs[3].cores = 17;
  trace.jobs[4].cores = 1000;
  const auto workload = make_workload(trace, sites(), {});
  CHECK(workload.clipped == 2);
  CHECK(workload.jobs[3].cores == 16);
  CHECK(workload.jobs[4].cores == 16);
  CHECK(workload.widest_site == 16);
}

TEST_CASE("everybody's home holds their job, and larger sites are home to more") {
  const auto workload = make_workload(trace_of(5000, 700, 40), sites(), {});
  std::map<SiteIndex, int> homes;
  for (const auto& job : workload.jobs) {
    CHECK((job.home == 0 || job.cores <= 8));
    if (job.cores <= 8) ++homes[job.home];
  }
  const auto share = static_cast<double>(homes[0]) / (homes[0] + homes[1]);
  CHECK(share > 0.6);
  CHECK(share < 0.73);
}

TEST_CASE("the local share is the part of each site's jobs that does not come through the broker") {
  auto two = sites();
  two[0].local_share = 300'000;
  const auto workload = make_workload(trace_of(5000, 700, 40), two, {});
  std::map<SiteIndex, std::pair<int, int>> of_site;
  for (const auto& job : workload.jobs) {
    ++of_site[job.home].first;
    if (job.local) ++of_site[job.home].second;
  }
  CHECK(static_cast<double>(of_site[0].second) / of_site[0].first == Approx(0.3).margin(0.03));
  CHECK(of_site[1].second == 0);
}

TEST_CASE("shaken gaps: jobs are dropped, the others keep their order and most of their time") {
  const auto trace = trace_of(4000, 100, 30);
  const auto workload = make_workload(trace, sites(), {.load = {}, .seed = 1});
  CHECK(workload.jobs.size() > 3700);
  CHECK(workload.jobs.size() < 3900);
  CHECK(std::ranges::is_sorted(workload.jobs, {}, &ReplayJob::submit));
  CHECK(workload.jobs.back().submit > 390'000);
  CHECK(workload.jobs.back().submit < 410'000);
  bool uneven = false;
  for (std::size_t i = 1; i < workload.jobs.size(); ++i) {
    const auto gap = workload.jobs[i].submit - workload.jobs[i - 1].submit;
    CHECK(gap >= 70);
    uneven = uneven || gap != 100;
  }
  CHECK(uneven);
}

TEST_CASE("shaken users: each one's jobs move together, by whole days in a short trace") {
  Trace trace = trace_of(2000, 600, 20);  // 14 days
  for (std::size_t i = 0; i < trace.jobs.size(); ++i)
    trace.jobs[i].run = 1000 + static_cast<std::int64_t>(i);  // to know it again
  const auto workload = make_workload(trace, sites(), {.load = {}, .seed = 2});
  REQUIRE(workload.jobs.size() == 2000);
  CHECK(std::ranges::is_sorted(workload.jobs, {}, &ReplayJob::submit));
  const auto length = (trace.jobs.back().submit - trace.jobs.front().submit) / kDay * kDay + kDay;
  std::map<std::int64_t, std::int64_t> shifts;
  std::int64_t base = -1;
  for (const auto& job : workload.jobs) {
    const auto& was = trace.jobs[static_cast<std::size_t>(job.run - 1000)];
    auto shift = (job.submit - (was.submit - 5000)) % length;
    if (base < 0) base = ((shift % kDay) + kDay) % kDay;  // all submits count from the first
    shift = ((shift - base) % length + length) % length;
    CHECK(shift % kDay == 0);
    const auto [known, added] = shifts.emplace(was.user, shift);
    CHECK(known->second == shift);
  }
  CHECK(shifts.size() == 20);
  CHECK(std::ranges::any_of(shifts, [&](const auto& entry) { return entry.second != shifts.begin()->second; }));
}

TEST_CASE("seeds: the same gives the same, odd ones shake gaps, even ones users, a single user only gaps") {
  const auto trace = trace_of(500, 600, 20);
  const auto submits = [&](std::uint64_t seed) {
    std::vector<Instant> all;
    for (const auto& job : make_workload(trace, sites(500'000), {.load = 700'000, .seed = seed}).jobs) all.push_back(job.submit);
    return all;
  };
  CHECK(submits(1) == submits(1));
  CHECK(submits(2) == submits(2));
  CHECK(submits(1) != submits(3));
  CHECK(submits(2) != submits(4));
  CHECK(shaking_of(0, trace) == Shaking::none);
  CHECK(shaking_of(7, trace) == Shaking::gaps);
  CHECK(shaking_of(8, trace) == Shaking::users);
  CHECK(shaking_of(8, trace_of(10, 1, 1)) == Shaking::gaps);
}

TEST_CASE("a sample is one job in so many, another with another seed, and may be nobody") {
  const auto trace = trace_of(12'000, 10, 20);
  const auto sample = make_workload(trace, sites(), {.load = {}, .seed = 0, .one_in = 12});
  CHECK(sample.jobs.size() > 850);
  CHECK(sample.jobs.size() < 1150);
  CHECK(make_workload(trace_of(1, 10, 1), sites(), {.load = 700'000, .seed = 1, .one_in = 1'000'000}).jobs.empty());
}

TEST_CASE("a workload of the most absurd trace that is read is still numbers") {
  Trace trace;
  for (int i = 0; i < 50; ++i)
    trace.jobs.push_back(
        {.number = i, .submit = kLastSubmit, .run = kMostSeconds, .limit = kMostSeconds, .cores = kMostCores, .user = 1});
  const auto workload = make_workload(trace, {{"a", kMostSiteCores, "", 0}}, {.load = kLeastLoad, .seed = 1});
  CHECK(workload.clipped == static_cast<std::int64_t>(workload.jobs.size()));
  for (const auto& job : workload.jobs) CHECK(job.submit >= 0);
}

}  // namespace hansa::simulation
