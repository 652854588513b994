// SPDX-License-Identifier: Apache-2.0
// What a site is spared: calls while it does not answer, jobs in its quiet hours, a stampede afterwards; and what is told of it.
#include "broker/core/time_text.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::engine;
using namespace hansa::engine::test;

namespace {

/// "HH:MM-HH:MM UTC", from so long after `now` on.
DailyHours quiet_from(UtcTime now, Milliseconds from, Milliseconds until) {
  const auto clock = [&](Milliseconds at) { return format_utc(now + at).substr(11, 5); };
  return DailyHours::parse(clock(from) + "-" + clock(until) + " UTC").value();
}

std::int64_t lines_with(const World& w, const std::string& words) {
  return std::ranges::count_if(w.log, [&](const std::string& line) { return line.contains(words); });
}

BudgetUse use_of(World& w, const std::string& site, const std::string& kind) {
  for (const auto& use : w.report(site).budget_use) {
    if (use.kind == kind) return use;
  }
  FAIL("no " << kind);
  return {};
}

}  // namespace

TEST_CASE("a site that does not answer is left alone but for probes", "[engine][T25]") {
  const bool refuses = GENERATE(false, true);  // at once, or after a minute of silence
  World w({{.id = "alpha", .cores = 4}, {.id = "beta"}});
  w.advance(1s);
  const auto ids = w.submit(6, {.behaviour = "run=1800s", .sites = {"alpha"}});
  w.advance(2min);
  (refuses ? w.site("alpha").faults.down : w.site("alpha").faults.silent) = true;
  REQUIRE(w.until([&] { return w.report("alpha").breaker != Breaker::State::closed; }, 20min));
  CHECK(w.report("alpha").state.health == domain::SiteHealth::down);
  CHECK(w.report("alpha").failures_in_a_row >= 5);
  CHECK(w.report("alpha").next_probe.has_value());
  CHECK(lines_with(w, "site is left alone") == 1);

  w.advance(90s);  // what was under way
  const auto from = w.time.now_monotonic();
  w.advance(3h);
  CHECK(w.count("alpha", "*", from) == w.count("alpha", "snapshot", from));
  const auto probes = w.count("alpha", "snapshot", from);
  CHECK(probes >= 3 * 3600 / 210);  // two minutes and a fifth, and the minute that a silent one takes
  CHECK(probes <= 3 * 3600 / 90);
  MonotonicTime last{};
  for (const auto& call : w.calls) {
    if (call.site != "alpha" || call.at < from) continue;
    if (last != MonotonicTime{}) CHECK(call.at - last >= 96s);
    last = call.at;
  }
  CHECK(lines_with(w, "site is left alone") == 1);
  // What a person asks for is told why, at once.
  const auto now = w.time.now_monotonic();
  const auto output = w.ask(w.engine().read_output(w.job(ids[0]), ports::Stream::out, 0, 100, async::Deadline::in(w.time, 60s)));
  REQUIRE_FALSE(output);
  CHECK(output.error().code == "SITE_LEFT_ALONE");
  CHECK(output.error().message.contains("it is tried again at 20"));
  CHECK(w.time.now_monotonic() == now);

  w.site("alpha").faults.down = w.site("alpha").faults.silent = false;
  REQUIRE(w.until([&] { return w.report("alpha").breaker == Breaker::State::closed; }, 3min));
  CHECK(lines_with(w, "site is asked again") == 1);
  REQUIRE(w.run_to_end(ids, 3h));
  for (const auto& id : ids) CHECK(w.payload_runs(id) == 1);
  w.check_budgets();
}

TEST_CASE("no job is spent on a site that is left alone", "[engine]") {
  World w({{.id = "alpha", .cores = 64}});
  w.advance(1min);
  w.site("alpha").faults.down = true;
  REQUIRE(w.until([&] { return w.report("alpha").breaker == Breaker::State::open; }, 20min));
  const auto ids = w.submit(20, {.behaviour = "run=30s"});
  w.advance(2h);
  CHECK(w.state(ids[0]) == JobState::held);
  for (const auto& id : ids) CHECK(w.job(id).attempts.empty());
  w.site("alpha").faults.down = false;
  REQUIRE(w.run_to_end(ids, 30min));
  for (const auto& id : ids) CHECK(w.job(id).attempts.size() == 1);
}

