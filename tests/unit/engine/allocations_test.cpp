// SPDX-License-Identifier: Apache-2.0
// Sites that want an allocation: who has none left is held and told so, what is reserved with an attempt is settled by what its
// runs used, or let go, whatever happens on the way.
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::engine::test;
using domain::Charge;

namespace {

Charge units(std::int64_t n) { return {n * domain::kChargesPerUnit}; }

/// A unit for an hour of a core.
domain::Charging by_core(bool opportunistic = false) {
  domain::Charging charging{.rules = {}, .opportunistic = opportunistic};
  charging.rules.push_back({.unit = "core-hours", .per_core = 1'000});
  return charging;
}

SiteOptions charging(std::string id = "alpha", std::int32_t cores = 8) {
  SiteOptions site{.id = std::move(id), .cores = cores};
  site.charging = by_core();
  return site;
}

/// What is said of the job at the site, for somebody who asks now.
domain::Verdict verdict(World& w, const JobId& id, const std::string& site = "alpha") {
  const auto decision = w.ask(w.engine().explain(w.job(id)));
  REQUIRE(decision);
  const auto at = std::ranges::find(decision->verdicts, SiteId(site), &domain::Verdict::site);
  REQUIRE(at != decision->verdicts.end());
  return *at;
}

/// Ended, and its usage read.
void settle(World& w, const std::vector<JobId>& ids) {
  REQUIRE(w.run_to_end(ids));
  w.advance(10min);
}

}  // namespace

TEST_CASE("a job without an allocation is held and says so and a grant lets it go", "[allocations]") {
  World w({charging()});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=1800s", .tasks = 2, .limit = 3600s});
  w.advance(2min);
  CHECK(w.state(id) == JobState::held);
  const auto none = verdict(w, id);
  CHECK(none.code == domain::kNotGranted);
  CHECK(none.obstacle == domain::Obstacle::temporary);
  CHECK_THAT(none.message, Catch::Contains("project lab has no allocation of core-hours at alpha") &&
                               Catch::Contains("hansa allocation grant lab"));
  CHECK(w.job(id).reason.code == domain::kNotGranted);
  CHECK_THAT(w.job(id).reason.message, Catch::Contains("no allocation of core-hours"));
  const auto grant = w.grant(10);
  w.advance(1min);
  CHECK(w.state(id) == JobState::running);
  CHECK(w.allocation(grant).reserved == units(2));
  settle(w, {id});
  CHECK(w.state(id) == JobState::succeeded);
  const auto after = w.allocation(grant);
  CHECK(after.reserved.value == 0);
  CHECK(after.used == units(1));
  CHECK(w.count("alpha", "submit") == 1);
}

TEST_CASE("a project runs until its allocation is spent and then its jobs wait for more", "[allocations]") {
  auto site = charging();
  site.charging->rules[0].minimum = 1'000;  // a unit for each run
  World w({site});
  w.advance(1s);
  const auto grant = w.grant(5);
  const auto ids = w.submit(8, {.behaviour = "run=1800s", .limit = 3600s});
  w.advance(5min);
  const auto running = std::ranges::count_if(ids, [&](const JobId& id) { return w.state(id) == JobState::running; });
  CHECK(running == 5);
  CHECK(w.allocation(grant).left().value == 0);
  REQUIRE(w.until([&] { return w.allocation(grant).used == units(5); }, 3h));
  w.advance(5min);
  CHECK(w.allocation(grant).reserved.value == 0);
  const auto held = std::ranges::find_if(ids, [&](const JobId& id) { return w.state(id) == JobState::held; });
  REQUIRE(held != ids.end());
  CHECK(std::ranges::count_if(ids, [&](const JobId& id) { return w.state(id) == JobState::held; }) == 3);
  const auto spent = verdict(w, *held);
  CHECK(spent.code == domain::kAllocationSpent);
  CHECK_THAT(spent.message,
             Catch::Contains("has 0.000 core-hours left at alpha") && Catch::Contains("may need 1.000 core-hours"));
  w.grant(3);
  settle(w, ids);
  CHECK(std::ranges::all_of(ids, [&](const JobId& id) { return w.state(id) == JobState::succeeded; }));
  CHECK(w.count("alpha", "submit") == 8);
}

TEST_CASE("what a job did not use is there for the next", "[allocations]") {
  World w({charging()});
  w.advance(1s);
  const auto grant = w.grant(11);
  const auto ids = w.submit(4, {.behaviour = "run=1800s", .tasks = 2, .limit = 4 * 3600s});  // 8 each at most, 1 each
  settle(w, ids);
  CHECK(std::ranges::all_of(ids, [&](const JobId& id) { return w.state(id) == JobState::succeeded; }));
  CHECK(w.allocation(grant).used == units(4));
  CHECK(w.allocation(grant).reserved.value == 0);
}

TEST_CASE("a cancel in the site's queue lets go what was kept", "[allocations]") {
  World w({charging("alpha", 1)});
  w.advance(1s);
  const auto grant = w.grant(3);
  const auto blocker = w.submit({.behaviour = "run=1800s", .limit = 3600s});
  w.advance(10s);
  const auto waiting = w.submit({.behaviour = "run=60s", .limit = 2 * 3600s});
  w.advance(1min);
  REQUIRE(w.state(waiting) == JobState::queued);
  CHECK(w.allocation(grant).reserved == units(3));
  REQUIRE(w.ask(w.engine().cancel(waiting, kAlice)));
  REQUIRE(w.run_to_end({waiting}, 10min));
  CHECK(w.allocation(grant).reserved == units(1));
  settle(w, {blocker});
  CHECK(w.allocation(grant).used == Charge{units(1).value / 2});
  CHECK(w.allocation(grant).reserved.value == 0);
}

TEST_CASE("a site that does not take a job gives back what was kept for it there", "[allocations]") {
  World w({charging()});
  w.advance(1s);
  const auto grant = w.grant(10);
  w.site("alpha").faults.refuse = "sbatch: error: not today";
  const auto id = w.submit({.behaviour = "run=60s", .limit = 3600s});
  REQUIRE(w.until([&] { return !w.job(id).attempts.empty() && w.job(id).attempts[0].outcome == Outcome::never_started; }, 1h));
  CHECK(w.allocation(grant).reserved.value == 0);
  w.site("alpha").faults.refuse.reset();
  settle(w, {id});
  CHECK(w.allocation(grant).reserved.value == 0);
  CHECK(w.allocation(grant).used == Charge{units(1).value / 60});
}

TEST_CASE("a job that moves takes its allocation along", "[allocations]") {
  World w({charging("alpha", 1), charging("beta", 4)}, {.move_gain = 600s, .moves_per_thousand = 1'000});
  w.advance(1s);
  const auto grant = w.grant(10);
  REQUIRE(w.ask(w.engine().drain_site(SiteId("beta"), "not yet")));
  const auto blocker = w.submit({.behaviour = "run=3000s", .limit = 3600s});
  w.advance(10s);
  const auto waiting = w.submit({.behaviour = "run=60s", .limit = 600s});
  w.advance(90s);
  REQUIRE(w.state(waiting) == JobState::queued);
  const auto before = w.allocation(grant).reserved;
  REQUIRE(w.ask(w.engine().resume_site(SiteId("beta"))));
  REQUIRE(w.run_to_end({waiting}, 30min));
  REQUIRE(w.job(waiting).attempts.size() == 2);
  CHECK(w.job(waiting).attempts[1].site == SiteId("beta"));
  w.advance(10min);
  CHECK(before == units(1) + Charge{units(1).value / 6});
  CHECK(w.allocation(grant).reserved == units(1));
  CHECK(w.allocation(grant).used == Charge{units(1).value / 60});
  settle(w, {blocker});
  CHECK(w.allocation(grant).reserved.value == 0);
}

TEST_CASE("an array is reserved once and settled task by task", "[allocations]") {
  World w({charging()});
  w.advance(1s);
  const auto grant = w.grant(10);
  const auto id = w.submit({.behaviour = "run=1800s", .limit = 3600s, .array = "1-10%2"});
  w.advance(1min);
  CHECK(w.allocation(grant).reserved == units(10));
  REQUIRE(w.until([&] { return w.allocation(grant).used == units(1); }, 2h));
  CHECK(w.allocation(grant).reserved == units(8));
  const auto next = w.submit({.behaviour = "run=60s", .limit = 3600s});
  w.advance(1min);
  CHECK(w.state(next) == JobState::running);  // out of what the first two did not use
  settle(w, {id, next});
  CHECK(w.allocation(grant).reserved.value == 0);
  CHECK(w.allocation(grant).used == units(5) + Charge{units(1).value / 60});

  const auto wide = w.submit({.behaviour = "run=60s", .limit = 3600s, .array = "1-9"});
  w.advance(1min);
  CHECK(verdict(w, wide).code == domain::kAllocationSpent);
}

TEST_CASE("each run of a job that the site puts back is charged", "[allocations]") {
  World w({charging()});
  w.advance(1s);
  const auto grant = w.grant(10);
  const auto id = w.submit({.behaviour = "run=1800s", .limit = 3600s, .requeue = true});
  REQUIRE(w.until([&] { return w.state(id) == JobState::running; }, 10min));
  w.advance(10min);
  REQUIRE(w.cluster("alpha").requeue(w.job(id).attempts[0].site_job_id));
  settle(w, {id});
  CHECK(w.state(id) == JobState::succeeded);
  Charge used{};
  const auto records = w.usage(id);
  REQUIRE(records.size() == 2);
  for (const auto& record : records) used += {record.core_seconds.value * 1'000};
  CHECK(w.allocation(grant).used == used);
  CHECK(used > units(1) - Charge{units(1).value / 2});
  CHECK(w.allocation(grant).reserved.value == 0);
}

TEST_CASE("what is kept stays until late accounting has told what was used", "[allocations]") {
  auto site = charging();
  site.cluster.accounting_lag = 2h;
  World w({site});
  w.advance(1s);
  const auto grant = w.grant(1);
  const auto first = w.submit({.behaviour = "run=60s", .limit = 3600s});
  const auto next = w.submit({.behaviour = "run=60s", .limit = 3600s});
  REQUIRE(w.until([&] { return w.over(first) || w.over(next); }, 5h));
  const auto told = w.allocation(grant);
  CHECK(told.reserved + told.used <= units(1));
  w.restart();
  w.advance(3h);
  CHECK(w.allocation(grant).used == Charge{units(1).value / 60});
  CHECK(w.allocation(grant).reserved.value == 0);
  CHECK_FALSE(w.over(w.over(first) ? next : first));  // 59 minutes are left of an hour
  w.grant(1);
  settle(w, {first, next});
}

TEST_CASE("a site that says less is left than is kept gets nothing more until that is so no longer", "[allocations]") {
  World w({charging()});
  w.advance(1s);
  w.tell_balance("alpha", 4);
  const auto first = w.submit({.behaviour = "run=1800s", .tasks = 3, .limit = 3600s});
  w.advance(1min);
  CHECK(w.state(first) == JobState::running);  // the balance is enough by itself
  w.tell_balance("alpha", 2);
  const auto next = w.submit({.behaviour = "run=60s", .limit = 3600s});
  w.advance(2min);
  CHECK(w.balance("alpha").left().value < 0);
  CHECK(w.state(next) == JobState::held);
  CHECK(verdict(w, next).code == domain::kAllocationSpent);
  CHECK_THAT(verdict(w, next).message, Catch::Contains("by the site's own word of"));
  CHECK(w.state(first) == JobState::running);
  w.grant(1'000);  // of Hansa's own: the site's word bounds it
  w.advance(2min);
  CHECK(w.state(next) == JobState::held);
  w.tell_balance("alpha", 100);
  settle(w, {first, next});
  CHECK(w.state(next) == JobState::succeeded);
}

TEST_CASE("where the site allows it, who has nothing left runs all the same", "[allocations]") {
  auto site = charging();
  site.charging = by_core(true);
  World w({site});
  w.advance(1s);
  const auto grant = w.grant(2);
  const auto ids = w.submit(4, {.behaviour = "run=1800s", .limit = 3600s});
  settle(w, ids);
  CHECK(std::ranges::all_of(ids, [&](const JobId& id) { return w.state(id) == JobState::succeeded; }));
  CHECK(w.allocation(grant).used == units(1));
  CHECK(w.allocation(grant).reserved.value == 0);
}

TEST_CASE("a site without an allocation's need takes what the other one does not", "[allocations]") {
  World w({charging("alpha"), {.id = "beta", .cores = 8}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=60s"});
  settle(w, {id});
  CHECK(w.job(id).attempts[0].site == SiteId("beta"));
  const auto pinned = w.submit({.behaviour = "run=60s", .sites = {"alpha"}});
  w.advance(1min);
  CHECK(w.state(pinned) == JobState::held);
}

TEST_CASE("a queue that no rule names takes nothing, and says whose work that is", "[allocations]") {
  auto site = charging();
  site.charging->rules[0].queues = {QueueName("elsewhere")};
  World w({site});
  w.advance(1s);
  w.grant(100);
  const auto id = w.submit({.behaviour = "run=60s"});
  w.advance(1min);
  CHECK(w.state(id) == JobState::held);
  CHECK(verdict(w, id).code == domain::kNoChargeRule);
  CHECK_THAT(verdict(w, id).message, Catch::Contains("[[site.charge]]"));
}

TEST_CASE("a broker that dies at any time keeps and charges what it did before", "[allocations]") {
  World w({charging("alpha", 4)});
  w.advance(1s);
  const auto grant = w.grant(4);
  const auto seed = GENERATE(range(1, 6));
  w.site("alpha").faults.lose_submit_replies = seed % 3;
  const auto ids = w.submit(9, {.behaviour = "run=1500s", .limit = 3600s});
  for (int i = 0; i < 60 && !w.all_over(ids); ++i) {
    w.advance(Milliseconds{137'000 + 11'300 * seed});
    if (i % 3 == seed % 3) w.restart();
    const auto now = w.allocation(grant);
    CHECK(now.left().value >= 0);
  }
  w.advance(6h);
  const auto after = w.allocation(grant);
  Charge used{};
  for (const auto& id : ids) {
    for (const auto& record : w.usage(id)) used += {record.core_seconds.value * 1'000};
  }
  CHECK(after.used == used);
  CHECK(after.reserved.value == 0);
  CHECK(after.left().value >= 0);
  CHECK(after.left() < units(1));  // nothing more fits
  CHECK(std::ranges::count_if(ids, [&](const JobId& id) { return w.payload_runs(id) > 1; }) == 0);
}

TEST_CASE("of two that wait the one whose project has used less goes first, and both parts are told", "[allocations]") {
  engine::EngineOptions options;
  const bool counts = GENERATE(true, false);
  if (counts) options.fair_share_half_life = 7 * 86'400s;
  options.shares = {{ProjectId("lab"), 1}, {ProjectId("other"), 1}};
  World w({{.id = "alpha", .cores = 1}}, options);
  w.projects = {{"local:bob", "other"}};
  w.advance(1s);
  const auto share = [&](const char* project) { return w.ask(w.engine().fair_share(ProjectId(project))).value(); };
  CHECK(share("lab").has_value() == counts);
  settle(w,
         {w.submit({.behaviour = "run=60s", .limit = 3600s, .person = "local:carol"})});  // of whom it is known how long hers run
  if (counts) {
    CHECK(share("lab")->used_ppm == 1'000'000);
    CHECK(share("lab")->factor_ppm == 250'000);
    CHECK(share("other")->factor_ppm == 1'000'000);
    CHECK_FALSE(share("nobody"));
  }
  REQUIRE(w.ask(w.engine().drain_site(SiteId("alpha"), "for a moment")));
  const auto first = w.submit({.behaviour = "run=60s", .limit = 3600s});
  w.advance(30s);
  const auto second = w.submit({.behaviour = "run=60s", .limit = 3600s, .person = "local:bob"});
  w.advance(30s);
  REQUIRE(w.ask(w.engine().resume_site(SiteId("alpha"))));
  REQUIRE(w.run_to_end({first, second}));
  CHECK((*w.job(second).started_at < *w.job(first).started_at) == counts);
}
