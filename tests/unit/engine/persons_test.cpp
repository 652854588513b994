// SPDX-License-Identifier: Apache-2.0
// Sites where each person logs in as themselves, with a credential that ends.

#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace hansa::engine::test {

namespace {

/// A world whose site "alpha" asks each person for themselves.
struct Persons {
  explicit Persons(domain::LoadBudget budget, EngineOptions options = {})
      : w({{.id = "alpha", .cores = 400, .budget = budget}}, options) {
    w.on_start = [this] { open(); };
    w.restart();
  }
  void open() {
    w.gate().as_persons.insert("alpha");
    w.gate().login = [this](const std::string&, const Principal& person) {
      const auto at = locked_out.find(person.str());
      return at == locked_out.end() ? std::nullopt
                                    : std::optional(fail(ErrorKind::unavailable, at->second, "log in again").error());
    };
  }
  std::map<std::string, std::string> locked_out;  // person -> code
  World w;
};

std::string person(int number) { return "local:p" + std::to_string(number); }

}  // namespace

TEST_CASE("each person is asked for alone within one budget over all of them", "[engine]") {
  Persons here({.queries_per_minute = 10, .submits_per_minute = 60, .concurrent_calls = 4, .waiting_jobs = 400});
  auto& w = here.w;
  w.advance(1s);
  std::vector<JobId> ids;
  for (int p = 0; p < 40; ++p) {
    for (int n = 0; n < 2; ++n) ids.push_back(w.submit({.behaviour = "run=60s", .person = person(p)}));
  }
  REQUIRE(w.run_to_end(ids, 3h));
  for (const auto& id : ids) {
    CHECK(w.state(id) == JobState::succeeded);
    CHECK(w.payload_runs(id) == 1);
  }
  std::set<Principal> asked;
  for (const auto& call : w.calls) {
    CHECK(call.people.size() <= 1);
    if (call.what == "status") asked.insert(call.people.begin(), call.people.end());
  }
  CHECK(asked.size() == 40);
  CHECK(w.count("alpha", "snapshot") >= 10);  // persons leave room for it
  w.check_budgets();
}

TEST_CASE("submissions without a receipt are looked for as whoever they are", "[engine]") {
  Persons here({.queries_per_minute = 20, .submits_per_minute = 60, .concurrent_calls = 4, .waiting_jobs = 400});
  auto& w = here.w;
  w.advance(1s);
  w.site("alpha").faults.lose_submit_replies = 8;
  std::vector<JobId> ids;
  for (int p = 0; p < 8; ++p) ids.push_back(w.submit({.behaviour = "run=10s", .person = person(p)}));
  w.advance(10s);
  w.restart();
  REQUIRE(w.run_to_end(ids, 3h));
  for (const auto& id : ids) CHECK(w.payload_runs(id) == 1);
  for (const auto& call : w.calls) CHECK(call.people.size() <= 1);
  w.check_budgets();
}

TEST_CASE("a credential that ends too early holds the job with that reason", "[engine]") {
  Persons here({});
  auto& w = here.w;
  here.locked_out["local:alice"] = "CREDENTIAL_ENDS_TOO_EARLY";
  w.advance(1s);
  const auto held = w.submit({.behaviour = "run=10s"});
  const auto other = w.submit({.behaviour = "run=10s", .person = "local:bob"});
  REQUIRE(w.run_to_end({other}, 10min));
  w.advance(6h);
  CHECK(w.state(held) == JobState::held);
  CHECK(w.job(held).reason.code == "CREDENTIAL_ENDS_TOO_EARLY");
  CHECK(w.job(held).reason.message.contains("log in again"));
  CHECK(w.site_jobs("alpha", held) == 0);
  CHECK(w.report("alpha").breaker == Breaker::State::closed);
  CHECK(w.report("alpha").failures_in_a_row == 0);
  here.locked_out.clear();
  REQUIRE(w.run_to_end({held}, 7min));  // tried again every five minutes at least
  CHECK(w.state(held) == JobState::succeeded);
}