TEST_CASE("after an outage a site is asked one thing at a time at first, and within its budget", "[engine][T25]") {
  World w({{.id = "alpha",
            .cores = 400,
            .budget = {.queries_per_minute = 10, .submits_per_minute = 60, .concurrent_calls = 8, .waiting_jobs = 400}}});
  w.site("alpha").faults.latency = 2s;
  w.advance(1min);
  const auto before = w.submit(30, {.behaviour = "run=7200s"});
  w.advance(5min);
  w.site("alpha").faults.down = true;
  REQUIRE(w.until([&] { return w.report("alpha").breaker == Breaker::State::open; }, 20min));
  const auto waiting = w.submit(200, {.behaviour = "run=60s"});
  for (std::size_t i = 0; i < before.size(); i += 2) (void)w.ask(w.engine().cancel(before[i], kAlice));
  w.advance(30min);
  w.site("alpha").faults.down = false;
  w.most_in_flight["alpha"] = 0;
  REQUIRE(w.until([&] { return w.report("alpha").breaker == Breaker::State::closed; }, 5min));
  const auto back = w.time.now_monotonic();
  REQUIRE(w.until([&] { return w.count("alpha", "*", back) >= 1; }, 1min));
  w.advance(1s);  // half an answer's time
  CHECK(w.most_in_flight["alpha"] == 1);
  REQUIRE(w.run_to_end(waiting, 1h));
  CHECK(w.most_in_flight["alpha"] > 2);
  w.check_budgets();
}

TEST_CASE("after an hour's outage with hundreds of jobs in the air a site is asked once a second at most", "[engine][costly][T25]") {
  const bool refuses = GENERATE(false, true);
  World w({{.id = "alpha",
            .cores = 400,
            .budget = {.queries_per_minute = 20, .submits_per_minute = 20, .cancels_per_minute = 20, .waiting_jobs = 400}}});
  w.advance(1min);
  const auto before = w.submit(40, {.behaviour = "run=7200s"});
  w.advance(5min);
  const auto lost = w.submit(20, {.behaviour = "run=60s"});
  w.site("alpha").faults.lose_submit_replies = 10;
  w.advance(10s);
  (refuses ? w.site("alpha").faults.down : w.site("alpha").faults.silent) = true;
  const auto went = w.time.now_monotonic();
  for (std::size_t i = 0; i < before.size(); i += 2) (void)w.start_asking(w.engine().cancel(before[i], kAlice));
  const auto waiting = w.submit(200, {.behaviour = "run=60s"});
  w.advance(30min);
  w.restart();  // a new process does not begin with a storm either
  w.advance(30min);
  const auto during = w.count("alpha", "*", went);
  w.site("alpha").faults.down = w.site("alpha").faults.silent = false;
  const auto back = w.time.now_monotonic();
  REQUIRE(w.run_to_end(waiting, 3h));
  REQUIRE(w.run_to_end(lost, 3h));
  CHECK(during <= 60);
  std::vector<MonotonicTime> at;
  for (const auto& call : w.calls) {
    if (call.site == "alpha" && call.at >= back && call.at < back + 10min) at.push_back(call.at);
  }
  REQUIRE(at.size() > 60);
  for (std::size_t i = 60; i < at.size(); ++i) CHECK(at[i] - at[i - 60] >= 60s);
  w.check_budgets();
}

TEST_CASE("a site is not left alone for the length of our own line", "[engine][costly]") {
  World w({{.id = "alpha", .cores = 128, .budget = {.concurrent_calls = 1, .waiting_jobs = 128}}});
  w.advance(1min);
  const auto ids = w.submit(100, {.behaviour = "run=7200s"});
  w.advance(10min);
  w.site("alpha").faults.latency = 3s;
  for (const auto& id : ids) (void)w.start_asking(w.engine().cancel(id, kAlice));
  REQUIRE(w.run_to_end(ids, 2h));
  CHECK(w.report("alpha").times_left_alone == 0);
}

