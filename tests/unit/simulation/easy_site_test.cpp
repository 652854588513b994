// SPDX-License-Identifier: Apache-2.0
#include "simulation/easy_site.hpp"

#include "simulation/seeded_random.hpp"
#include "tests/unit/routing/brute_force.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <optional>
#include <utility>

namespace hansa::simulation {
namespace {

struct Job {
  std::int64_t submit;
  std::int64_t cores;
  std::int64_t limit;
};

/// Starts of all jobs, each of which runs to its limit.
std::vector<std::int64_t> played(std::int64_t cores, const std::vector<Job>& jobs) {
  EasySite site(cores);
  std::vector<std::int64_t> starts(jobs.size(), -1);
  std::multimap<std::int64_t, JobIndex> ends;
  std::size_t next = 0;
  while (next < jobs.size() || !ends.empty()) {
    auto now = ends.empty() ? jobs[next].submit : ends.begin()->first;
    if (next < jobs.size()) now = std::min(now, jobs[next].submit);
    for (; !ends.empty() && ends.begin()->first == now; ends.erase(ends.begin())) site.end(ends.begin()->second);
    for (; next < jobs.size() && jobs[next].submit == now; ++next)
      site.submit(static_cast<JobIndex>(next), jobs[next].cores, jobs[next].limit);
    std::vector<JobIndex> started;
    site.pass(now, started);
    for (const auto job : started) {
      starts[job] = now;
      ends.emplace(now + jobs[job].limit, job);
    }
  }
  return starts;
}

}  // namespace

TEST_CASE("EASY: the first in line is never delayed, others pass where they can") {
  EasySite site(10);
  std::vector<JobIndex> started;
  site.submit(0, 6, 100);
  site.submit(1, 8, 50);   // first in line: starts at 100, beside it 2 are spare
  site.submit(2, 4, 101);  // would hold 4 of them too long
  site.submit(3, 2, 999);  // takes the spare ones
  site.submit(4, 2, 999);  // which are gone
  site.submit(5, 2, 100);  // is over by then
  site.pass(0, started);
  CHECK(started == std::vector<JobIndex>{0, 3, 5});
  CHECK(site.free() == 0);
  CHECK(site.waiting() == 3);
  started.clear();
  site.end(0);
  site.pass(40, started);  // sooner than its limit: 6 free, job 1 still waits for job 5
  CHECK(started == std::vector<JobIndex>{});
  CHECK(site.withdraw(1));
  CHECK_FALSE(site.withdraw(1));
  site.pass(40, started);
  CHECK(started == std::vector<JobIndex>{2, 4});
}

TEST_CASE("EASY: against a scheduler that tries every second", "[property]") {
  SeededRandom random(11);
  const auto pick = [&](std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most - least + 1)));
  };
  constexpr std::int64_t kNow = 1000;
  std::int64_t backfilled = 0;
  for (int round = 0; round < 1000; ++round) {
    const auto cores = pick(4, 12);
    std::vector<Job> jobs;
    domain::SiteSnapshot snapshot;
    snapshot.nodes.push_back({"n", static_cast<std::int32_t>(cores), {0}, 0, "", true});
    snapshot.queues.push_back(
        {.name = QueueName{"q"}, .up = true, .is_default = true, .max_time = {}, .max_nodes = {}, .nodes = {0}});
    const auto count = pick(4, 14);
    std::int64_t at = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      at += pick(0, 4);
      jobs.push_back(
          {at, pick(0, 2) == 0 ? pick(1, cores) : pick(1, 3), pick(1, 24)});  // narrow ones that last use up what is spare
      domain::Resources resources;
      resources.tasks = static_cast<std::int32_t>(jobs.back().cores);
      snapshot.waiting.push_back({.id = SiteJobId{std::to_string(i)},
                                  .queue = QueueName{"q"},
                                  .resources = resources,
                                  .time_limit = Seconds{jobs.back().limit},
                                  .priority = 0,
                                  .eligible = true,
                                  .eligible_at = from_unix_seconds(kNow + at)});
    }
    const auto ours = played(cores, jobs);
    const auto theirs = routing::test::BruteForce(snapshot, kNow).play();
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      CAPTURE(round, i);
      REQUIRE(theirs[i]);
      REQUIRE(ours[i] == *theirs[i]);
      if (i > 0 && ours[i] < ours[i - 1]) ++backfilled;
    }
  }
  CHECK(backfilled > 50);
}

TEST_CASE("the broker's view of a site foretells what the site does with one more job", "[property]") {
  SeededRandom random(12);
  const auto pick = [&](std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most - least + 1)));
  };
  int starts = 0, waits = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto cores = pick(2, 16);
    EasySite site(cores);
    std::vector<JobIndex> started;
    JobIndex job = 0;
    for (std::int64_t t = 0; t < 8; ++t) {
      for (auto i = pick(0, 2); i > 0; --i) site.submit(job++, pick(1, cores), pick(1, 40));
      site.pass(t, started);
      if (!started.empty() && pick(0, 2) == 0) {
        site.end(started.back());
        started.pop_back();
        site.pass(t, started);
      }
    }
    routing::PoolSnapshot snapshot;
    site.describe(std::vector<bool>(job + 1, true), 8, snapshot);
    routing::PoolView view(cores);
    view.observe(snapshot);
    const routing::PoolDemand demand{pick(1, cores), pick(1, 40)};
    // Limits count from 0 to 8, and nothing has ended at its limit here: work past its limit is no case of this.
    if (std::ranges::any_of(snapshot.running, [](const auto& running) { return running.ends <= 8; })) continue;
    const bool foretold = view.starts_now(demand, 8);
    site.submit(job, demand.cores, demand.limit);
    started.clear();
    site.pass(8, started);
    REQUIRE(foretold == !started.empty());
    ++(foretold ? starts : waits);
  }
  CHECK(starts > 100);
  CHECK(waits > 100);
}

TEST_CASE("a site that hides other people's jobs tells of ours, of the starts planned for them, and of what is allocated") {
  EasySite site(10);
  std::vector<JobIndex> started;
  site.submit(0, 6, 100);
  site.submit(1, 2, 50);
  site.pass(0, started);
  site.submit(2, 10, 30);
  site.submit(3, 1, 200);
  site.pass(0, started);
  REQUIRE(started == std::vector<JobIndex>{0, 1});
  routing::PoolSnapshot snapshot;
  site.describe_private({false, true, false, true}, 0, snapshot);
  CHECK_FALSE(snapshot.sees_everyone);
  CHECK(snapshot.hidden_cores == 6);
  REQUIRE(snapshot.running.size() == 1);
  CHECK(snapshot.running[0].id == 2);
  REQUIRE(snapshot.waiting.size() == 1);
  CHECK(snapshot.waiting[0].id == 4);
  CHECK(snapshot.waiting[0].planned == 130);  // behind one that nobody sees
  CHECK(site.waiting_of({false, true, false, true}) == 1);
  site.end(0);  // what is allocated now is ours
  site.describe_private({false, true, false, true}, 0, snapshot);
  CHECK(snapshot.sees_everyone);
  site.describe({false, true, false, true}, 0, snapshot);
  CHECK(snapshot.waiting.size() == 2);
}

}  // namespace hansa::simulation
