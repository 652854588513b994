// SPDX-License-Identifier: Apache-2.0
// Sites that are away for hours, and come back or do not.

#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::engine::test {

namespace {

int unknown(World& w, const std::vector<JobId>& ids) {
  return static_cast<int>(std::ranges::count_if(ids, [&](const JobId& id) {
    const auto job = w.job(id);
    return job.live_attempt() != nullptr && job.live_attempt()->unknown_since.has_value();
  }));
}

/// 200 jobs and a site of 50 cores. The last of those that it got had no answer to their submission when it fell silent: as many
/// as go at a time, for then it is left alone.
std::vector<JobId> silent_with_many(World& w) {
  w.advance(1s);
  auto ids = w.submit(46, {.behaviour = "run=7200s", .limit = 10'000s});
  w.advance(1min);
  w.site("alpha").faults.lose_submit_replies = 4;
  std::ranges::copy(w.submit(154, {.behaviour = "run=7200s", .limit = 10'000s}), std::back_inserter(ids));
  w.advance(20s);
  w.site("alpha").faults.silent = true;
  w.advance(3h);
  return ids;
}

const std::vector<SiteOptions> kAlpha{{.id = "alpha", .cores = 50, .budget = {.waiting_jobs = 1000}}};

}  // namespace

TEST_CASE("after hours of silence all that was unknown is resolved in five minutes, within the site's budget", "[engine][T25]") {
  World w(kAlpha);
  const auto ids = silent_with_many(w);
  CHECK(unknown(w, ids) >= 50);
  w.site("alpha").faults.silent = false;
  const auto back = w.time.now_monotonic();
  w.advance(5min);
  CHECK(unknown(w, ids) == 0);
  int calls = 0;
  for (const auto* query : {"snapshot", "find", "status", "usage"}) calls += w.count("alpha", query, back);
  CHECK(calls <= 5 * w.report("alpha").site.budget.queries_per_minute);
  w.check_budgets();
}

TEST_CASE("a site that is gone for good is resolved by hand, and its return changes nothing", "[engine]") {
  World w(kAlpha);
  const auto ids = silent_with_many(w);
  std::vector<JobId> open;
  std::ranges::copy_if(ids, std::back_inserter(open), [&](const JobId& id) { return !w.over(id); });
  for (const auto& id : open) REQUIRE(w.ask(w.engine().resolve_lost(id, kRoot, "the machine is sold")));
  CHECK(w.all_over(ids));
  w.site("alpha").faults.silent = false;
  w.advance(6h);
  for (const auto& id : open) CHECK(w.state(id) == JobState::lost);
  for (const auto& id : ids) CHECK(w.payload_runs(id) <= 1);
  w.check_budgets();
  const auto fresh = w.submit({.behaviour = "run=10s"});  // the site itself is as good as any
  REQUIRE(w.run_to_end({fresh}, 6h));
  CHECK(w.state(fresh) == JobState::succeeded);
}

}  // namespace hansa::engine::test