TEST_CASE("accounting that is away alone leaves its site alone no less than before", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  w.site("alpha").faults.history_off = true;
  const auto id = w.submit({.behaviour = "run=7200s"});
  w.advance(1h);
  CHECK(w.report("alpha").breaker == Breaker::State::closed);
  CHECK(w.report("alpha").times_left_alone == 0);
  CHECK(w.state(id) == JobState::running);
}

TEST_CASE("in its quiet hours a site gets nothing new and is asked at a quarter of the rate", "[engine]") {
  domain::LoadBudget budget{.queries_per_minute = 12, .waiting_jobs = 4};
  budget.quiet_hours.push_back(quiet_from(simulation::VirtualScheduler::kStart, 10min, 70min));
  World w({{.id = "alpha", .cores = 2, .budget = budget}, {.id = "beta", .cores = 1}});
  w.advance(1s);
  const auto running = w.submit({.behaviour = "run=20000s", .limit = 20'000s, .sites = {"alpha"}});
  const auto doomed = w.submit({.behaviour = "run=20000s", .limit = 20'000s, .sites = {"alpha"}});
  w.advance(15min);
  REQUIRE(w.report("alpha").quiet_until == simulation::VirtualScheduler::kStart + 70min);
  CHECK(use_of(w, "alpha", "queries").limit == 3);

  const auto from = w.time.now_monotonic();
  const auto later = w.submit({.behaviour = "run=60s", .sites = {"alpha"}});
  const auto elsewhere = w.submit({.behaviour = "run=60s"});
  w.advance(1min);
  CHECK(w.state(later) == JobState::held);
  const auto decision = w.ask(w.engine().explain(w.job(later)));
  REQUIRE(decision);
  CHECK(decision->verdicts[0].code == "SITE_QUIET");
  CHECK(decision->verdicts[0].message.contains("quiet hours until 2026-01-01T01:10:00Z"));
  CHECK(w.job(elsewhere).attempts[0].site == SiteId("beta"));
  REQUIRE(w.ask(w.engine().cancel(doomed, kAlice)));
  REQUIRE(w.run_to_end({doomed, elsewhere}, 20min));  // a person's wish, and the site's jobs, go on
  w.advance(20min);
  CHECK(w.count("alpha", "submit", from) == 0);
  CHECK(w.state(running) == JobState::running);
  CHECK_FALSE(w.job(running).attempts[0].unknown_since.has_value());
  const auto minutes = (w.time.now_monotonic() - from) / 1min;
  CHECK(w.count("alpha", "*", from) <= 3 * minutes + 3);

  REQUIRE(w.until([&] { return w.over(later); }, 2h));
  CHECK(w.state(later) == JobState::succeeded);
  CHECK(w.job(later).attempts[0].intended_at >= simulation::VirtualScheduler::kStart + 70min);
  CHECK(w.job(later).attempts[0].intended_at <= simulation::VirtualScheduler::kStart + 72min);
  CHECK(use_of(w, "alpha", "queries").limit == 12);
  w.check_budgets();
}

TEST_CASE("a submission that is not known goes elsewhere rather than again into quiet hours", "[engine]") {
  domain::LoadBudget budget;
  budget.quiet_hours.push_back(quiet_from(simulation::VirtualScheduler::kStart, 3min, 120min));
  World w({{.id = "alpha", .cores = 8, .budget = budget}, {.id = "beta", .cores = 1}});
  w.advance(1s);
  w.site("alpha").faults.submit_delay = 3h;  // nothing arrives in time
  const auto id = w.submit({.behaviour = "run=30s"});
  w.advance(2s);
  REQUIRE(w.job(id).attempts[0].site == SiteId("alpha"));
  REQUIRE(w.run_to_end({id}, 1h));
  CHECK(w.job(id).attempts[0].sealed);
  CHECK(w.job(id).attempts[0].sends == 1);
  CHECK(w.job(id).attempts[1].site == SiteId("beta"));
}

TEST_CASE("a budget that is the limit is told once in a while, with how many it held back", "[engine][costly]") {
  World w({{.id = "alpha",
            .cores = 64,
            .budget = {.queries_per_minute = 30, .cancels_per_minute = 2, .concurrent_calls = 2, .waiting_jobs = 60}}});
  w.advance(1min);
  const auto ids = w.submit(40, {.behaviour = "run=7200s"});
  w.advance(2min);
  CHECK(use_of(w, "alpha", "cancels").held_back == 0);
  for (const auto& id : ids) REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  w.advance(30s);
  const auto use = use_of(w, "alpha", "cancels");
  CHECK(use.limit == 2);
  CHECK(use.used == 2);
  CHECK(use.held_back >= 10);
  const auto first_line = w.time.now_monotonic();
  CHECK(lines_with(w, "the load budget of a site is the limit site=alpha budget=cancels limit=2 held_back=") == 1);
  REQUIRE(w.run_to_end(ids, 2h));
  const auto told = lines_with(w, "site=alpha budget=cancels limit=2 held_back=");
  CHECK(told >= 2);  // the next says how many meanwhile
  CHECK(told <= (w.time.now_monotonic() - first_line) / 10min + 2);
  w.check_budgets();
}

TEST_CASE("a site is looked over, its report outlives the broker, and what drifts is told", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto first = w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root")));
  REQUIRE(first);
  CHECK(first->scheduler == "model");
  REQUIRE(first->findings.size() == 3);
  CHECK(first->findings[0].check == "REACHABLE");
  CHECK(first->findings[0].verdict == domain::DoctorVerdict::ok);
  CHECK(first->findings[1].check == "CONNECTOR");  // a model site has no checks
  CHECK(first->findings[2].check == "BUDGET");
  CHECK(first->drift.empty());
  CHECK(w.count("alpha", "doctor") == 1);

  w.restart();
  REQUIRE(w.report("alpha").state.doctor == *first);
  w.site("alpha").faults.down = true;
  w.advance(2min);
  const auto second = w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root")));
  REQUIRE(second);
  CHECK(second->findings[0].verdict == domain::DoctorVerdict::fault);
  CHECK(second->findings[1].at == first->findings[1].at);  // what was found before stands, dated
  REQUIRE(second->drift.size() == 1);
  CHECK(second->drift[0].check == "REACHABLE");
  CHECK(second->drift[0].before.starts_with("ok: answered in "));
  CHECK(second->drift[0].after.starts_with("fault: "));
  CHECK(w.report("alpha").drifted == 1);
  CHECK(lines_with(w, "! a site has changed site=alpha check=REACHABLE") == 1);
  CHECK_FALSE(w.ask(w.engine().look_over_site(SiteId("omega"), Principal("local:root"))));
}

TEST_CASE("two doctors at a time are one too many", "[engine]") {
  World w({{.id = "alpha"}});
  w.site("alpha").faults.silent = true;
  w.advance(1s);
  const auto first = w.start_asking(w.engine().look_over_site(SiteId("alpha"), Principal("local:root")));
  w.advance(1s);
  const auto second = w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root")));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == "DOCTOR_BUSY");
  w.advance(2min);
  REQUIRE(first->has_value());
}

TEST_CASE("a site that runs another version is looked over again by itself", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(5min);
  CHECK(w.count("alpha", "doctor") == 0);  // nobody has asked
  REQUIRE(w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root"))));
  w.advance(5min);
  CHECK(w.count("alpha", "doctor") == 1);
  w.site("alpha").version = "model 2";
  w.advance(10min);
  CHECK(w.count("alpha", "doctor") == 2);
  CHECK(w.report("alpha").state.doctor->scheduler == "model 2");
  CHECK(lines_with(w, "a site runs another version: it is looked over again site=alpha before=model now=model 2") == 1);
  w.advance(1h);
  CHECK(w.count("alpha", "doctor") == 2);
}

TEST_CASE("a finding that bars keeps jobs away with its age, until a look by itself finds it mended", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const domain::Finding clock{.check = "CLOCK",
                              .verdict = domain::DoctorVerdict::fault,
                              .value = "2m ahead of ours",
                              .source = "sdiag",
                              .remedy = "NTP",
                              .reading = true,
                              .bars = true};
  w.site("alpha").faults.findings = {clock};
  const auto look = [&] { REQUIRE(w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root")))); };
  look();
  const auto id = w.submit({.behaviour = "run=10s"});
  w.advance(2min);
  CHECK(w.state(id) == JobState::held);
  const auto decision = w.decision(id);
  REQUIRE(decision.verdicts.size() == 1);
  CHECK(decision.verdicts[0].code == "SITE_UNFIT");
  CHECK(decision.verdicts[0].source == "doctor");
  CHECK(decision.verdicts[0].age.has_value());
  CHECK_THAT(decision.verdicts[0].message, Catch::Contains("CLOCK: 2m ahead of ours (doctor, "));
  w.site("alpha").faults.findings.clear();
  w.advance(5min);
  CHECK(w.state(id) == JobState::held);
  REQUIRE(w.run_to_end({id}, 15min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.count("alpha", "doctor") == 2);
  CHECK(lines_with(w, "a site that takes no jobs is looked over again site=alpha") == 1);
  w.advance(2h);
  CHECK(w.count("alpha", "doctor") == 2);
}

TEST_CASE("a look that fails bars nobody, and what it found before is not believed for ever", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  domain::Finding history{.check = "HISTORY",
                          .verdict = domain::DoctorVerdict::fault,
                          .value = "off",
                          .source = "scontrol",
                          .remedy = "x",
                          .bars = true};
  w.site("alpha").faults.findings = {history};
  w.site("alpha").faults.findings[0].bars = false;  // nobody answered
  const auto look = [&] { REQUIRE(w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root")))); };
  look();
  const auto first = w.submit({.behaviour = "run=10s"});
  REQUIRE(w.run_to_end({first}, 10min));
  w.site("alpha").faults.findings = {history};
  look();
  const auto held = w.submit({.behaviour = "run=10s"});
  w.advance(1min);
  CHECK(w.state(held) == JobState::held);
  // Nobody can look again; the site's queue answers all the same.
  w.site("alpha").faults.no_doctor = true;
  w.advance(23h);
  CHECK(w.state(held) == JobState::held);
  REQUIRE(w.run_to_end({held}, 2h));
}

TEST_CASE("all questions of a look count in the budget", "[engine]") {
  World w({{.id = "alpha", .budget = {.queries_per_minute = 20}}});
  w.advance(1s);
  w.site("alpha").faults.questions = 9;
  const auto before = use_of(w, "alpha", "queries").used;
  REQUIRE(w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root"))));
  CHECK(use_of(w, "alpha", "queries").used == before + 9);
  w.restart();
  CHECK(use_of(w, "alpha", "queries").used >= before + 9);
  w.advance(61s);
  CHECK(use_of(w, "alpha", "queries").used < 9);
}

TEST_CASE("a site whose own end asks for fewer calls is no silent one, and no job is lost or spent on it", "[engine]") {
  const bool of_everything = GENERATE(false, true);  // or of submissions alone
  World w({{.id = "alpha", .cores = 8}});
  w.advance(1s);
  const auto running = w.submit({.behaviour = "run=20000s", .limit = 30'000s});
  w.advance(1min);
  if (of_everything) {
    w.site("alpha").faults.over_budget = true;
  } else {
    w.site("alpha").faults.veto = [](const ports::SubmitRequest&) {
      return std::optional(fail(ErrorKind::rate_limited, "OVER_BUDGET", "2 submissions a minute").error());
    };
  }
  const auto from = w.time.now_monotonic();
  const auto ids = w.submit(30, {.behaviour = "run=60s"});
  w.advance(30s);
  CHECK(w.report("alpha").our_live_jobs == 1);
  w.advance(3h);
  CHECK(w.report("alpha").breaker == Breaker::State::closed);
  CHECK(w.report("alpha").times_left_alone == 0);
  CHECK(w.report("alpha").state.health == domain::SiteHealth::up);
  CHECK(w.count("alpha", "submit", from) >= 1);
  CHECK(w.count("alpha", "submit", from) <= 3 * 3600 / 300 + 12);
  CHECK(lines_with(w, "the site's own end asks for fewer calls") >= 1);
  for (const auto& id : ids) {
    CHECK_FALSE(w.over(id));
    for (const auto& attempt : w.job(id).attempts) {
      if (attempt.state == domain::AttemptState::ended) CHECK(attempt.reason.code == "OVER_BUDGET");
    }
  }
  CHECK(w.job(running).live_attempt()->unknown_since.has_value() == of_everything);

  w.site("alpha").faults.over_budget = false;
  w.site("alpha").faults.veto = {};
  REQUIRE(w.run_to_end(ids, 1h));
  for (const auto& id : ids) CHECK(w.payload_runs(id) == 1);
  REQUIRE(w.run_to_end({running}, 8h));
  CHECK(w.payload_runs(running) == 1);
  w.check_budgets();
}

TEST_CASE("the quiet hours that a site's own end tells of are kept as those of its entry", "[engine]") {
  World w({{.id = "alpha"}});
  const auto until = simulation::VirtualScheduler::kStart + 3h;
  w.site("alpha").quiet_until = until;
  w.advance(1min);
  CHECK(w.report("alpha").quiet_until == until);
  const auto id = w.submit({.behaviour = "run=60s"});
  w.advance(2h);
  CHECK(w.count("alpha", "submit") == 0);
  CHECK(w.job(id).reason.message.contains("SITE_QUIET"));
  w.advance(61min);
  REQUIRE(w.run_to_end({id}, 20min));
  CHECK_FALSE(w.report("alpha").quiet_until);
}
TEST_CASE("a job that needs a way out waits for a site where one was found and looked at again before that is too old",
          "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto look = [&] { REQUIRE(w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root")))); };
  const auto id = w.submit({.behaviour = "run=10s", .outbound = true});
  const auto other = w.submit({.behaviour = "run=10s"});
  REQUIRE(w.run_to_end({other}, 10min));
  CHECK(w.state(id) == JobState::held);
  CHECK(w.decision(id).verdicts[0].code == "NO_OUTBOUND_NETWORK");
  auto network = domain::Finding{.check = "NETWORK",
                                 .verdict = domain::DoctorVerdict::ok,
                                 .value = "no default route",
                                 .source = "routes",
                                 .offers = std::string(domain::kOutboundNetwork),
                                 .lacks = true};
  w.site("alpha").faults.findings = {network};
  look();
  w.advance(1min);
  CHECK(w.state(id) == JobState::held);
  const auto explained = w.ask(w.engine().explain(w.job(id)));
  REQUIRE(explained);
  CHECK(explained->verdicts[0].source == "doctor");
  CHECK_THAT(explained->verdicts[0].message, Catch::Contains("NETWORK: no default route (doctor, "));
  network.lacks = false;
  w.site("alpha").faults.findings = {network};
  look();
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.state(id) == JobState::succeeded);
  const auto looks = w.count("alpha", "doctor");
  w.advance(13h);
  CHECK(w.count("alpha", "doctor") == looks + 1);
  w.advance(24h);
  const auto late = w.submit({.behaviour = "run=10s", .outbound = true});
  REQUIRE(w.run_to_end({late}, 10min));
}

TEST_CASE("a fault of an account that only the site's end knows bars its people and nobody else", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.findings = {{.check = "QUOTA",
                                      .subject = "u1234",
                                      .verdict = domain::DoctorVerdict::fault,
                                      .value = "100% full",
                                      .source = "quota",
                                      .remedy = "make space",
                                      .people = {kAlice},
                                      .bars = true}};
  REQUIRE(w.ask(w.engine().look_over_site(SiteId("alpha"), Principal("local:root"))));
  const auto hers = w.submit({.behaviour = "run=10s"});
  const auto his = w.submit({.behaviour = "run=10s", .person = "local:bob"});
  REQUIRE(w.run_to_end({his}, 10min));
  CHECK(w.state(hers) == JobState::held);
  CHECK(w.decision(hers).verdicts[0].code == "SITE_UNFIT");
  w.site("alpha").faults.findings.clear();
  REQUIRE(w.run_to_end({hers}, 20min));
}
