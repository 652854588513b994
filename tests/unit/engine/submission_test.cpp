// SPDX-License-Identifier: Apache-2.0
// At least once per job, at most once per run: what is sent, looked for, adopted, sent again, sealed, quarantined.
#include "broker/domain/transition.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

using namespace hansa;
using namespace hansa::engine::test;
using domain::AttemptState;

namespace {

Tag first_tag(const JobId& id) { return domain::make_tag(id, 1); }

}  // namespace

TEST_CASE("a lost receipt is looked for, adopted, and never sent twice", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.lose_submit_replies = 1;
  const auto id = w.submit({.behaviour = "run=300s"});
  w.advance(5s);
  const auto unknown = w.job(id);
  CHECK(unknown.state == JobState::submitting);
  REQUIRE(unknown.live_attempt() != nullptr);
  CHECK(unknown.live_attempt()->state == AttemptState::sent);
  CHECK(unknown.live_attempt()->unknown_since.has_value());
  CHECK(w.report("alpha").our_unknown_jobs == 1);
  REQUIRE(w.run_to_end({id}, 20min));
  const auto bound = w.events_of<domain::AttemptBound>(id);
  REQUIRE(bound.size() == 1);
  CHECK(bound[0].adopted);
  CHECK(w.state(id) == JobState::succeeded);
  CHECK_FALSE(w.job(id).attempts[0].unknown_since);
  CHECK(w.job(id).attempts[0].sends == 1);
  CHECK(w.count("alpha", "submit") == 1);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("nothing is looked for while the submitting child may live", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.lose_submit_replies = 1;
  w.submit();
  const auto sent = w.time.now_monotonic();
  w.advance(59s);
  CHECK(w.count("alpha", "find") == 0);
  w.advance(10s);
  CHECK(w.count("alpha", "find") >= 1);
  CHECK(w.calls.back().at - sent >= 0s);
}

TEST_CASE("a submission that the site never got is looked for twice, past the window, then sent again under its tag",
          "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.silent = true;
  const auto id = w.submit();
  const auto sent = w.time.now_monotonic();
  w.advance(60s);
  w.site("alpha").faults.silent = false;
  REQUIRE(w.until([&] { return w.count("alpha", "submit") == 2; }, 20min));
  const auto again = w.calls.back().at;
  CHECK(again - sent >= 60s + 180s);  // the client's death, then the window
  CHECK(w.count("alpha", "find") >= 2);
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.job(id).attempts.size() == 1);
  CHECK(w.job(id).attempts[0].sends == 2);
  CHECK(w.events_of<domain::AttemptResent>(id).size() == 1);
  CHECK(w.site_jobs("alpha", id) == 1);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("what the site accepts after everybody gave up never runs once the job has moved", "[engine]") {
  World w({{.id = "alpha", .cores = 8}, {.id = "beta", .cores = 4}});
  w.advance(1s);
  w.site("alpha").faults.submit_delay = 3h;
  w.site("beta").faults.submit_delay = 0s;
  const auto id = w.submit({.behaviour = "run=30s"});
  w.advance(1min);
  REQUIRE(w.job(id).live_attempt() != nullptr);
  REQUIRE(w.job(id).live_attempt()->site == SiteId("alpha"));
  REQUIRE(w.run_to_end({id}, 2h));
  CHECK(w.state(id) == JobState::succeeded);
  const auto job = w.job(id);
  REQUIRE(job.attempts.size() == 2);
  CHECK(job.attempts[0].sealed);
  CHECK(job.attempts[0].outcome == Outcome::never_started);
  CHECK(job.attempts[0].sends == 3);
  CHECK(job.attempts[1].site == SiteId("beta"));
  w.advance(6h);  // the late ones arrive
  CHECK(w.site_jobs("alpha", id) == 3);
  CHECK(w.payload_runs(id, 1) == 0);
  CHECK(w.payload_runs(id, 2) == 1);
  CHECK(w.state(id) == JobState::succeeded);
}

TEST_CASE("a refusal is sealed at once and another site is tried", "[engine]") {
  World w({{.id = "alpha", .cores = 8}, {.id = "beta", .cores = 4}});
  w.advance(1s);
  w.site("alpha").faults.refuse = "Job violates accounting policy";
  const auto id = w.submit({.behaviour = "run=30s"});
  REQUIRE(w.run_to_end({id}, 3min));
  const auto job = w.job(id);
  CHECK(job.state == JobState::succeeded);
  REQUIRE(job.attempts.size() == 2);
  CHECK(job.attempts[0].site == SiteId("alpha"));
  CHECK(job.attempts[0].sealed);
  CHECK(job.attempts[0].reason.code == "SITE_REFUSED");
  CHECK(job.attempts[0].reason.message.find("accounting policy") != std::string::npos);
  CHECK(job.attempts[1].site == SiteId("beta"));
  CHECK(w.count("alpha", "seal") == 1);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("a job that every site refuses ends, and nobody is asked in a hot loop", "[engine]") {
  World w({{.id = "alpha"}, {.id = "beta"}});
  w.advance(1s);
  w.site("alpha").faults.refuse = w.site("beta").faults.refuse = "no";
  const auto id = w.submit();
  w.advance(24h);
  const auto job = w.job(id);
  CHECK(job.state == JobState::rejected);
  CHECK(job.attempts.size() == 6);
  CHECK(w.count("alpha", "submit") == 3);
  CHECK(w.count("beta", "submit") == 3);
  CHECK(w.payload_runs(id) == 0);
  w.check_budgets();
}

TEST_CASE("a site that is away at the moment of submission is no refusal", "[engine]") {
  World w({{.id = "alpha"}}, {.snapshot_interval = 24h, .usage_interval = 24h, .snapshot_freshness = 48h});
  w.advance(1s);
  w.site("alpha").faults.down = true;  // nobody notices but the submissions
  const auto id = w.submit();
  w.advance(12h);
  CHECK_FALSE(w.over(id));
  CHECK(w.job(id).attempts.size() >= 3);
  CHECK(w.count("alpha", "submit") <= 24);
  for (const auto& attempt : w.job(id).attempts) CHECK(attempt.reason.code == "NOT_SENT");
  w.site("alpha").faults.down = false;
  REQUIRE(w.run_to_end({id}, 26h));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("absence proves nothing while the accounting is away", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.silent = true;
  const auto id = w.submit();
  w.advance(70s);
  w.site("alpha").faults.silent = false;
  w.site("alpha").faults.history_off = true;
  w.advance(12h);
  CHECK(w.state(id) == JobState::submitting);
  CHECK(w.job(id).attempts[0].unknown_since.has_value());
  CHECK(w.count("alpha", "submit") == 1);
  w.site("alpha").faults.history_off = false;
  REQUIRE(w.run_to_end({id}, 20min));
  CHECK(w.job(id).attempts[0].sends == 2);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("of several sightings the first is adopted, the others are cancelled and recorded", "[engine]") {
  World w({{.id = "alpha", .cores = 1}});
  w.advance(1s);
  const auto blocker = w.submit({.behaviour = "run=600s"});
  w.advance(5s);
  w.site("alpha").faults.lose_submit_replies = 1;
  const auto id = w.submit({.behaviour = "run=10s"});
  w.advance(2s);
  const auto second = w.plant("alpha", "alice", first_tag(id));  // as a retrying client would leave behind
  const auto third = w.plant("alpha", "alice", first_tag(id));
  REQUIRE(w.run_to_end({id, blocker}, 1h));
  const auto bound = w.events_of<domain::AttemptBound>(id);
  REQUIRE(bound.size() == 1);
  CHECK(bound[0].site_job_id != second);
  CHECK(w.state(id) == JobState::succeeded);
  const auto quarantined = w.events_of<domain::SightingQuarantined>(id);
  CHECK(quarantined.size() == 2);
  for (const auto& extra : {second, third}) {
    CHECK(w.cluster("alpha").job(extra, first_tag(id).str())->outcome == Outcome::cancelled);
  }
  CHECK(w.cluster("alpha").job(bound[0].site_job_id, first_tag(id).str())->payload_starts == 1);
}

TEST_CASE("of two sightings the one that has started is adopted", "[engine]") {
  World w({{.id = "alpha",
            .cores = 1,
            .budget = {},
            .cluster = {.name = {}, .node_groups = {}, .queues = {{.name = QueueName("batch")}}}}});
  w.advance(1s);
  const auto blocker = w.submit({.behaviour = "run=600s"});
  w.advance(5s);
  w.site("alpha").faults.lose_submit_replies = 1;
  const auto id = w.submit({.behaviour = "run=10s"});
  w.advance(2s);
  const auto& first = w.cluster("alpha").jobs().back();
  REQUIRE(first.request.name == first_tag(id).str());
  const auto first_id = first.id;
  REQUIRE(w.cluster("alpha").hold(first_id, true));  // an administrator holds it
  const auto second = w.plant("alpha", "alice", first_tag(id), "run=1000s");
  REQUIRE(w.ask(w.engine().cancel(blocker, Principal("local:alice"))));
  w.advance(2min);
  const auto bound = w.events_of<domain::AttemptBound>(id);
  REQUIRE(bound.size() == 1);
  CHECK(bound[0].site_job_id == second);
}

TEST_CASE("another account's job with our tag is quarantined, and ours is found beside it", "[engine][T20]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.silent = true;
  const auto id = w.submit();
  const auto foreign = w.plant("alpha", "bob", first_tag(id), "run=3600s");
  w.advance(70s);
  w.site("alpha").faults.silent = false;
  REQUIRE(w.run_to_end({id}, 30min));
  const auto quarantined = w.events_of<domain::SightingQuarantined>(id);
  REQUIRE(quarantined.size() == 1);
  CHECK(quarantined[0].site_job_id == foreign);
  CHECK(quarantined[0].reason.code == "FOREIGN_ACCOUNT");
  CHECK(w.job(id).attempts[0].site_job_id != foreign);
  CHECK(w.job(id).attempts[0].sends == 2);  // bob cannot keep alice's job from being sent
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.cluster("alpha").job(foreign, first_tag(id).str())->state == connectors::model::ClusterState::running);
}

TEST_CASE("a sighting older than the intent is quarantined; the fence decides", "[engine]") {
  // alpha's clock is an hour behind: its job is ours, but its time says otherwise.
  World w({{.id = "alpha", .skew = -3600s}});
  w.advance(1s);
  w.site("alpha").faults.lose_submit_replies = 1;
  const auto id = w.submit({.behaviour = "run=900s"});
  REQUIRE(w.run_to_end({id}, 2h));
  const auto quarantined = w.events_of<domain::SightingQuarantined>(id);
  REQUIRE(quarantined.size() == 1);
  CHECK(quarantined[0].reason.code == "OLDER_THAN_INTENT");
  CHECK(w.count("alpha", "submit") == 1);  // never sent again beside it
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("a run that seemed older than its intent is booked once a twin of it is adopted", "[engine]") {
  World w({{.id = "alpha", .cores = 2, .skew = -3600s}});
  w.advance(1s);
  for (const char* other : {"somebody", "else"}) w.plant("alpha", "carol", Tag(other), "run=1200s");
  w.advance(5s);
  w.site("alpha").faults.lose_submit_replies = 1;
  const auto id = w.submit({.behaviour = "run=30s"});
  REQUIRE(w.until([&] { return !w.events_of<domain::SightingQuarantined>(id).empty(); }, 10min));
  CHECK(w.events_of<domain::SightingQuarantined>(id)[0].reason.code == "OLDER_THAN_INTENT");
  w.cluster("alpha").step_clock(3600s);  // right again
  const auto twin = w.plant("alpha", "alice", first_tag(id), "run=600s");  // at work when the other ends
  REQUIRE(w.run_to_end({id}, 2h));
  w.advance(1h);
  std::size_t booked = 0;
  for (const auto& record : w.usage(id)) booked += record.site_job_id != twin && record.started_at ? 1 : 0;
  CHECK(booked == 1);
}

TEST_CASE("a duplicate that shows late never runs", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.submit_delay = 400s;  // beyond the window: sent again before the first has arrived
  const auto id = w.submit({.behaviour = "run=30s"});
  w.advance(70s);
  w.site("alpha").faults.submit_delay = 0s;
  REQUIRE(w.run_to_end({id}, 1h));
  w.advance(1h);
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.site_jobs("alpha", id) == 2);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("garbage after a submission is unknown, never a receipt", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.garbage = true;
  const auto id = w.submit({.behaviour = "run=30s"});
  w.advance(10s);
  CHECK(w.job(id).attempts.at(0).unknown_since.has_value());
  w.site("alpha").faults.garbage = false;
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.count("alpha", "submit") == 1);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("a site drained meanwhile is not sent to again", "[engine]") {
  World w({{.id = "alpha", .cores = 8}, {.id = "beta"}});
  w.advance(1s);
  w.site("alpha").faults.silent = true;
  const auto id = w.submit();
  w.advance(70s);
  w.site("alpha").faults.silent = false;
  REQUIRE(w.ask(w.engine().drain_site(SiteId("alpha"), "")));
  REQUIRE(w.run_to_end({id}, 20min));
  CHECK(w.count("alpha", "submit") == 1);
  REQUIRE(w.job(id).attempts.size() == 2);
  CHECK(w.job(id).attempts[0].sealed);
  CHECK(w.job(id).attempts[1].site == SiteId("beta"));
}
