// SPDX-License-Identifier: Apache-2.0
// What is seen of the sites: silence, requeues, usage; and what looking costs them.
#include "broker/domain/transition.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>
#include <iostream>

using namespace hansa;
using namespace hansa::engine::test;

TEST_CASE("jobs at a silent site are unknown, and have their own ends when it is back", "[engine]") {
  World w({{.id = "alpha", .cores = 2}, {.id = "beta", .cores = 2}});
  w.advance(1s);
  const auto good = w.submit({.behaviour = "run=600s", .sites = {"alpha"}});
  const auto bad = w.submit({.behaviour = "run=600s exit=7", .sites = {"alpha"}});
  const auto queued = w.submit({.behaviour = "run=60s", .sites = {"alpha"}});
  w.advance(30s);
  w.site("alpha").faults.silent = true;
  w.advance(5h);
  for (const auto& id : {good, bad, queued}) {
    CHECK_FALSE(w.over(id));
    REQUIRE(w.job(id).live_attempt() != nullptr);
    CHECK(w.job(id).live_attempt()->unknown_since.has_value());
    CHECK(w.events_of<domain::AttemptUnknown>(id).size() == 1);  // said once, not at every look
  }
  CHECK(w.report("alpha").our_unknown_jobs == 3);
  // Everybody else is served meanwhile, and at once.
  const auto now = w.time.now_monotonic();
  const auto other = w.submit({.behaviour = "run=5s"});
  CHECK(w.ask(w.engine().sites()));
  CHECK(w.ask(w.engine().explain(w.job(other))));
  CHECK(w.time.now_monotonic() == now);
  REQUIRE(w.run_to_end({other}, 2min));
  w.site("alpha").faults.silent = false;
  REQUIRE(w.run_to_end({good, bad, queued}, 10min));
  CHECK(w.state(good) == JobState::succeeded);
  CHECK(w.state(bad) == JobState::failed);
  CHECK(w.job(bad).exit_code == 7);
  CHECK(w.state(queued) == JobState::succeeded);
  for (const auto& id : {good, bad, queued, other}) CHECK(w.payload_runs(id) == 1);
  w.check_budgets();
}

