// SPDX-License-Identifier: Apache-2.0
// A decision as the store has it is taken again from what the store has, and is the same to the last byte.
#include "tests/unit/engine/engine_fixture.hpp"

using namespace hansa;
using namespace hansa::engine::test;

TEST_CASE("stored decisions are taken again from the store, bit for bit", "[engine]") {
  World w({{.id = "alpha", .cores = 4, .budget = {.waiting_jobs = 2}},
           {.id = "beta", .cores = 2, .budget = {.waiting_jobs = 2}},
           {.id = "gamma", .cores = 64}});
  w.advance(1min);
  w.site("gamma").faults.down = true;
  auto ids = w.submit(12, {.behaviour = "run=300s", .limit = 600s, .sites = {"alpha", "beta"}});  // placed, and in line
  const auto too_big = w.submit({.tasks = 999});
  w.advance(3min);
  ids.push_back(w.submit({.tasks = 16}));  // held: only gamma could
  w.advance(20min);                        // others of the line are placed, on newer snapshots
  w.restart();
  ids.push_back(w.submit({.behaviour = "run=10s"}));
  w.advance(5min);
  ids.push_back(too_big);
  std::set<std::string> codes;
  for (const auto& id : ids) {
    check_replay(w, id);
    codes.insert(w.decision(id).reason.code);
  }
  CHECK(codes == std::set<std::string>{"EARLIEST_START", "NO_SITE_EVER", "NO_SITE_NOW"});
}

TEST_CASE("jobs of one shape in line share one decision and its input", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}});
  w.advance(1s);
  const auto ids = w.submit(50, {.behaviour = "run=3600s"});
  w.advance(10s);
  std::set<std::string> inputs;
  for (const auto& id : ids) {
    if (w.state(id) != JobState::waiting) continue;
    inputs.insert(w.decision(id).input_hash);
    check_replay(w, id);
  }
  CHECK(inputs.size() == 1);
}

TEST_CASE("a job alone in its request is decided in the commit that accepts it", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}});
  w.advance(1min);
  std::vector<domain::Job> answered;
  for (int i = 0; i < 6; ++i) {
    const auto before = w.gate().writes;
    auto accepted = w.try_submit({{.behaviour = "run=3600s"}});
    REQUIRE(accepted);
    CHECK(accepted->jobs.at(0).version == 2);
    if (i >= 3) CHECK(w.gate().writes == before + 1);
    answered.push_back(accepted->jobs.at(0));
    w.advance(5s);
  }
  CHECK(answered.front().state == JobState::submitting);
  CHECK(w.job(answered.front().id).state == JobState::running);
  for (std::size_t i = 3; i < answered.size(); ++i) {  // the line has been told where it stands
    CHECK(answered[i].state == JobState::waiting);
    CHECK(w.job(answered[i].id) == answered[i]);
  }
  for (const auto& job : answered) check_replay(w, job.id);
}

TEST_CASE("a job that is not stored after all has no place", "[engine]") {
  World w({{.id = "alpha", .cores = 1}});
  w.advance(1min);
  w.gate().full = true;
  CHECK(w.try_submit({{.behaviour = "run=60s"}}).error().code == "STORAGE_FULL");
  w.gate().full = false;
  const auto id = w.submit({.behaviour = "run=60s"});
  REQUIRE(w.decision(id).verdicts.size() == 1);
  CHECK(w.decision(id).verdicts[0].wait == 0s);
  const auto more = w.submit(2, {.behaviour = "run=60s"});  // rounds go on
  CHECK(w.run_to_end({id, more[0], more[1]}, 10min));
}

TEST_CASE("a decision is replayed although the disk was full when it was first taken", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}});
  w.advance(1s);
  const auto ids = w.submit(3, {.behaviour = "run=600s", .limit = 900s});
  w.gate().full = true;
  w.advance(5min);  // several snapshots come and go meanwhile
  w.gate().full = false;
  w.advance(5min);
  for (const auto& id : ids) check_replay(w, id);
}
