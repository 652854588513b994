// SPDX-License-Identifier: Apache-2.0
// What survives the broker's death, a full disk, a second broker.
#include "broker/domain/transition.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

using namespace hansa;
using namespace hansa::engine::test;

namespace {

/// One short day with a bit of everything. The client repeats what was not answered, as `hansa` does, under the same key.
struct Day {
  explicit Day(World& world) : w(world) {}

  std::optional<JobId> submit(const std::string& key, const Wish& wish) {
    auto keyed = wish;
    keyed.key = key;
    for (int tries = 0; tries < 4; ++tries) {
      const auto accepted = w.try_submit({keyed});
      if (accepted) return accepted->jobs.at(0).id;
      if (!w.dead()) return std::nullopt;
      w.restart();
    }
    return std::nullopt;
  }
  void live(Milliseconds time) {
    const auto end = w.time.now_monotonic() + time;
    while (w.time.now_monotonic() < end) {
      w.advance(end - w.time.now_monotonic());
      if (w.dead()) w.restart();
    }
  }

  void run() {
    w.site("alpha").faults.lose_submit_replies = 1;
    lost_reply = submit("a", {.behaviour = "run=20s", .sites = {"alpha"}});
    plain = submit("b", {.behaviour = "run=20s"});
    failing = submit("c", {.behaviour = "run=5s exit=3"});
    live(10s);
    cancelled = submit("d", {.behaviour = "run=3600s"});
    live(20s);
    REQUIRE(cancelled);
    for (int tries = 0; tries < 3; ++tries) {
      if (w.ask(w.engine().cancel(*cancelled, kAlice)) || !w.dead()) break;
      w.restart();
    }
    live(20min);
  }

  World& w;
  std::optional<JobId> lost_reply, plain, failing, cancelled;
};

void check_day(World& w, const Day& day) {
  REQUIRE(day.plain);
  REQUIRE(day.lost_reply);
  REQUIRE(day.failing);
  CHECK(w.state(*day.plain) == JobState::succeeded);
  CHECK(w.state(*day.lost_reply) == JobState::succeeded);
  CHECK(w.state(*day.failing) == JobState::failed);
  CHECK(w.job(*day.failing).exit_code == 3);
  CHECK(w.state(*day.cancelled) == JobState::cancelled);
  for (const auto& id : {*day.plain, *day.lost_reply, *day.failing}) {
    CHECK(w.payload_runs(id) == 1);
    std::size_t booked = 0;
    for (const auto& record : w.usage(id)) booked += record.started_at ? 1 : 0;
    CHECK(booked == 1);
  }
  CHECK(w.payload_runs(*day.cancelled) <= 1);
  for (const auto& id : {*day.plain, *day.lost_reply, *day.failing, *day.cancelled}) {
    const auto replayed = domain::replay(id, w.job(id).epoch, w.events(id));
    REQUIRE(replayed);
    CHECK(*replayed == w.job(id));
  }
}

std::vector<SiteOptions> two_of_two_cores() { return {{.id = "alpha", .cores = 2}, {.id = "beta", .cores = 2}}; }

}  // namespace

TEST_CASE("a restart begins no new minute of a site's budget") {
  World w({{.id = "alpha", .budget = {.queries_per_minute = 4, .submits_per_minute = 3, .cancels_per_minute = 2}}});
  w.start();
  std::vector<JobId> jobs;
  for (int life = 0; life < 12; ++life) {
    jobs.push_back(w.submit({.behaviour = "run=5s"}));
    if (life % 2 == 1) (void)w.ask(w.engine().cancel(jobs.back(), kAlice));
    w.advance(7s);
    w.restart();
  }
  REQUIRE(w.run_to_end(jobs));
  CHECK(w.count("alpha", "snapshot", MonotonicTime{}) >= 5);
  w.check_budgets();
}

TEST_CASE("a crash at any commit loses nothing and runs nothing twice", "[engine][histories]") {
  std::int64_t writes = 0;
  {
    World w(two_of_two_cores());
    w.advance(1s);
    Day day(w);
    day.run();
    check_day(w, day);
    writes = w.gate().writes;
  }
  REQUIRE(writes > 20);
  for (const bool before : {false, true}) {
    for (std::int64_t k = 1; k <= writes; ++k) {
      INFO("crash " << (before ? "before" : "after") << " write " << k << " of " << writes);
      World w(two_of_two_cores());
      w.gate().die_at_write = k;
      w.gate().die_before = before;
      w.advance(1s);
      if (w.dead()) w.restart();
      Day day(w);
      day.run();
      check_day(w, day);
    }
  }
}

