// SPDX-License-Identifier: Apache-2.0
// The way to a site has come about again, as when its agent connects: the site is looked at at once, within its budget, and many
// of them not all at the same moment.

#include "tests/unit/engine/engine_fixture.hpp"

#include <set>
#include <string>

namespace hansa::engine::test {

namespace {

bool is_up(World& w, const std::string& site) { return w.report(site).state.health == domain::SiteHealth::up; }

/// Left alone or not, it is down.
void take_down(World& w, const std::string& site) {
  w.site(site).faults.down = true;
  REQUIRE(w.until([&] { return w.report(site).state.health == domain::SiteHealth::down; }, 1h));
}

}  // namespace

TEST_CASE("a site that was down is looked at at once when its way is back, however long its snapshots are apart", "[engine]") {
  World w({{.id = "alpha", .cores = 4, .budget = {.queries_per_minute = 6}}}, {.snapshot_interval = 1h});
  w.advance(1min);
  const auto id = w.submit({.behaviour = "run=7200s", .limit = 8'000s});
  w.advance(2min);
  take_down(w, "alpha");
  const bool left_alone = GENERATE(false, true);
  if (left_alone) REQUIRE(w.until([&] { return w.report("alpha").breaker == Breaker::State::open; }, 1h));
  w.advance(40s);
  w.site("alpha").faults.down = false;
  CHECK_FALSE(is_up(w, "alpha"));
  w.gate().way_is_back.at("alpha")();
  CHECK(w.until([&] { return is_up(w, "alpha"); }, 2s));
  w.check_budgets();
  REQUIRE(w.run_to_end({id}, 3h));
}

TEST_CASE("a look that waits for the budget's rest does not keep a way that is back waiting", "[engine]") {
  World w({{.id = "alpha", .cores = 4, .budget = {.queries_per_minute = 4}}}, {.snapshot_interval = 10min});
  w.advance(1min);
  const auto id = w.submit({.behaviour = "run=7200s", .limit = 8'000s});
  w.advance(1min);
  take_down(w, "alpha");
  w.advance(5s);  // a look at it waits by now, for more room than the cadence needs
  REQUIRE(w.until([&] { return w.report("alpha").budget_use.front().used < 4; }, 1min));
  REQUIRE(w.report("alpha").breaker == Breaker::State::closed);
  w.site("alpha").faults.down = false;
  w.gate().way_is_back.at("alpha")();
  CHECK(w.until([&] { return is_up(w, "alpha"); }, 2s));
  w.check_budgets();
  REQUIRE(w.run_to_end({id}, 3h));
}

TEST_CASE("many ways that are back at the same moment are looked at one after the other", "[engine]") {
  constexpr int kSites = 20;
  std::vector<SiteOptions> sites;
  for (int i = 0; i < kSites; ++i) sites.push_back({.id = "site" + std::to_string(i), .cores = 4});
  World w(sites);
  w.advance(1min);
  for (const auto& site : sites) take_down(w, site.id);
  w.advance(20s);
  const auto from = w.time.now_monotonic();
  for (const auto& site : sites) {
    w.site(site.id).faults.down = false;
    w.gate().way_is_back.at(site.id)();
  }
  w.advance(1'500ms);
  std::set<MonotonicTime> moments;
  for (const auto& call : w.calls) {
    if (call.what == "snapshot" && call.at >= from) moments.insert(call.at);
  }
  CHECK(moments.size() >= 15);
  for (const auto& site : sites) CHECK(is_up(w, site.id));
  w.check_budgets();
}

}  // namespace hansa::engine::test
