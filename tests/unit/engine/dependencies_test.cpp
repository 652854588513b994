// SPDX-License-Identifier: Apache-2.0
// Jobs that come after others: no site hears of one before those have succeeded, whatever happens to the broker meanwhile.
#include "tests/unit/engine/engine_fixture.hpp"

using namespace hansa;
using namespace hansa::engine::test;

namespace {

JobId submit_after(World& w, std::vector<JobId> after, const std::string& behaviour = "run=10s") {
  return w.submit({.behaviour = behaviour, .after = std::move(after)});
}

UtcTime start_of(World& w, const JobId& id) { return w.job(id).started_at.value(); }
UtcTime end_of(World& w, const JobId& id) { return w.job(id).ended_at.value(); }

}  // namespace

TEST_CASE("a chain runs in its order, over two sites, and nothing is sent before its turn", "[engine]") {
  World w({{.id = "alpha"}, {.id = "beta"}});
  w.advance(1s);
  const auto first = w.submit({.behaviour = "run=60s", .sites = {"alpha"}});
  const auto second = w.submit({.behaviour = "run=60s", .sites = {"beta"}, .after = {first}});
  const auto third = w.submit({.behaviour = "run=60s", .sites = {"alpha"}, .after = {second}});
  w.advance(30s);
  CHECK(w.state(first) == JobState::running);
  for (const auto& [id, before] : {std::pair{second, first}, std::pair{third, second}}) {
    const auto job = w.job(id);
    CHECK(job.state == JobState::held);
    CHECK(job.reason.code == "DEPENDENCY");
    CHECK_THAT(job.reason.message, Catch::Contains(before.str()));
  }
  CHECK(w.count("beta", "submit") == 0);
  REQUIRE(w.run_to_end({first, second, third}, 30min));
  CHECK(w.state(third) == JobState::succeeded);
  CHECK(start_of(w, second) >= end_of(w, first));
  CHECK(start_of(w, third) >= end_of(w, second));
  CHECK(w.job(second).attempts.at(0).intended_at >= end_of(w, first));
  CHECK(w.events_of<domain::Held>(second).size() == 1);  // and no word for each step of the others
}

TEST_CASE("a diamond: the last waits for both", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto top = w.submit({.behaviour = "run=10s"});
  const auto accepted = w.try_submit({{.behaviour = "run=30s", .after = {top}},
                                      {.behaviour = "run=300s", .after = {top}},
                                      {.behaviour = "run=10s", .after_earlier = {0, 1}}});
  REQUIRE(accepted);
  const auto left = accepted->jobs.at(0).id, right = accepted->jobs.at(1).id, bottom = accepted->jobs.at(2).id;
  CHECK(w.job(bottom).spec.after == std::vector{left, right});
  w.advance(150s);
  CHECK(w.state(left) == JobState::succeeded);
  CHECK(w.state(right) == JobState::running);
  CHECK(w.state(bottom) == JobState::held);
  REQUIRE(w.run_to_end({bottom}, 1h));
  CHECK(w.state(bottom) == JobState::succeeded);
  CHECK(start_of(w, bottom) >= end_of(w, right));
}

TEST_CASE("what comes after a job that does not succeed is cancelled, down the chain", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  JobId first;
  std::string how;
  SECTION("failed") {
    first = w.submit({.behaviour = "run=10s exit=3"});
    how = "failed";
  }
  SECTION("timed out") {
    first = w.submit({.behaviour = "run=600s", .limit = 60s});
    how = "timed_out";
  }
  SECTION("rejected") {
    first = w.submit({.behaviour = "run=10s", .tasks = 64});
    how = "rejected";
  }
  SECTION("cancelled in the broker") {
    first = w.submit({.behaviour = "run=10s"});
    REQUIRE(w.ask(w.engine().cancel(first, kAlice)));
    how = "cancelled";
  }
  const auto second = submit_after(w, {first});
  const auto third = submit_after(w, {second});
  const auto other = submit_after(w, {w.submit(), first});
  REQUIRE(w.run_to_end({second, third, other}, 1h));
  const auto job = w.job(second);
  CHECK(job.state == JobState::cancelled);
  CHECK(job.reason.code == "DEPENDENCY_NEVER_SATISFIED");
  CHECK_THAT(job.reason.message, Catch::Contains(first.str()) && Catch::EndsWith(how));
  CHECK(job.attempts.empty());
  CHECK(w.job(third).reason.code == "DEPENDENCY_NEVER_SATISFIED");
  CHECK_THAT(w.job(third).reason.message, Catch::Contains(second.str()));
  CHECK(w.state(other) == JobState::cancelled);

  // One that comes too late to be told.
  const auto late = submit_after(w, {first});
  REQUIRE(w.run_to_end({late}, 1min));
  CHECK(w.state(late) == JobState::cancelled);
}

