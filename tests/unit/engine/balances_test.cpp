// SPDX-License-Identifier: Apache-2.0
// What sites tell of what is left to projects by their own limits: asked now and then, kept as balances, and never gone beyond.
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::engine::test;
using domain::Charge;

namespace {

Charge minutes(std::int64_t n) { return {n * domain::kChargesPerUnit / 60}; }

/// A core-hour for an hour of a core, which the site limits.
SiteOptions limited() {
  SiteOptions site{.id = "alpha", .cores = 8};
  site.charging = domain::Charging{.rules = {}, .limits = {{"cpu", "core-hours"}}};
  site.charging->rules.push_back({.unit = "core-hours", .per_core = 1'000});
  site.scheduler_accounts = {{ProjectId("lab"), "lab-1"}};
  return site;
}

engine::EngineOptions often() {
  engine::EngineOptions options;
  options.balance_interval = 5min;
  options.clock_skew = 60s;
  return options;
}

/// The site's word, and what it was asked.
struct Word {
  explicit Word(World& w) {
    w.gate().limits = [this](const std::vector<ports::ProjectAccount>& wanted) -> Result<ports::AccountLimits> {
      asked = wanted;
      if (refusal) return std::unexpected(*refusal);
      return answer;
    };
  }
  void says(std::int64_t limit, std::int64_t used = 0, std::int64_t running = 0) {
    answer = {.told = true, .limits = {{ProjectId("lab"), {"cpu", limit, used, running}}}};
  }
  ports::AccountLimits answer;
  std::optional<Error> refusal;
  std::vector<ports::ProjectAccount> asked;
};

const engine::BalanceReading& reading(World& w) {
  static engine::BalanceReading kept;
  const auto report = w.report("alpha");
  REQUIRE(report.balances.has_value());
  return kept = *report.balances;
}

}  // namespace

TEST_CASE("what a site tells of its own limits bounds what runs there, and is asked again", "[allocations]") {
  World w({limited()}, often());
  Word word(w);
  word.says(120, 60);  // an hour
  word.answer.limits.push_back({ProjectId("lab"), {"gres/gpu", 5, 0, 0}});
  word.answer.limits.push_back({ProjectId("another"), {"cpu", 5, 0, 0}});
  w.advance(1min);
  CHECK(word.asked == std::vector<ports::ProjectAccount>{{ProjectId("lab"), "lab-1"}});
  REQUIRE(w.balances().size() == 1);
  const auto told = w.balance("alpha");
  CHECK(told.project == ProjectId("lab"));
  CHECK(told.granted == minutes(60));
  CHECK(told.by == Principal("broker:balances"));
  CHECK(w.time.now_utc() - told.from >= 60s);  // by as much as clocks may differ
  CHECK(reading(w).balances == 1);
  CHECK(reading(w).read_at.has_value());
  CHECK_FALSE(reading(w).failing.has_value());
  const auto small = w.submit({.behaviour = "run=1800s", .limit = 3600s});
  const auto large = w.submit({.behaviour = "run=1800s", .tasks = 2, .limit = 3600s});
  w.advance(1min);
  CHECK(w.state(small) == JobState::running);
  CHECK(w.state(large) == JobState::held);
  CHECK(w.job(large).reason.code == domain::kAllocationSpent);
  CHECK_THAT(w.job(large).reason.message, Catch::Contains("by the site's own word"));
  word.says(300, 60);  // more was granted there
  w.advance(6min);
  CHECK(w.state(large) == JobState::running);
  CHECK(w.count("alpha", "account_limits") == 2);
  w.check_budgets();
}

TEST_CASE("what others run counts, and what ours that run may use counts once", "[allocations]") {
  World w({limited()}, often());
  Word word(w);
  word.says(600, 0, 0);
  w.advance(1min);
  const auto ours = w.submit({.behaviour = "run=2h", .limit = 2 * 3600s});
  w.advance(1min);
  REQUIRE(w.state(ours) == JobState::running);
  CHECK(w.balance("alpha").left() == minutes(600 - 120));
  const auto began = *w.job(ours).live_attempt()->runs.front().started_at;
  word.says(600, 2, 118 + 200);  // 200 of somebody else's
  w.advance(4min + 30s);
  REQUIRE(w.count("alpha", "account_limits") == 2);
  const auto balance = w.balance("alpha");
  const auto passed = std::chrono::ceil<std::chrono::minutes>(w.time.now_utc() - began).count();
  CHECK(balance.granted >= minutes(600 - 2 - 318));
  CHECK(balance.granted >= minutes(600 - 2 - 200 - 118 + (120 - passed - 2)));  // and two minutes for clocks and rounding
  CHECK(balance.granted <= minutes(600 - 2 - 200));
  CHECK(balance.left() <= minutes(600 - 2 - 200 - 120));
  SECTION("but not of what ended meanwhile") {
    w.retell = [&](const std::string&, ports::JobStatus& status) {
      status.phase = ports::Phase::not_seen;
      status.started_at.reset();
    };
    w.advance(5min);
    REQUIRE(w.count("alpha", "account_limits") == 3);
    CHECK(w.balance("alpha").granted == minutes(600 - 2 - 318));
  }
  SECTION("nor of what nothing is kept for") {
    REQUIRE(w.ask(w.engine().cancel(ours, kAlice)));
    REQUIRE(w.run_to_end({ours}));
    w.advance(20min);
    CHECK(w.balance("alpha").granted == minutes(600 - 2 - 318));
  }
}

TEST_CASE("nothing is kept free beyond what the site tells, whatever is sent at once", "[allocations]") {
  World w({limited()}, often());
  Word word(w);
  word.says(5 * 60);
  w.advance(1min);
  const auto ids = w.submit(8, {.behaviour = "run=1800s", .limit = 3600s});
  for (int i = 0; i < 30; ++i) {
    w.advance(30s);
    CHECK(w.balance("alpha").reserved <= minutes(5 * 60));
  }
  CHECK(std::ranges::count_if(ids, [&](const JobId& id) { return w.state(id) == JobState::running; }) == 5);
}

TEST_CASE("a site that does not answer leaves what it told before, and shows why", "[allocations]") {
  World w({limited()}, often());
  Word word(w);
  word.says(300);
  w.advance(1min);
  word.refusal = fail(ErrorKind::unavailable, "SITE_SILENT", "sshare: Unable to contact slurm controller").error();
  w.advance(2h);
  CHECK(w.balance("alpha").granted == minutes(300));
  CHECK(w.time.now_utc() - w.balance("alpha").from > 2h);
  CHECK(reading(w).failing->code == "SITE_SILENT");
  CHECK(reading(w).balances == 1);
  const auto lines = [&] {
    return std::ranges::count_if(w.log,
                                 [](const std::string& line) { return line.contains("left to projects could not be read"); });
  };
  CHECK(lines() >= 1);
  const auto questions = w.count("alpha", "account_limits");
  CHECK(questions <= 2 + 2 * 60 / 5);
  word.refusal.reset();
  word.says(400);
  w.advance(11min);
  CHECK_FALSE(reading(w).failing.has_value());
  CHECK(w.balance("alpha").granted == minutes(400));
  CHECK(w.report("alpha").breaker == engine::Breaker::State::closed);
  w.check_budgets();
}

TEST_CASE("a way to a site that tells no balances says so, and an account of several projects is nobody's", "[allocations]") {
  auto site = limited();
  site.scheduler_accounts = {{ProjectId("lab"), "lab-1"}, {ProjectId("a"), "shared"}, {ProjectId("b"), "shared"}};
  World w({site}, often());
  w.advance(1h);
  CHECK(w.balances().empty());
  CHECK(reading(w).failing->code == "BALANCES_NOT_TOLD");
  CHECK_THAT(reading(w).failing->message, Catch::Contains("hansa allocation import"));
  CHECK(w.count("alpha", "account_limits") <= 14);
  Word word(w);
  word.answer = {.told = true, .limits = {{ProjectId("lab"), {"mem", 1, 0, 0}}}};
  w.advance(6min);
  CHECK(word.asked == std::vector<ports::ProjectAccount>{{ProjectId("lab"), "lab-1"}});
  CHECK(w.balances().empty());
  CHECK(reading(w).balances == 0);
  REQUIRE(reading(w).left_out.size() == 3);
  CHECK_THAT(reading(w).left_out[0], Catch::Contains("a: account shared is several projects'"));
  CHECK_THAT(reading(w).left_out[2], Catch::Contains("lab: the site tells no limit of cpu for account lab-1"));
}

TEST_CASE("of two limits for one thing the smaller counts, and what is old is dated so", "[allocations]") {
  World w({limited()}, often());
  Word word(w);
  word.says(300);
  word.answer.age = Seconds{7'200};
  word.answer.limits.push_back({ProjectId("lab"), {"cpu", 60, 0, 0}});
  word.answer.limits.push_back({ProjectId("lab"), {"cpu", 90, 0, 0}});
  w.advance(1min);
  CHECK(w.balance("alpha").granted == minutes(60));
  CHECK(w.time.now_utc() - w.balance("alpha").from >= 2h + 1min);
  CHECK(w.time.now_utc() - w.balance("alpha").from <= 2h + 3min);
}

TEST_CASE("a site where nothing is limited is not asked", "[allocations]") {
  auto site = limited();
  site.charging->limits.clear();
  World w({site}, often());
  w.advance(1h);
  CHECK(w.count("alpha", "account_limits") == 0);
  CHECK_FALSE(w.report("alpha").balances.has_value());
}
