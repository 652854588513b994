// SPDX-License-Identifier: Apache-2.0
// What a site gives is read back and compared with what was asked for; what would be charged to somebody else is taken back.
#include "broker/domain/transition.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::engine::test;
using connectors::model::ClusterRequest;
using connectors::model::ClusterState;
using domain::AttemptGranted;

namespace {

using Rule = std::function<void(ClusterRequest&)>;

SiteOptions ruled(Rule rule, std::string id = "alpha", std::int32_t cores = 4) {
  SiteOptions site{.id = std::move(id), .cores = cores};
  site.cluster.on_submission = std::move(rule);
  site.scheduler_accounts = {{ProjectId("lab"), "lab-1"}};
  return site;
}

void charge_others(ClusterRequest& request) {
  if (request.fenced) request.scheduler_account = "others";
}

/// One core, taken for a while, so that what comes after waits.
struct Busy {
  explicit Busy(Rule rule)
      : w({ruled(
            [this](ClusterRequest& r) {
              if (now) now(r);
            },
            "alpha", 1)}) {
    w.advance(1s);
    blocker = w.submit({.behaviour = "run=1200s", .limit = 1800s});
    w.advance(10s);
    now = std::move(rule);
  }
  Rule now;
  World w;
  JobId blocker;
};

void check_events(World& w, const JobId& id) {
  const auto job = w.job(id);
  const auto replayed = domain::replay(id, job.epoch, w.events(id));
  REQUIRE(replayed);
  CHECK(*replayed == job);
}

}  // namespace

TEST_CASE("what the site gives is on record once, as it is told", "[grants]") {
  World w({ruled({})});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=300s", .tasks = 2});
  w.advance(4min);
  const auto told = w.events_of<AttemptGranted>(id);
  REQUIRE(told.size() == 1);
  CHECK(told[0].reason.code.empty());
  CHECK(told[0].grant.cores == 2);
  CHECK(told[0].grant.account == "lab-1");
  CHECK(told[0].grant.time_limit == 3600s);
  CHECK(w.job(id).reason.code.empty());
  REQUIRE(w.run_to_end({id}));
  CHECK(w.events_of<AttemptGranted>(id).size() == 1);
  check_events(w, id);
}

TEST_CASE("a job that ended between two looks has its grant on record as well", "[grants]") {
  World w({ruled({})});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=0s"});
  REQUIRE(w.run_to_end({id}));
  CHECK(w.events_of<AttemptGranted>(id).size() == 1);
  CHECK(w.job(id).attempts[0].granted->queue == QueueName("batch"));
}

TEST_CASE("a site that cuts the time is an event, and the job says so while it waits and while it runs", "[grants]") {
  Busy b([](ClusterRequest& request) { request.time_limit = 600s; });
  const auto id = b.w.submit({.behaviour = "run=300s", .limit = 3600s});
  b.w.advance(90s);
  REQUIRE(b.w.state(id) == JobState::queued);
  CHECK(b.w.job(id).reason.code == domain::kGrantedLess);
  CHECK(b.w.job(id).reason.message == "site alpha has changed what was asked for: it gives a time limit of 10m, not 1h");
  REQUIRE(b.w.until([&] { return b.w.state(id) == JobState::running; }));
  CHECK(b.w.job(id).reason.code == domain::kGrantedLess);
  REQUIRE(b.w.run_to_end({id}));
  CHECK(b.w.state(id) == JobState::succeeded);
  CHECK(b.w.events_of<AttemptGranted>(id).size() == 1);
  CHECK(b.w.count("alpha", "cancel") == 0);
  check_events(b.w, id);
}

TEST_CASE("what would be charged to somebody else is taken back before it starts and held until a person lets it go",
          "[grants][T10]") {
  Busy b(charge_others);
  const auto id = b.w.submit({.behaviour = "run=60s"});
  b.w.advance(3min);
  auto job = b.w.job(id);
  CHECK(job.state == JobState::held);
  CHECK(job.held_by_user);
  CHECK(job.reason.code == domain::kOtherAccount);
  INFO(job.reason.message);
  CHECK(job.reason.message.contains("account others, not lab-1"));
  CHECK(job.reason.message.contains("hansa release " + id.str()));
  REQUIRE(job.attempts.size() == 1);
  CHECK(job.attempts[0].outcome == Outcome::never_started);
  CHECK(job.attempts[0].sealed);
  CHECK(b.w.cluster("alpha").jobs().back().state == ClusterState::ended);
  const auto cancels = b.w.count("alpha", "cancel");
  CHECK(cancels == 1);
  b.w.advance(6h);  // nobody but a person changes that
  CHECK(b.w.state(id) == JobState::held);
  CHECK(b.w.payload_runs(id) == 0);
  check_events(b.w, id);

  b.now = {};
  REQUIRE(b.w.ask(b.w.engine().release(id)));
  REQUIRE(b.w.run_to_end({id}));
  job = b.w.job(id);
  CHECK(job.state == JobState::succeeded);
  CHECK(job.attempts.size() == 2);
  CHECK(b.w.payload_runs(id) == 1);
  check_events(b.w, id);
}