TEST_CASE("a lapsed login costs one submission at a time and all who wait for it come free together", "[engine][costly]") {
  Persons here({.queries_per_minute = 60, .submits_per_minute = 600, .concurrent_calls = 4, .waiting_jobs = 400});
  auto& w = here.w;
  w.advance(1s);
  here.locked_out["local:alice"] = "CREDENTIAL_MISSING";
  const auto hers = w.submit(500, {.behaviour = "run=10s"});
  const auto his = w.submit(20, {.behaviour = "run=10s", .person = "local:bob"});
  const auto tries = [&](MonotonicTime from = {}) {
    return std::ranges::count_if(
        w.calls, [&](const auto& call) { return call.what == "submit" && call.at >= from && call.people.contains(kAlice); });
  };
  REQUIRE(w.run_to_end(his, 30min));
  w.advance(2min);
  CHECK(tries() <= 8);  // what was under way when it began, and one at a time since
  const auto all_held = [&] {
    return std::ranges::all_of(hers, [&](const JobId& id) {
      const auto job = w.job(id);
      return job.state == JobState::held && job.reason.code == "CREDENTIAL_MISSING" &&
             job.reason.message.contains("log in again");
    });
  };
  CHECK(all_held());
  const auto begun = w.time.now_monotonic();
  w.advance(3h);
  CHECK(tries(begun) >= 30);
  CHECK(tries(begun) <= 40);
  CHECK(all_held());
  CHECK(std::ranges::count_if(hers, [&](const JobId& id) { return w.job(id).attempts.empty(); }) >= 490);
  const auto more = w.submit({.behaviour = "run=10s", .limit = Seconds{60}});  // of another shape
  w.advance(10s);
  CHECK(w.job(more).reason.code == "CREDENTIAL_MISSING");
  CHECK(w.job(more).attempts.empty());

  here.locked_out.clear();
  const auto mended = w.time.now_monotonic();
  REQUIRE(w.until([&] { return tries(mended) > 0; }, 6min));
  w.advance(20s);
  CHECK(tries(mended) > 1);
  REQUIRE(w.run_to_end(hers, 1h));
  REQUIRE(w.run_to_end({more}, 10min));
  for (const auto& id : hers) CHECK(w.payload_runs(id) == 1);
  w.check_budgets();
}

TEST_CASE("after a restart the next submission finds out whether a login is good", "[engine]") {
  Persons here({});
  auto& w = here.w;
  w.advance(1s);
  here.locked_out["local:alice"] = "CREDENTIAL_MISSING";
  const auto held = w.submit({.behaviour = "run=10s"});
  REQUIRE(w.until([&] { return w.state(held) == JobState::held && w.job(held).attempts.size() == 1; }, 1min));
  w.crash();
  here.locked_out.clear();
  w.start();
  CHECK(w.until([&] { return w.site_jobs("alpha", held) == 1; }, 20s));  // a hold begins with a minute
}

