// SPDX-License-Identifier: Apache-2.0
// Whoever holds the fence is the attempt's job (ADR 0008).

#include "connectors/model/behaviour.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

namespace hansa::engine::test {

using domain::CancelOutcome;

namespace {

/// The job's submission reaches the site twice; the receipt is that of the second, and the first has the fence.
JobId taken_twice(World& w, const std::string& behaviour) {
  w.advance(1s);
  w.site("alpha").faults.latency = 6s;
  const auto id = w.submit({.behaviour = behaviour});
  w.advance(1s);
  REQUIRE(w.state(id) == JobState::submitting);
  const auto payload = connectors::model::parse_behaviour("#model " + behaviour);
  REQUIRE(payload);
  REQUIRE(w.cluster("alpha").submit({.name = domain::make_tag(id, 1).str(),
                                     .account = LocalAccount("alice"),
                                     .singleton = true,
                                     .fenced = true,
                                     .behaviour = *payload}));
  w.advance(10s);
  w.site("alpha").faults.latency = 0s;
  REQUIRE(w.job(id).attempts.at(0).site_job_id == SiteJobId("2"));
  return id;
}

}  // namespace

TEST_CASE("a submission that the site took twice has the end of the one that ran", "[engine]") {
  World w({{.id = "alpha"}});
  const auto id = taken_twice(w, "run=120s");
  REQUIRE(w.run_to_end({id}, 20min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.payload_runs(id) == 1);
  CHECK(w.job(id).attempts.at(0).site_job_id == SiteJobId("1"));
  REQUIRE(w.events_of<domain::SightingQuarantined>(id).size() == 1);
  CHECK(w.events_of<domain::SightingQuarantined>(id)[0].site_job_id == SiteJobId("2"));
  w.advance(10min);
  const auto usage = w.usage(id);
  REQUIRE(usage.size() == 2);  // the duplicate's wrapper is on the bill too
  CHECK(std::ranges::count_if(usage, [](const auto& record) { return record.elapsed == 120s; }) == 1);
}

TEST_CASE("a cancel stops the submission that runs, whichever was bound", "[engine]") {
  World w({{.id = "alpha"}});
  const auto id = taken_twice(w, "run=1800s");
  REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  REQUIRE(w.run_to_end({id}, 20min));
  CHECK(w.state(id) == JobState::cancelled);
  CHECK(w.job(id).cancel->outcome == CancelOutcome::stopped);
  for (const auto& job : w.cluster("alpha").jobs()) CHECK(job.site_state == "CANCELLED");
}

TEST_CASE("a job that its site has forgotten before it started goes again", "[engine]") {
  World w({{.id = "alpha", .cores = 1}});
  w.advance(1s);
  const auto first = w.submit({.behaviour = "run=600s"});
  w.advance(5s);
  const auto second = w.submit({.behaviour = "run=30s"});
  w.advance(1s);
  REQUIRE(w.state(second) == JobState::queued);
  w.cluster("alpha").restart_controller(2s);
  REQUIRE(w.run_to_end({first, second}, 30min));
  CHECK(w.state(first) == JobState::succeeded);
  CHECK(w.state(second) == JobState::succeeded);
  CHECK(w.job(second).attempts.at(0).sealed);
  CHECK(w.job(second).attempts.size() == 2);
  CHECK(w.payload_runs(second) == 1);
}

TEST_CASE("a job that had started when its site forgot it is unknown until a person ends it", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=600s"});
  w.advance(5s);
  REQUIRE(w.state(id) == JobState::running);
  w.cluster("alpha").restart_controller(10s);
  w.advance(1h);
  CHECK(w.state(id) == JobState::running);
  CHECK(w.job(id).attempts.at(0).reason.code == "RAN_UNSEEN");
  const auto asked = w.time.now_monotonic();
  w.advance(1h);
  CHECK(w.count("alpha", "find", asked) == 0);  // the status poll goes on, nobody searches any more
  REQUIRE(w.ask(w.engine().resolve_lost(id, Principal("local:root"), "the site has no record of it")));
  CHECK(w.state(id) == JobState::lost);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("what was given up does not start when its site is back", "[engine]") {
  World w({{.id = "alpha", .cores = 1}});
  w.advance(1s);
  const auto running = w.submit({.behaviour = "run=3000s"});
  const auto waiting = w.submit({.behaviour = "run=30s"});
  w.advance(10s);
  w.site("alpha").faults.down = true;
  for (const auto& id : {running, waiting}) REQUIRE(w.ask(w.engine().resolve_lost(id, Principal("local:root"), "gone for good")));
  w.advance(10min);
  w.site("alpha").faults.down = false;
  w.advance(3h);
  CHECK(w.payload_runs(running) == 1);
  CHECK(w.payload_runs(waiting) == 0);
  CHECK(w.usage(running).size() == 1);  // it went on to its end, and is on the bill
  CHECK(w.state(running) == JobState::lost);
}

TEST_CASE("with a full store what is to be written with a decision does not grow", "[engine]") {
  connectors::model::ClusterOptions busy{.name = "alpha", .node_groups = {{.count = 2, .cores = 2}}};
  busy.background = {{.every = 40s, .run = 30s, .time_limit = 100s}};
  World w({{.id = "alpha", .cluster = busy}});
  w.advance(1s);
  const auto before = w.submit({.behaviour = "run=20s"});
  w.gate().full = true;
  w.advance(12h);
  std::size_t most = 0;
  w.gate().recorded = [&](const ports::JobChange& change) { most = std::max(most, change.documents.size()); };
  w.gate().full = false;
  const auto after = w.submit({.behaviour = "run=20s"});
  REQUIRE(w.run_to_end({before, after}, 1h));
  CHECK(most > 0);
  CHECK(most < 300);  // those of two snapshots, not of twelve hours
}

}  // namespace hansa::engine::test