TEST_CASE("what runs already is left alone, and says who is charged", "[grants]") {
  auto site = ruled(charge_others);
  site.cluster.scheduling_delay = 0s;  // it has started before anybody looks
  World w({site});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=300s"});
  w.advance(90s);
  REQUIRE(w.state(id) == JobState::running);
  CHECK(w.job(id).reason.code == domain::kOtherAccount);
  REQUIRE(w.run_to_end({id}));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.count("alpha", "cancel") == 0);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("a job is taken back whenever the process dies on the way, and whatever it does not hear", "[grants]") {
  const std::string point =
      GENERATE(as<std::string>(), "attempt_granted.before", "attempt_granted.after", "seal.before", "seal.after", "cancel.before",
               "cancel.after", "never_started.before", "never_started.after");
  Busy b(charge_others);
  bool died = false;
  const auto arm = [&] {
    b.w.gate().passing = [&](const bottle::Point& at) {
      if (died || at.name() != point) return;
      died = b.w.gate().dead = true;
    };
  };
  arm();
  const auto id = b.w.submit({.behaviour = "run=60s"});
  for (int i = 0; i < 20 && !died; ++i) b.w.advance(30s);
  REQUIRE(died);
  b.w.restart();
  b.w.advance(5min);
  INFO(point);
  CHECK(b.w.state(id) == JobState::held);
  CHECK(b.w.payload_runs(id) == 0);
  CHECK(b.w.job(id).reason.code == domain::kOtherAccount);
  check_events(b.w, id);
}

TEST_CASE("an array that would be charged to somebody else is taken back whole", "[grants]") {
  Busy b(charge_others);
  const bool without_a_task = GENERATE(false, true);
  if (without_a_task) b.w.site("alpha").faults.down = true;
  const auto id = b.w.submit({.behaviour = "run=60s", .array = "0-3"});
  if (without_a_task) {
    b.w.advance(2min);
    REQUIRE(b.w.ask(b.w.engine().cancel_tasks(id, kAlice, {2})));
    b.w.site("alpha").faults.down = false;
    b.w.advance(2min);
  }
  b.w.advance(3min);
  CHECK(b.w.state(id) == JobState::held);
  CHECK(b.w.job(id).reason.code == domain::kOtherAccount);
  CHECK(b.w.payload_runs(id) == 0);
  CHECK(b.w.count("alpha", "cancel") == 1);
  CHECK(b.w.events_of<AttemptGranted>(id).size() == 1);
}

TEST_CASE("a cancel that comes while a job is taken back ends it", "[grants]") {
  Busy b(charge_others);
  b.w.site("alpha").faults.mute = false;
  const auto id = b.w.submit({.behaviour = "run=60s"});
  REQUIRE(b.w.until([&] { return !b.w.events_of<AttemptGranted>(id).empty(); }, 5min));
  REQUIRE(b.w.ask(b.w.engine().cancel(id, kAlice)));
  REQUIRE(b.w.run_to_end({id}));
  CHECK(b.w.state(id) == JobState::cancelled);
  CHECK(b.w.payload_runs(id) == 0);
  check_events(b.w, id);
}

TEST_CASE("a job of its own nodes waits for one that is free, and is charged for all of it", "[grants]") {
  SiteOptions site{.id = "alpha"};
  site.cluster.node_groups = {{.count = 2, .cores = 4}};
  World w({site});
  w.advance(1s);
  const auto small = w.submit({.behaviour = "run=200s", .limit = 600s});
  w.advance(5s);
  const auto whole = w.submit({.behaviour = "run=500s", .limit = 600s, .exclusive = true});
  w.advance(60s);
  const auto beside = w.submit({.behaviour = "run=100s", .tasks = 3, .limit = 600s});
  w.advance(60s);
  CHECK(w.state(whole) == JobState::running);
  CHECK(w.job(whole).attempts[0].granted->exclusive == true);
  CHECK(w.job(whole).attempts[0].granted->cores == 4);
  const auto second = w.submit({.behaviour = "run=10s", .limit = 600s, .exclusive = true});  // both nodes have something on them
  w.advance(60s);
  CHECK(w.state(second) != JobState::running);
  REQUIRE(w.run_to_end({small, whole, beside, second}));
  w.advance(10min);
  REQUIRE(w.usage(whole).size() == 1);
  CHECK(w.usage(whole)[0].cores == 4);
  CHECK(w.usage(whole)[0].core_seconds.value == 4 * w.usage(whole)[0].elapsed.count());
  CHECK(w.usage(beside)[0].cores == 3);
  // Nobody was on its node meanwhile.
  const auto& jobs = w.cluster("alpha").jobs();
  const auto alone = std::ranges::find(jobs, w.job(second).attempts.back().site_job_id, &connectors::model::ClusterJob::id);
  REQUIRE(alone != jobs.end());
  for (const auto& other : jobs) {
    if (other.id == alone->id || !other.started_at) continue;
    const bool shares = std::ranges::any_of(other.shares, [&](const auto& s) { return s.node == alone->shares[0].node; });
    if (shares) CHECK((*other.ended_at <= *alone->started_at || *other.started_at >= *alone->ended_at));
  }
}