TEST_CASE("one person's end does not take another's job for its own", "[engine]") {
  const bool restarts = GENERATE(false, true);
  Persons here({});
  auto& w = here.w;
  w.advance(1s);
  const auto hers = w.submit({.behaviour = "run=600s"});
  REQUIRE(w.until([&] { return w.state(hers) == JobState::running; }, 5min));
  const auto her_id = w.job(hers).live_attempt()->site_job_id;
  if (restarts) w.restart();
  w.gate().receipt = [&](const ports::SubmitRequest& request, ports::SubmitReceipt& receipt) {
    if (request.person == Principal("local:bob")) receipt.site_job_id = her_id;
  };
  const auto his = w.submit({.behaviour = "run=300s", .person = "local:bob"});
  REQUIRE(w.until([&] { return w.site_jobs("alpha", his) == 1; }, 1min));
  // It is looked for, and found under its own id.
  REQUIRE(w.until([&] { return w.job(his).live_attempt()->state == domain::AttemptState::bound; }, 5min));
  CHECK(w.job(his).live_attempt()->site_job_id != her_id);
  CHECK(w.job(hers).live_attempt()->site_job_id == her_id);
  const auto unknown = w.events_of<domain::AttemptUnknown>(his);
  REQUIRE(unknown.size() == 1);
  CHECK(unknown[0].reason.code == "SITE_JOB_TAKEN");
  CHECK(std::ranges::any_of(w.log, [&](const std::string& line) {
    return line.contains("! a receipt names another job's site job") && line.contains(hers.str()) && line.contains(his.str());
  }));
  REQUIRE(w.run_to_end({hers, his}, 1h));
  w.advance(10min);
  for (const auto& id : {hers, his}) {
    CHECK(w.state(id) == JobState::succeeded);
    CHECK(w.payload_runs(id) == 1);
    CHECK(w.usage(id).size() == 1);
  }
  CHECK(w.usage(hers).at(0).site_job_id == her_id);
}