TEST_CASE("a job that is not seen has not ended", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=60s"});
  w.advance(10s);
  w.retell = [](const std::string&, ports::JobStatus& status) { status = {.id = status.id}; };
  w.advance(5h);
  CHECK(w.state(id) == JobState::running);
  CHECK(w.job(id).attempts[0].unknown_since.has_value());
  CHECK(w.events_of<domain::AttemptUnknown>(id).size() == 1);
  w.retell = nullptr;
  REQUIRE(w.run_to_end({id}, 5min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.events_of<domain::AttemptSeenAgain>(id).size() <= 1);
}

TEST_CASE("a requeue is a new run of a job that allowed it, and the end of one that did not", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto allowed = w.submit({.behaviour = "run=120s", .requeue = true});
  const auto forbidden = w.submit({.behaviour = "run=120s"});
  w.advance(30s);
  for (const auto& id : {allowed, forbidden}) REQUIRE(w.cluster("alpha").requeue(w.job(id).attempts[0].site_job_id));
  REQUIRE(w.run_to_end({allowed, forbidden}, 10min));
  CHECK(w.state(allowed) == JobState::succeeded);
  CHECK(w.job(allowed).attempts[0].runs.size() == 2);
  CHECK(w.payload_runs(allowed) == 2);  // two runs, each once
  CHECK(w.state(forbidden) == JobState::failed);
  CHECK(w.job(forbidden).reason.code == "SITE_REQUEUED");
  CHECK(w.payload_runs(forbidden) == 1);
}

TEST_CASE("a node that fails ends the job, or gives it another run", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto again = w.submit({.behaviour = "run=60s node_fail=20s", .requeue = true});
  const auto once = w.submit({.behaviour = "run=60s node_fail=20s"});
  REQUIRE(w.run_to_end({again, once}, 10min));
  CHECK(w.state(again) == JobState::succeeded);
  CHECK(w.payload_runs(again) == 2);
  CHECK(w.state(once) == JobState::failed);
  CHECK(w.job(once).reason.code == "NODE_FAIL");
}

TEST_CASE("accounting that lags behind the queue is no requeue", "[engine]") {
  World w({{.id = "alpha", .cluster = {.name = {}, .node_groups = {}, .accounting_lag = 120s, .min_job_age = 0s}}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=60s"});
  REQUIRE(w.run_to_end({id}, 20min));
  CHECK(w.events_of<domain::RunRequeued>(id).empty());
  CHECK(w.state(id) == JobState::succeeded);
}

TEST_CASE("a job that by the site's word never started goes elsewhere, sealed", "[engine]") {
  World w({{.id = "alpha", .cores = 8}, {.id = "beta"}});
  w.advance(1s);
  bool running_too = false;
  w.retell = [&](const std::string& site, ports::JobStatus& status) {
    if (site == "alpha" && (status.phase == ports::Phase::queued) != running_too)
      status = {.id = status.id,
                .phase = ports::Phase::ended,
                .outcome = Outcome::never_started,
                .reason = {"BOOT_FAIL", "its nodes could not be started"}};
  };
  SECTION("true") {
    REQUIRE(w.cluster("alpha").options().node_groups.size() == 1);
    w.cluster("alpha").set_queue_up(QueueName("batch"), false);
    const auto id = w.submit({.behaviour = "run=30s"});
    REQUIRE(w.run_to_end({id}, 10min));
    REQUIRE(w.job(id).attempts.size() == 2);
    CHECK(w.job(id).attempts[0].sealed);
    CHECK(w.job(id).attempts[1].site == SiteId("beta"));
    w.cluster("alpha").set_queue_up(QueueName("batch"), true);
    w.advance(1h);
    CHECK(w.payload_runs(id, 1) == 0);
    CHECK(w.payload_runs(id, 2) == 1);
  }
  SECTION("not true: the payload had started") {
    running_too = true;
    const auto id = w.submit({.behaviour = "run=30s"});
    w.advance(10min);
    CHECK(w.job(id).attempts.size() == 1);
    CHECK(w.over(id));
    CHECK(w.payload_runs(id) == 1);
  }
}

TEST_CASE("usage is booked once, over restarts and when accounting lags", "[engine]") {
  World w({{.id = "alpha", .cores = 8, .cluster = {.name = {}, .node_groups = {}, .accounting_lag = 40s}}});
  w.advance(1s);
  std::vector<JobId> ids = w.submit(20, {.behaviour = "run=30s", .tasks = 2});
  for (int i = 0; i < 12; ++i) {
    w.advance(23s);
    w.restart();
  }
  REQUIRE(w.run_to_end(ids, 1h));
  w.advance(10min);
  for (const auto& id : ids) {
    const auto usage = w.usage(id);
    REQUIRE(usage.size() == 1);
    CHECK(usage[0].elapsed == 30s);
    CHECK(usage[0].core_seconds == CoreSeconds{60});
  }
}

TEST_CASE("usage that is read before its submission was found is not lost", "[engine]") {
  World w({{.id = "alpha", .budget = {.queries_per_minute = 30}}});
  w.advance(1s);
  w.site("alpha").faults.lose_submit_replies = 1;
  const auto id = w.submit({.behaviour = "run=5s"});
  const auto other = w.submit({.behaviour = "run=10s"});  // its end lets the accounting be read soon
  REQUIRE(w.run_to_end({other}, 1min));
  REQUIRE(w.until([&] { return w.count("alpha", "usage") >= 2; }, 40s));
  REQUIRE(w.state(id) == JobState::submitting);
  REQUIRE(w.run_to_end({id}, 10min));
  w.advance(10min);
  CHECK(w.usage(id).size() == 1);
  CHECK(w.usage(other).size() == 1);
}

TEST_CASE("short jobs, one after the other, are each seen to end at once", "[engine]") {
  World w({{.id = "alpha", .budget = {.queries_per_minute = 10}}});
  w.advance(2min);  // what a new broker asks is behind
  for (int i = 0; i < 2; ++i) {
    const auto id = w.submit({.behaviour = "run=1s"});
    CHECK(w.until([&] { return w.over(id); }, 5s));
  }
  w.check_budgets();
}

TEST_CASE("many short jobs are looked at steadily, until the last is seen to end", "[engine][costly]") {
  World w({{.id = "alpha", .cores = 4, .budget = {.queries_per_minute = 60, .submits_per_minute = 600}}});
  w.advance(2min);
  const auto ids = w.submit(300, {.behaviour = "run=1s"});
  int seconds = 0;
  int most = 0;
  for (int without = 0; !w.all_over(ids) && seconds < 300; ++seconds) {
    const auto from = w.time.now_monotonic();
    w.advance(1s);
    without = w.count("alpha", "status", from) > 0 ? 0 : without + 1;
    most = std::max(most, without);
  }
  CHECK(seconds < 130);  // 75 s of work for four cores
  CHECK(most <= 3);
  w.check_budgets();
}

TEST_CASE("looking at a site costs the same for ten jobs and for ten thousand", "[engine][costly]") {
  std::map<int, int> queries;
  for (const int jobs : {10, 1'000, 10'000}) {
    World w({{.id = "alpha",
              .cores = 12'000,
              .budget = {.queries_per_minute = 10, .submits_per_minute = 6'000, .waiting_jobs = 20'000}}});
    w.advance(1s);
    std::vector<JobId> ids;
    for (int left = jobs; left > 0; left -= 1'000) {
      const auto some = w.submit(std::min(left, 1'000), {.behaviour = "run=7200s", .limit = 7'200s});
      ids.insert(ids.end(), some.begin(), some.end());
    }
    REQUIRE(w.until([&] { return w.report("alpha").our_live_jobs == jobs && w.report("alpha").our_waiting_jobs == 0; }, 1h));
    w.advance(5min);
    const auto from = w.time.now_monotonic();
    w.advance(20min);
    CHECK(w.state(ids.back()) == JobState::running);
    queries[jobs] = w.count("alpha", "*", from);
    std::cout << jobs << " active jobs: " << queries[jobs] << " calls to their site in 20 minutes ("
              << w.count("alpha", "status", from) << " for the jobs' states, " << w.count("alpha", "snapshot", from)
              << " snapshots, " << w.count("alpha", "usage", from) << " for the accounting)\n";
    if (jobs <= 1'000) {
      w.advance(3h);
      CHECK(w.all_over(ids));
    }
    w.check_budgets();
  }
  CHECK(queries[1'000] <= queries[10] + 2);
  CHECK(queries[10'000] <= queries[10] + 2);
  CHECK(queries[10] <= 20 * 4);
}

TEST_CASE("the smallest budgets are kept, and jobs still end", "[engine]") {
  for (const int queries : {1, 2, 3}) {
    INFO(queries << " queries a minute");
    World w({{.id = "alpha",
              .cores = 4,
              .budget = {.queries_per_minute = queries,
                         .submits_per_minute = 1,
                         .cancels_per_minute = 1,
                         .concurrent_calls = 1,
                         .waiting_jobs = 1}}});
    w.site("alpha").faults.latency = 2s;
    auto ids = w.submit(6, {.behaviour = "run=20s"});
    const auto doomed = w.submit(3, {.behaviour = "run=7200s", .limit = 10'000s});
    CHECK(w.run_to_end(ids, 2h));
    w.advance(20min);
    for (const auto& id : doomed) CHECK(w.ask(w.engine().cancel(id, Principal("local:alice"))));
    CHECK(w.run_to_end(doomed, 2h));
    w.check_budgets();
  }
}

TEST_CASE("budgets hold in a storm: lost receipts, cancels, an impatient crowd", "[engine][T25]") {
  World w({{.id = "alpha",
            .cores = 64,
            .budget = {.queries_per_minute = 6,
                       .submits_per_minute = 30,
                       .cancels_per_minute = 5,
                       .concurrent_calls = 2,
                       .waiting_jobs = 20}}});
  w.advance(1s);
  w.site("alpha").faults.lose_submit_replies = 10;
  w.site("alpha").faults.latency = 1s;
  const auto ids = w.submit(60, {.behaviour = "run=300s"});
  w.advance(2min);
  for (std::size_t i = 0; i < ids.size(); i += 3) (void)w.ask(w.engine().cancel(ids[i], Principal("local:alice")));
  REQUIRE(w.run_to_end(ids, 3h));
  for (const auto& id : ids) CHECK(w.payload_runs(id) <= 1);
  w.check_budgets();
}

TEST_CASE("a site that answers slowly delays nobody else", "[engine]") {
  World w({{.id = "alpha", .cores = 4}, {.id = "beta", .cores = 4}});
  w.advance(1s);
  w.site("alpha").faults.latency = 50s;
  const auto ids = w.submit(8, {.behaviour = "run=5s", .sites = {"beta"}});
  const auto slow = w.submit(4, {.behaviour = "run=5s", .sites = {"alpha"}});
  REQUIRE(w.run_to_end(ids, 1min));
  REQUIRE(w.run_to_end(slow, 30min));
  for (const auto& id : slow) CHECK(w.payload_runs(id) == 1);
}
