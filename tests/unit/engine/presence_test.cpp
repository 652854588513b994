// SPDX-License-Identifier: Apache-2.0
// Sites that are served by their people's own agents: whoever is not connected there is absent.

#include "tests/unit/engine/engine_fixture.hpp"

#include <set>
#include <string>

namespace hansa::engine::test {

namespace {

constexpr const char* kAbsent = "CREDENTIAL_NOT_CONNECTED";

/// A world whose site "alpha" is served by whoever is there; "beta", if there is one, by itself.
struct People {
  explicit People(std::vector<SiteOptions> sites = {{.id = "alpha", .cores = 16}}) : w(std::move(sites)) {
    w.on_start = [this] { open(); };
    w.restart();
  }
  void open() {
    auto& gate = w.gate();
    gate.as_persons.insert("alpha");
    if (there.empty()) gate.deserted.insert("alpha");
    gate.absent = [this](const std::string& site, const Principal& person) -> std::optional<domain::Reason> {
      if (site != "alpha" || there.contains(person.str())) return std::nullopt;
      return domain::Reason{kAbsent, person.str() + " is not connected: run hansa connect alpha"};
    };
  }
  void come(const std::string& person) {
    there.insert(person);
    w.gate().deserted.clear();
    w.gate().way_is_back.at("alpha")();
    w.gate().somebody_came.at("alpha")(Principal(person));
  }
  void go(const std::string& person) {
    there.erase(person);
    if (there.empty()) w.gate().deserted.insert("alpha");
  }
  [[nodiscard]] int calls_for(const std::string& person) const {
    return static_cast<int>(
        std::ranges::count_if(w.calls, [&](const Call& call) { return call.people.contains(Principal(person)); }));
  }
  std::set<std::string> there;
  World w;
};

}  // namespace

TEST_CASE("a job of who is not connected is held with what to do about it and goes when they are", "[engine]") {
  People here;
  auto& w = here.w;
  w.advance(10min);
  const auto hers = w.submit({.behaviour = "run=10s"});
  w.advance(20min);
  CHECK(w.state(hers) == JobState::held);
  CHECK(w.job(hers).reason.code == kAbsent);
  CHECK(w.job(hers).reason.message.contains("run hansa connect alpha"));
  CHECK(w.job(hers).attempts.empty());
  const auto& verdicts = w.decision(hers).verdicts;
  REQUIRE(verdicts.size() == 1);
  CHECK(verdicts[0].code == kAbsent);
  CHECK(verdicts[0].message.contains("hansa connect alpha"));
  CHECK(w.report("alpha").breaker == Breaker::State::closed);
  CHECK(w.report("alpha").failures_in_a_row == 0);
  CHECK(here.calls_for("local:alice") == 0);
  here.come("local:bob");
  w.advance(5min);
  CHECK(w.state(hers) == JobState::held);
  here.come("local:alice");
  CHECK(w.until([&] { return w.site_jobs("alpha", hers) == 1; }, 10s));
  REQUIRE(w.run_to_end({hers}, 10min));
  CHECK(w.state(hers) == JobState::succeeded);
  w.check_budgets();
}

TEST_CASE("who goes and comes back within the minute has their job sent at once", "[engine]") {
  People here;
  auto& w = here.w;
  here.come("local:alice");
  w.advance(1min);
  const auto before = w.submit({.behaviour = "run=10s"});
  REQUIRE(w.run_to_end({before}, 5min));
  // Her agent goes between the decision and the submission: that is an attempt, and a lapse.
  w.gate().login = [&](const std::string&, const Principal&) -> std::optional<Error> {
    here.go("local:alice");
    return fail(ErrorKind::unavailable, kAbsent, "run hansa connect alpha").error();
  };
  const auto hers = w.submit({.behaviour = "run=10s", .limit = Seconds{60}});
  REQUIRE(w.until([&] { return w.state(hers) == JobState::held && w.job(hers).attempts.size() == 1; }, 1min));
  w.gate().login = {};
  if (GENERATE(false, true)) w.restart();
  w.advance(20s);
  here.come("local:alice");
  CHECK(w.until([&] { return w.site_jobs("alpha", hers) == 1; }, 20s));
}

TEST_CASE("who comes again and again has everything placed anew now and then", "[engine]") {
  People here;
  auto& w = here.w;
  w.advance(1min);
  const auto others = w.submit({.behaviour = "run=10s", .person = "local:bob"});  // waits for its person: it is decided anew
  here.come("local:alice");
  w.advance(1min);
  REQUIRE(w.state(others) == JobState::held);
  const auto decided = w.counters().decisions;
  for (int i = 0; i < 600; ++i) {
    here.come("local:alice");
    w.advance(100ms);
  }
  CHECK(w.counters().decisions - decided >= 10);
  CHECK(w.counters().decisions - decided <= 60);  // not one for each
  here.go("local:alice");
  const auto hers = w.submit({.behaviour = "run=10s"});
  w.advance(1s);
  CHECK(w.state(hers) == JobState::held);
  here.come("local:alice");  // the last one counts as well, a little later
  CHECK(w.until([&] { return w.site_jobs("alpha", hers) == 1; }, 7s));
}

TEST_CASE("with nobody there what a doctor found before stands and another version asks for no look", "[engine]") {
  People here;
  auto& w = here.w;
  here.come("local:alice");
  w.advance(1min);
  const domain::Finding terms{.check = "TERMS", .verdict = domain::DoctorVerdict::ok, .value = "allowed", .source = "x"};
  const auto fence = [](const std::string& account) {
    return domain::Finding{
        .check = "FENCE", .subject = account, .verdict = domain::DoctorVerdict::ok, .value = "holds", .source = "x"};
  };
  auto& found = w.site("alpha").faults.findings;
  const auto look = [&] { return w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root"))); };
  found = {terms, fence("a"), fence("b")};
  const auto first = look();
  REQUIRE(first);
  w.advance(1h);
  found = {terms, {.check = "PEOPLE", .value = "nobody is connected", .source = "x"}};
  const auto second = look();
  REQUIRE(second);
  const auto at = [](const domain::DoctorReport& report, const std::string& check) {
    std::vector<UtcTime> times;
    for (const auto& finding : report.findings) {
      if (finding.check == check) times.push_back(finding.at);
    }
    return times;
  };
  CHECK(at(*second, "FENCE").size() == 2);
  CHECK(at(*second, "FENCE") == at(*first, "FENCE"));
  REQUIRE(at(*second, "TERMS").size() == 1);
  CHECK(at(*second, "TERMS") > at(*first, "TERMS"));
  CHECK(at(*second, "PEOPLE").empty());
  CHECK(second->findings[0].check == "REACHABLE");
  CHECK(second->findings[0].verdict == domain::DoctorVerdict::not_checked);
  CHECK(second->findings[0].value == "nobody is connected");
  CHECK(second->scheduler == first->scheduler);
  CHECK(second->drift.empty());
  w.site("alpha").version = "model 2";
  w.advance(1h);
  CHECK(w.count("alpha", "doctor") == 2);
}

TEST_CASE("other sites remain choices for who is not connected at one", "[engine]") {
  People here({{.id = "alpha", .cores = 16}, {.id = "beta", .cores = 4}});
  auto& w = here.w;
  w.advance(1min);
  const auto hers = w.submit({.behaviour = "run=10s"});
  REQUIRE(w.run_to_end({hers}, 10min));
  CHECK(w.job(hers).attempts.at(0).site == SiteId("beta"));
}

TEST_CASE("whose agent goes has jobs that are not heard of and all of them are found again", "[engine]") {
  const bool crashes = GENERATE(false, true);
  People here;
  auto& w = here.w;
  here.come("local:alice");
  here.come("local:bob");
  w.advance(1min);
  const auto hers = w.submit({.behaviour = "run=7200s", .limit = Seconds{36'000}});
  const auto short_one = w.submit({.behaviour = "run=300s"});
  const auto his = w.submit({.behaviour = "run=3600s", .limit = Seconds{36'000}, .person = "local:bob"});
  w.advance(2min);
  REQUIRE(w.state(hers) == JobState::running);
  here.go("local:alice");
  if (crashes) w.restart();
  w.advance(10min);
  const auto asked = here.calls_for("local:alice");
  const auto job = w.job(hers);
  CHECK(job.state == JobState::running);
  REQUIRE(job.live_attempt() != nullptr);
  CHECK(job.live_attempt()->unknown_since.has_value());
  CHECK(job.live_attempt()->reason.code == kAbsent);
  CHECK_FALSE(w.job(his).live_attempt()->unknown_since.has_value());
  REQUIRE(w.run_to_end({his}, 2h));
  CHECK(here.calls_for("local:alice") == asked);  // the site's budget is for who is there
  CHECK(w.report("alpha").breaker == Breaker::State::closed);
  CHECK(w.report("alpha").state.health == domain::SiteHealth::up);
  w.advance(6h);
  CHECK(w.state(short_one) == JobState::running);  // it is over, and nobody has said so
  here.come("local:alice");
  REQUIRE(w.run_to_end({hers, short_one}, 2min));
  for (const auto& id : {hers, short_one}) {
    CHECK(w.state(id) == JobState::succeeded);
    CHECK(w.payload_runs(id) == 1);
    CHECK(w.job(id).attempts.size() == 1);
  }
  w.advance(10min);
  for (const auto& id : {hers, short_one}) CHECK(w.usage(id).size() == 1);
  w.check_budgets();
}

TEST_CASE("a submission whose receipt went with the connection is sent nowhere else and found by its tag", "[engine]") {
  People here({{.id = "alpha", .cores = 16}, {.id = "beta", .cores = 16}});
  auto& w = here.w;
  here.come("local:alice");
  w.advance(1min);
  w.site("alpha").faults.lose_submit_replies = 1;
  const auto id = w.submit({.behaviour = "run=600s", .sites = {"alpha"}});
  REQUIRE(w.until([&] { return w.site_jobs("alpha", id) == 1; }, 5min));
  here.go("local:alice");
  w.restart();
  w.advance(30min);
  CHECK_FALSE(w.over(id));
  CHECK(w.job(id).live_attempt()->state == domain::AttemptState::sent);
  CHECK(w.site_jobs("alpha", id) == 1);
  here.come("local:alice");
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.site_jobs("alpha", id) == 1);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("a cancel waits for who is not connected and is carried as soon as they are", "[engine]") {
  People here;
  auto& w = here.w;
  here.come("local:alice");
  w.advance(1min);
  const auto id = w.submit({.behaviour = "run=36000s", .limit = Seconds{72'000}});
  REQUIRE(w.until([&] { return w.state(id) == JobState::running; }, 5min));
  here.go("local:alice");
  REQUIRE(w.ask(w.engine().cancel(id, Principal("local:alice"))));
  const auto before = w.count("alpha", "cancel");
  w.advance(1h);
  CHECK_FALSE(w.over(id));
  CHECK(w.count("alpha", "cancel") == before);
  here.come("local:alice");
  REQUIRE(w.run_to_end({id}, 2min));
  CHECK(w.state(id) == JobState::cancelled);
}

TEST_CASE("with nobody there what is known of a site ages and it is not left alone for that", "[engine]") {
  People here;
  auto& w = here.w;
  here.come("local:alice");
  w.advance(2min);
  const auto seen = w.report("alpha").snapshot_at;
  REQUIRE(seen);
  here.go("local:alice");
  w.advance(1h);
  const auto report = w.report("alpha");
  CHECK(report.state.health == domain::SiteHealth::up);
  CHECK(report.breaker == Breaker::State::closed);
  REQUIRE(report.snapshot_at);
  CHECK(*report.snapshot_at - *seen < 2min);
  here.come("local:alice");
  w.advance(10s);
  CHECK(*w.report("alpha").snapshot_at - *report.snapshot_at > 50min);
}

}  // namespace hansa::engine::test