TEST_CASE("what one person's end tells of as a twin is no other person's job", "[engine]") {
  Persons here({});
  auto& w = here.w;
  w.advance(1s);
  const auto hers = w.submit({.behaviour = "run=7200s", .limit = Seconds{36'000}});
  const auto his = w.submit({.behaviour = "run=600s", .person = "local:bob"});
  REQUIRE(w.until([&] { return w.state(hers) == JobState::running && w.state(his) == JobState::running; }, 5min));
  const auto her_id = w.job(hers).live_attempt()->site_job_id;
  int forged = 0;
  w.gate().page = [&](ports::UsagePage& page) {
    if (++forged > 3) return;
    page.records.push_back({.site = SiteId("alpha"),
                            .cluster = w.cluster("alpha").options().name,
                            .site_job_id = her_id,
                            .tag = domain::make_tag(his, 1),
                            .account = LocalAccount("bob"),
                            .submitted_at = w.time.now_utc() - 10min,
                            .started_at = w.time.now_utc() - 5min,
                            .ended_at = w.time.now_utc(),
                            .site_state = "COMPLETED",
                            .cores = 1});
  };
  REQUIRE(w.until([&] { return !w.events_of<domain::SightingQuarantined>(his).empty(); }, 30min));
  CHECK(w.events_of<domain::SightingQuarantined>(his).at(0).reason.code == "SITE_JOB_TAKEN");
  REQUIRE(w.run_to_end({hers, his}, 5h));
  w.advance(10min);
  REQUIRE(w.usage(his).size() == 1);
  CHECK(w.usage(his).at(0).site_job_id != her_id);
  REQUIRE(w.usage(hers).size() == 1);
  CHECK(w.usage(hers).at(0).site_job_id == her_id);
}

TEST_CASE("of two receipts with one id only the first is believed", "[engine]") {
  Persons here({});
  auto& w = here.w;
  w.advance(1s);
  std::optional<SiteJobId> first;
  w.gate().receipt = [&](const ports::SubmitRequest&, ports::SubmitReceipt& receipt) {
    if (!first) first = receipt.site_job_id;
    receipt.site_job_id = *first;
  };
  const auto hers = w.submit({.behaviour = "run=600s"});
  const auto his = w.submit({.behaviour = "run=600s", .person = "local:bob"});
  const auto bound = [&](const JobId& id) {
    const auto job = w.job(id);
    return job.live_attempt() != nullptr && job.live_attempt()->state == domain::AttemptState::bound;
  };
  REQUIRE(w.until([&] { return bound(hers) && bound(his); }, 5min));
  CHECK(w.job(hers).live_attempt()->site_job_id != w.job(his).live_attempt()->site_job_id);
  CHECK(w.events_of<domain::AttemptUnknown>(hers).size() + w.events_of<domain::AttemptUnknown>(his).size() == 1);
}

TEST_CASE("a login that is seen to be good again frees those who were held for it", "[engine]") {
  Persons here({});
  auto& w = here.w;
  w.advance(1s);
  const auto runs = w.submit({.behaviour = "run=3600s"});
  w.advance(2min);
  here.locked_out["local:alice"] = "CREDENTIAL_MISSING";
  const auto held = w.submit(3, {.behaviour = "run=10s"});
  w.advance(20min);  // tried every five minutes by now
  CHECK(w.state(held[2]) == JobState::held);
  CHECK(w.job(runs).live_attempt()->unknown_since.has_value());
  const auto again = w.time.now_monotonic();
  here.locked_out.clear();
  REQUIRE(w.until([&] { return !w.job(runs).live_attempt()->unknown_since; }, 5min));
  REQUIRE(w.run_to_end(held, 2min));
  CHECK(w.time.now_monotonic() - again < 5min);
}

TEST_CASE("whose login fails has unknown jobs and the others have theirs", "[engine]") {
  Persons here({});
  auto& w = here.w;
  w.advance(1s);
  const auto hers = w.submit({.behaviour = "run=1800s"});
  const auto his = w.submit({.behaviour = "run=1200s", .person = "local:bob"});
  w.advance(2min);
  here.locked_out["local:alice"] = "CREDENTIAL_MISSING";
  w.advance(5min);
  const auto job = w.job(hers);
  CHECK(job.state == JobState::running);
  REQUIRE(job.live_attempt() != nullptr);
  CHECK(job.live_attempt()->unknown_since.has_value());
  CHECK(job.live_attempt()->reason.code == "CREDENTIAL_MISSING");
  CHECK_FALSE(w.job(his).live_attempt()->unknown_since.has_value());
  REQUIRE(w.run_to_end({his}, 30min));
  CHECK(w.report("alpha").breaker == Breaker::State::closed);
  CHECK(w.report("alpha").state.health == domain::SiteHealth::up);
  w.advance(1h);
  CHECK(w.job(hers).live_attempt()->unknown_since.has_value());
  here.locked_out.clear();
  REQUIRE(w.run_to_end({hers}, 5min));
  CHECK(w.state(hers) == JobState::succeeded);
  w.check_budgets();
}

TEST_CASE("a way that has come about again lets a site that is left alone be probed at once", "[engine]") {
  const bool told = GENERATE(false, true);
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1min);
  w.site("alpha").faults.down = true;
  REQUIRE(w.until([&] { return w.report("alpha").breaker == Breaker::State::open; }, 20min));
  w.advance(10min);  // the probes are two minutes apart by now
  const auto before = w.count("alpha", "snapshot");
  REQUIRE(w.until([&] { return w.count("alpha", "snapshot") > before; }, 5min));
  w.advance(5s);  // the last one has just gone
  w.site("alpha").faults.down = false;
  const auto from = w.time.now_monotonic();
  if (told) w.gate().way_is_back.at("alpha")();
  REQUIRE(w.until([&] { return w.report("alpha").breaker == Breaker::State::closed; }, 5min));
  CHECK((w.time.now_monotonic() - from <= 5s) == told);
  w.check_budgets();
}

TEST_CASE("a way that comes and goes costs a site no more than its budget", "[engine]") {
  World w({{.id = "alpha", .cores = 4, .budget = {.queries_per_minute = 6}}});
  w.advance(1min);
  w.site("alpha").faults.down = true;
  REQUIRE(w.until([&] { return w.report("alpha").breaker == Breaker::State::open; }, 20min));
  for (int i = 0; i < 300; ++i) {
    w.gate().way_is_back.at("alpha")();
    w.advance(1s);
  }
  CHECK(w.report("alpha").breaker == Breaker::State::open);
  w.check_budgets();
}

}  // namespace hansa::engine::test