TEST_CASE("a lost job is no success", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto first = w.submit({.behaviour = "run=600s"});
  const auto second = submit_after(w, {first});
  w.advance(30s);
  REQUIRE(w.ask(w.engine().resolve_lost(first, kAlice, "burnt down")));
  REQUIRE(w.run_to_end({second}, 1min));
  CHECK_THAT(w.job(second).reason.message, Catch::EndsWith("lost"));
}

TEST_CASE("what has succeeded already holds up nothing", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto first = w.submit();
  REQUIRE(w.run_to_end({first}));
  const auto second = submit_after(w, {first});
  w.advance(5s);
  CHECK(w.job(second).last_attempt() != nullptr);
  REQUIRE(w.run_to_end({second}, 5min));
  CHECK(w.events_of<domain::Held>(second).empty());
}

TEST_CASE("its user can cancel, hold and release what waits for others", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto first = w.submit({.behaviour = "run=120s"});
  const auto cancelled = submit_after(w, {first}), held = submit_after(w, {first}), released = submit_after(w, {first});
  const auto chained = submit_after(w, {cancelled});
  w.advance(5s);
  const auto over = w.ask(w.engine().cancel(cancelled, kAlice));
  REQUIRE(over);
  CHECK(over->state == JobState::cancelled);
  CHECK(over->reason.code == "CANCELLED");
  for (const auto& id : {held, released}) REQUIRE(w.ask(w.engine().hold(id)));
  const auto waits = w.ask(w.engine().release(released));
  REQUIRE(waits);
  CHECK(waits->state == JobState::held);
  CHECK(waits->reason.code == "DEPENDENCY");
  CHECK(w.ask(w.engine().release(released)).error().code == "NOT_HELD");
  w.advance(1s);
  CHECK(w.job(chained).reason.code == "DEPENDENCY_NEVER_SATISFIED");
  REQUIRE(w.run_to_end({first, released}, 30min));
  CHECK(w.state(released) == JobState::succeeded);
  CHECK(w.job(held).reason.code == "HELD_BY_USER");
  CHECK(w.job(held).attempts.empty());
  CHECK(w.ask(w.engine().release(held))->state == JobState::waiting);
  REQUIRE(w.run_to_end({held}, 30min));
  CHECK(w.state(held) == JobState::succeeded);
  CHECK(w.site_jobs("alpha", cancelled) == 0);
}

TEST_CASE("a restart between the end of one and the release of the next loses nothing", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const bool fails = GENERATE(false, true);
  const auto first = w.submit({.behaviour = fails ? "run=30s exit=1" : "run=30s"});
  const auto second = submit_after(w, {first});
  const auto by_user = submit_after(w, {first});
  const auto third = submit_after(w, {second});
  w.advance(5s);
  REQUIRE(w.ask(w.engine().hold(by_user)));
  // The end of the first is durable; the process dies before anything follows from it.
  const auto events = w.events(second).size();
  w.gate().passing = [&](const bottle::Point& point) {
    if (point.name() == (fails ? "ended.before" : "waiting.before")) w.gate().dead = true;
  };
  w.advance(10min);
  REQUIRE(w.dead());
  REQUIRE(w.over(first));
  REQUIRE(w.events(second).size() == events);
  w.restart();
  REQUIRE(w.run_to_end({second, third}, 30min));
  CHECK(w.state(second) == (fails ? JobState::cancelled : JobState::succeeded));
  CHECK(w.state(third) == (fails ? JobState::cancelled : JobState::succeeded));
  CHECK(w.payload_runs(second) == (fails ? 0 : 1));
  CHECK(w.state(by_user) == (fails ? JobState::cancelled : JobState::held));
  if (fails) return;
  CHECK(w.ask(w.engine().release(by_user))->state == JobState::waiting);
  REQUIRE(w.run_to_end({by_user}, 30min));
}

TEST_CASE("restarts while it waits, and a hundred to wait for", "[engine]") {
  World w({{.id = "alpha", .cores = 16}});
  w.advance(1s);
  const auto many = w.submit(100, {.behaviour = "run=20s"});
  const auto last = submit_after(w, many);
  w.advance(10s);
  CHECK_THAT(w.job(last).reason.message, Catch::Contains("and 97 more"));
  for (int i = 0; i < 10 && !w.over(last); ++i) {
    w.restart();
    w.advance(20s);
  }
  REQUIRE(w.run_to_end({last}, 2h));
  CHECK(w.state(last) == JobState::succeeded);
  for (const auto& id : many) CHECK(end_of(w, id) <= start_of(w, last));
  CHECK(w.payload_runs(last) == 1);
}

TEST_CASE("a request that comes after another's job, or after none, is refused whole", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto foreign = w.submit({.person = "local:bob"});
  const auto refused = w.try_submit({{.after_earlier = {}}, {.after = {foreign}}, {.after = {JobId()}}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "NO_SUCH_JOB");
  REQUIRE(refused.error().faults.size() == 2);
  CHECK(refused.error().faults[0].where == "/jobs/1/after");
  CHECK(refused.error().faults[1].where == "/jobs/2/after");
  CHECK(w.counters().accepted == 1);
}