TEST_CASE("a broker that dies again and again still gets its jobs done", "[engine]") {
  World w(two_of_two_cores());
  w.advance(1s);
  const auto ids = w.submit(20, {.behaviour = "run=40s", .limit = 60s});
  for (int i = 0; i < 40; ++i) {
    w.advance(7s);
    w.restart();
  }
  REQUIRE(w.run_to_end(ids, 1h));
  for (const auto& id : ids) {
    CHECK(w.state(id) == JobState::succeeded);
    CHECK(w.payload_runs(id) == 1);
  }
}

TEST_CASE("a submission that outlives the broker is not sent again before it must be dead", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.submit_delay = 100s;
  const auto id = w.submit({.behaviour = "run=30s"});
  w.advance(5s);
  w.site("alpha").faults.submit_delay = 0s;
  w.restart();
  const auto restarted = w.time.now_monotonic();
  w.advance(50s);
  CHECK(w.count("alpha", "find", restarted) == 0);
  REQUIRE(w.run_to_end({id}, 20min));
  CHECK(w.count("alpha", "submit") == 1);
  CHECK(w.events_of<domain::AttemptBound>(id).at(0).adopted);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("after a resend a restart waits for the last child, not for the first", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.silent = true;
  w.submit();
  w.advance(65s);
  w.site("alpha").faults.silent = false;
  REQUIRE(w.until([&] { return w.count("alpha", "find") >= 3; }, 20min));
  w.site("alpha").faults.latency = 50s;  // the second send takes its time
  REQUIRE(w.until([&] { return w.count("alpha", "submit") == 2; }, 20min));
  w.restart();
  const auto restarted = w.time.now_monotonic();
  w.advance(55s);
  CHECK(w.count("alpha", "find", restarted) == 0);
}

TEST_CASE("bound, running and half-cancelled jobs go on after a restart", "[engine]") {
  World w({{.id = "alpha", .cores = 2}});
  w.advance(1s);
  const auto running = w.submit({.behaviour = "run=300s"});
  const auto doomed = w.submit({.behaviour = "run=3000s"});
  const auto queued = w.submit({.behaviour = "run=30s"});
  w.advance(20s);
  REQUIRE(w.state(running) == JobState::running);
  REQUIRE(w.state(queued) == JobState::queued);
  w.site("alpha").faults.silent = true;
  REQUIRE(w.ask(w.engine().cancel(doomed, kAlice)));
  w.advance(1s);
  w.crash();
  w.advance(0s);
  w.site("alpha").faults.silent = false;
  w.start();
  REQUIRE(w.run_to_end({running, doomed, queued}, 20min));
  CHECK(w.state(running) == JobState::succeeded);
  CHECK(w.state(queued) == JobState::succeeded);
  CHECK(w.state(doomed) == JobState::cancelled);
  CHECK(w.job(doomed).cancel->outcome == domain::CancelOutcome::stopped);
  for (const auto& id : {running, doomed, queued}) CHECK(w.payload_runs(id) == 1);
  CHECK(w.count("alpha", "submit") == 3);
}

TEST_CASE("refusals are remembered over a restart", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.refuse = "no";
  const auto id = w.submit();
  w.advance(50s);
  REQUIRE(w.count("alpha", "submit") == 1);
  w.restart();
  w.advance(2h);
  CHECK(w.state(id) == JobState::rejected);
  CHECK(w.count("alpha", "submit") == 3);
}

TEST_CASE("with a full store nothing acknowledged is lost and nothing is acknowledged", "[engine]") {
  World w({{.id = "alpha", .cores = 2}});
  w.advance(1s);
  const auto before = w.submit(3, {.behaviour = "run=60s"});
  w.advance(10s);
  w.gate().full = true;
  CHECK(w.try_submit({{}}).error().kind == ErrorKind::storage_full);
  CHECK(w.ask(w.engine().cancel(before[0], kAlice)).error().kind == ErrorKind::storage_full);
  w.advance(10min);
  CHECK(w.state(before[0]) == JobState::running);  // as far as could be written
  w.gate().full = false;
  REQUIRE(w.run_to_end(before, 10min));
  const auto after = w.submit({.behaviour = "run=5s"});
  REQUIRE(w.run_to_end({after}, 5min));
  for (const auto& id : before) {
    CHECK(w.state(id) == JobState::succeeded);
    CHECK(w.payload_runs(id) == 1);
  }
}

TEST_CASE("a receipt that cannot be stored is kept and bound when space returns", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.latency = 4s;
  const auto id = w.submit({.behaviour = "run=600s"});
  w.advance(1s);
  REQUIRE(w.state(id) == JobState::submitting);
  w.gate().full = true;
  w.advance(5min);
  CHECK(w.state(id) == JobState::submitting);
  w.gate().full = false;
  w.advance(20s);
  const auto bound = w.events_of<domain::AttemptBound>(id);
  REQUIRE(bound.size() == 1);
  CHECK_FALSE(bound[0].adopted);
  REQUIRE(w.run_to_end({id}, 20min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.count("alpha", "submit") == 1);
}

TEST_CASE("a replaced broker writes nothing more and does no harm at the sites", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.latency = 10s;
  const auto id = w.submit({.behaviour = "run=600s"});
  w.advance(2s);
  REQUIRE(w.state(id) == JobState::submitting);
  w.replace();  // another process has begun its epoch on the same store
  w.advance(1min);
  CHECK(w.job(id).attempts.at(0).site_job_id.empty());  // the old one's receipt was refused
  CHECK(w.count("alpha", "cancel") == 0);               // and its job left alone
  CHECK(w.try_submit({{}}).error().code == "STALE_EPOCH");
  CHECK(w.ask(w.engine().cancel(id, kAlice)).error().code == "STALE_EPOCH");
  w.site("alpha").faults.latency = 0s;
  w.restart();
  REQUIRE(w.run_to_end({id}, 30min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("jobs at a site that is no longer configured are unknown, not lost, and go on when it is back", "[engine]") {
  World w({{.id = "alpha"}, {.id = "beta"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=60s", .sites = {"alpha"}});
  const auto other = w.submit({.behaviour = "run=60s", .sites = {"alpha"}});
  w.advance(10s);
  w.drop_site("alpha");
  w.restart();
  w.advance(1h);
  CHECK(w.state(id) == JobState::running);
  CHECK(w.job(id).attempts[0].unknown_since.has_value());
  CHECK(w.job(id).attempts[0].reason.code == "SITE_GONE");
  CHECK(w.ask(w.engine().cancel(other, kAlice)));  // kept until the site can be asked
  CHECK_FALSE(w.over(other));
  w.add_site("alpha");
  w.restart();
  REQUIRE(w.run_to_end({id, other}, 10min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.job(other).cancel->outcome == domain::CancelOutcome::already_ended);
}

TEST_CASE("a job that asks for a site that is no longer configured is held until it is back", "[engine]") {
  World w({{.id = "alpha"}, {.id = "beta"}});
  w.advance(1s);
  REQUIRE(w.ask(w.engine().drain_site(SiteId("alpha"), "maintenance")));
  const auto id = w.submit({.sites = {"alpha"}});
  w.drop_site("alpha");
  w.restart();
  w.advance(2min);
  CHECK(w.state(id) == JobState::held);
  const auto why = w.ask(w.engine().explain(w.job(id)));
  REQUIRE(why);
  REQUIRE(why->verdicts.size() == 2);
  CHECK(why->verdicts[0].site == SiteId("alpha"));
  CHECK(why->verdicts[0].code == "SITE_UNKNOWN");
  CHECK(why->verdicts[1].code == "NOT_REQUESTED");
  w.add_site("alpha");
  w.restart();
  REQUIRE(w.ask(w.engine().resume_site(SiteId("alpha"))));
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.state(id) == JobState::succeeded);
}

TEST_CASE("the same key gives the same jobs, also after a restart", "[engine]") {
  World w({{.id = "alpha"}});
  const auto first = w.try_submit({{.key = "k"}, {.key = "k"}});
  REQUIRE(first);
  w.restart();
  const auto again = w.try_submit({{.key = "k"}, {.key = "k"}});
  REQUIRE(again);
  CHECK(again->repeated);
  REQUIRE(again->jobs.size() == 2);
  CHECK(again->jobs[0].id == first->jobs[0].id);
  REQUIRE(w.run_to_end({first->jobs[0].id, first->jobs[1].id}, 5min));
  CHECK(w.count("alpha", "submit") == 2);
}
