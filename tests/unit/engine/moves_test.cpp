// SPDX-License-Identifier: Apache-2.0
// Late binding and moves: whose turn it is, who stands in a site's line, and what waits at one site is taken to another that
// would start it now, once, never after its start, whatever is lost on the way.
#include "broker/domain/transition.hpp"
#include "broker/engine/observation.hpp"
#include "policies/routing/binder.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::engine::test;
using connectors::model::ClusterState;
using domain::MoveIntended;
using engine::EngineOptions;
using engine::kMoved;

namespace {

EngineOptions movable(std::int32_t per_thousand = 1'000) { return {.move_gain = 600s, .moves_per_thousand = per_thousand}; }

/// alpha has one core, taken for most of an hour by the first job; the second stands behind it. beta is as large, and drained
/// until somebody resumes it.
struct Two {
  explicit Two(EngineOptions options = movable(), domain::LoadBudget beta = {})
      : w({{.id = "alpha", .cores = 1}, {.id = "beta", .cores = 4, .budget = beta}}, std::move(options)) {
    w.advance(1s);
    drain();
    blocker = w.submit({.behaviour = "run=3000s", .limit = 3600s});
    w.advance(10s);
    waiting = w.submit({.behaviour = "run=60s", .limit = 300s});
    w.advance(90s);
    REQUIRE(w.state(blocker) == JobState::running);
    REQUIRE(w.state(waiting) == JobState::queued);
  }
  void drain() { REQUIRE(w.ask(w.engine().drain_site(SiteId("beta"), "not yet"))); }
  void resume() { REQUIRE(w.ask(w.engine().resume_site(SiteId("beta")))); }
  [[nodiscard]] std::size_t begun(const JobId& id) { return w.events_of<MoveIntended>(id).size(); }
  /// Moved once, run once, ended well.
  void check_moved() {
    REQUIRE(w.run_to_end({waiting}, 2h));
    const auto job = w.job(waiting);
    CHECK(job.state == JobState::succeeded);
    CHECK(w.payload_runs(waiting) == 1);
    CHECK(begun(waiting) == 1);
    REQUIRE(job.attempts.size() == 2);
    CHECK(job.attempts[0].reason.code == kMoved);
    CHECK(job.attempts[0].outcome == Outcome::never_started);
    CHECK(job.attempts[0].sealed);
    CHECK(job.attempts[1].site == SiteId("beta"));
    for (const auto& at_alpha : w.cluster("alpha").jobs()) {
      if (at_alpha.id == job.attempts[0].site_job_id) CHECK(at_alpha.state == ClusterState::ended);
    }
    const auto replayed = domain::replay(waiting, job.epoch, w.events(waiting));
    REQUIRE(replayed);
    CHECK(*replayed == job);
    w.check_budgets();
  }
  World w;
  JobId blocker, waiting;
};

}  // namespace

TEST_CASE("the engine binds and moves by the measured values", "[moves]") {
  const EngineOptions engine;
  const routing::BindingOptions binder;
  CHECK(engine.place_percent == binder.place_percent);
  CHECK(engine.place_after.count() == binder.place_after);
  CHECK(engine.move_gain.count() == binder.move_gain);
  CHECK(engine.moves_per_thousand == binder.moves_per_thousand);
}

TEST_CASE("a job that waits is taken to a site that would start it now, and told why in numbers", "[moves]") {
  Two t;
  t.resume();
  t.w.advance(90s);
  t.check_moved();
  const auto job = t.w.job(t.waiting);
  const auto& why = job.attempts[0].reason.message;
  INFO(why);
  CHECK(why.find("taken from alpha before it started, to go to beta: at alpha it was predicted to start in 5") == 0);
  CHECK(why.find("at beta now (queue batch); a move has to win 10m") != std::string::npos);
  CHECK(t.w.count("alpha", "cancel") == 1);
  CHECK(t.w.counters().moves == 1);
  CHECK(t.w.counters().messages == 4);  // three submissions and a cancel
  const auto decision = t.w.decision(t.waiting);
  CHECK(decision.chosen == SiteId("beta"));
  const auto left = std::ranges::find(decision.verdicts, SiteId("alpha"), &domain::Verdict::site);
  REQUIRE(left != decision.verdicts.end());
  CHECK(left->code == kMoved);
  CHECK(left->message.find("predicted to start in") != std::string::npos);
}

TEST_CASE("a move that wins less than the gain, a pinned job and a broker without moves leave things as they are", "[moves]") {
  auto options = movable();
  SECTION("too little to win") { options.move_gain = 2h; }
  SECTION("no moves") { options.moves_per_thousand = 0; }
  Two t(options);
  const auto pinned = t.w.submit({.behaviour = "run=60s", .limit = 300s, .sites = {"alpha"}});
  t.resume();
  t.w.advance(10min);
  CHECK(t.begun(t.waiting) == 0);
  CHECK(t.begun(pinned) == 0);
  CHECK(t.w.count("alpha", "cancel") == 0);
}

TEST_CASE("a job whose user has named its site is not moved", "[moves]") {
  World w({{.id = "alpha", .cores = 1}, {.id = "beta", .cores = 4}}, movable());
  w.advance(1s);
  w.submit({.behaviour = "run=3000s", .limit = 3600s, .sites = {"alpha"}});
  const auto pinned = w.submit({.behaviour = "run=60s", .limit = 300s, .sites = {"alpha"}});
  w.advance(10min);
  CHECK(w.state(pinned) == JobState::queued);
  CHECK(w.events_of<MoveIntended>(pinned).empty());
}

TEST_CASE("a move that comes too late changes nothing, and is not tried again", "[moves]") {
  Two t;
  auto& w = t.w;
  w.site("alpha").faults.latency = 10s;  // the seal arrives five seconds after the intent
  w.gate().passing = [&](const bottle::Point& point) {
    if (point.name() != "move_intended.after") return;
    const auto& blocking = *w.cluster("alpha").jobs().begin();
    w.cluster("alpha").cancel(blocking.id, blocking.request.name, false);
  };
  t.resume();
  REQUIRE(w.run_to_end({t.waiting}, 1h));
  CHECK(w.state(t.waiting) == JobState::succeeded);
  CHECK(w.job(t.waiting).attempts.size() == 1);
  CHECK_FALSE(w.job(t.waiting).attempts[0].sealed);
  CHECK(w.payload_runs(t.waiting) == 1);
  CHECK(t.begun(t.waiting) == 1);
  CHECK(w.count("alpha", "cancel") == 0);
  CHECK(w.count("beta", "submit") == 0);
}

TEST_CASE("a move's cancel whose answer or whose way is lost is known by looking, or sent again", "[moves]") {
  Two t;
  auto& w = t.w;
  auto& faults = w.site("alpha").faults;
  bool lost = false;
  const bool on_the_way = GENERATE(true, false);
  w.gate().passing = [&](const bottle::Point& point) {
    if (lost || point.name() != "cancel.before") return;
    lost = true;
    (on_the_way ? faults.silent : faults.mute) = true;
  };
  t.resume();
  REQUIRE(w.until([&] { return lost; }, 10min));
  CHECK(w.count("beta", "submit") == 0);
  w.advance(3min);
  CHECK(w.job(t.waiting).attempts.size() == 1);  // unknown: no word of alpha's, no next attempt
  CHECK(w.count("beta", "submit") == 0);
  faults.silent = faults.mute = false;
  t.check_moved();
}

TEST_CASE("a user's cancel in the middle of a move ends the job", "[moves]") {
  Two t;
  auto& w = t.w;
  w.site("alpha").faults.latency = 4s;
  t.resume();
  REQUIRE(w.until([&] { return t.begun(t.waiting) == 1; }, 10min));
  REQUIRE(w.ask(w.engine().cancel(t.waiting, Principal("local:alice"))));
  REQUIRE(w.run_to_end({t.waiting}, 30min));
  CHECK(w.state(t.waiting) == JobState::cancelled);
  CHECK(w.payload_runs(t.waiting) == 0);
  CHECK(w.count("beta", "submit") == 0);
}

TEST_CASE("a broker that dies anywhere in a move runs the job once", "[moves]") {
  const std::string point = GENERATE(as<std::string>(), "move_intended.before", "move_intended.after", "seal.before",
                                     "seal.after", "cancel.before", "cancel.after", "moved.before", "moved.after",
                                     "attempt_intended.before", "attempt_intended.after", "submit.before", "submit.after");
  INFO(point);
  Two t;
  auto& w = t.w;
  bool died = false;
  w.gate().passing = [&](const bottle::Point& at) {
    if (!died && at.name() == point) w.gate().dead = died = true;
  };
  t.resume();
  w.until([&] { return died; }, 10min);
  REQUIRE(died);
  w.restart();
  t.check_moved();
}

TEST_CASE("of a thousand jobs no more than the cap are moved, over restarts", "[moves]") {
  Two t(movable(150));
  auto& w = t.w;
  const auto begun = [&] {
    std::size_t n = 0;
    for (const auto& id : {t.blocker, t.waiting}) n += t.begun(id);
    return n;
  };
  t.resume();
  w.advance(5min);
  CHECK(begun() == 0);  // of two jobs, 0.3
  t.drain();
  w.submit(5, {.behaviour = "run=1s", .limit = 60s, .sites = {"beta"}});  // they are accepted, which is what counts
  t.resume();
  w.advance(5min);
  CHECK(begun() == 1);
  t.drain();
  const auto more = w.submit({.behaviour = "run=60s", .limit = 300s});
  w.advance(2min);
  REQUIRE(w.job(more).attempts.at(0).site == SiteId("alpha"));
  w.restart();
  t.resume();
  w.advance(5min);
  CHECK(t.begun(more) == 0);
  CHECK(w.counters().moves == 1);
  t.drain();
  w.submit(6, {.behaviour = "run=1s", .limit = 60s, .sites = {"beta"}});
  t.resume();
  w.advance(5min);
  CHECK(t.begun(more) == 1);
}

TEST_CASE("no job is moved to where the budget is used up", "[moves]") {
  Two t(movable(), {.waiting_jobs = 1});
  auto& w = t.w;
  t.resume();
  const auto held = w.submit({.behaviour = "run=5s", .limit = 60s, .sites = {"beta"}});
  REQUIRE(w.until([&] { return !w.cluster("beta").jobs().empty(); }, 5s));
  w.cluster("beta").hold(w.cluster("beta").jobs().back().id, true);
  w.advance(10min);
  CHECK(w.state(held) == JobState::queued);
  CHECK(t.begun(t.waiting) == 0);
  w.cluster("beta").hold(w.cluster("beta").jobs().back().id, false);
  t.check_moved();
}

TEST_CASE("the rules are asked whether a job may be taken from one site to another", "[moves][rules]") {
  const auto law = [](const std::string& actions) {
    return Law{
        .packs = {{.file = "test.toml",
                   .text = "[meta]\nid = \"test\"\nversion = \"1.0.0\"\napproved_by = [\"a@example\", \"b@example\"]\n"
                           "default = \"deny\"\n[[rule]]\nid = \"P\"\neffect = \"permit\"\nactions = [" +
                           actions +
                           "]\nwhen = [{attr = \"site.status\", op = \"eq\", value = \"member\"}]\nlegal_basis = \"a law\"\n"
                           "owner = \"o@example\"\n"}},
        .broker = {fact(rules::Attribute::site_status, std::string("member"))},
        .sites = {{"alpha", {fact(rules::Attribute::site_status, std::string("member"))}},
                  {"beta", {fact(rules::Attribute::site_status, std::string("member"))}}}};
  };
  Two t;
  auto& w = t.w;
  w.regulate(law("\"intake\", \"place\", \"dispatch\""));
  t.resume();
  w.advance(10min);
  CHECK(t.begun(t.waiting) == 0);
  w.regulate(law("\"intake\", \"place\", \"dispatch\", \"reroute\""));
  t.check_moved();
}

TEST_CASE("what is held goes by its urgency: a short job before a long one that has waited little more", "[moves]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}});
  w.advance(1s);
  const auto running = w.submit(2, {.behaviour = "run=600s", .limit = 700s});  // the second fills the allowance
  w.advance(30s);
  const auto lengthy = w.submit({.behaviour = "run=60s", .limit = 10h});
  w.advance(60s);
  const auto brief = w.submit({.behaviour = "run=60s", .limit = 600s, .person = "local:bob"});
  REQUIRE(w.run_to_end({lengthy, brief}, 3h));
  CHECK(*w.job(brief).started_at < *w.job(lengthy).started_at);
}

TEST_CASE("among other people a wide job takes its place at once, others once they have waited", "[moves]") {
  // Others' jobs, each of all cores, always two of them in line.
  const connectors::model::ClusterOptions busy{
      .name = {},
      .node_groups = {},
      .background = {{.every = 500s, .resources = {.tasks = 10}, .run = 900s, .time_limit = 1000s, .queue = {}}}};
  World w({{.id = "alpha", .cores = 10, .cluster = busy}, {.id = "beta", .cores = 10, .cluster = busy}}, {.place_after = 1800s});
  w.advance(40min);
  const auto narrow = w.submit({.behaviour = "run=10s", .limit = 2000s});
  const auto wide = w.submit({.behaviour = "run=10s", .tasks = 5, .limit = 2000s, .person = "local:bob"});
  w.advance(5min);
  CHECK(w.state(wide) == JobState::queued);
  CHECK(w.state(narrow) == JobState::waiting);
  const auto why = w.ask(w.engine().explain(w.job(narrow)));
  REQUIRE(why);
  CHECK(why->verdicts.at(0).code == "PLACE_LATER");
  w.advance(27min);
  CHECK(w.job(narrow).live_attempt() != nullptr);
}

TEST_CASE("less urgent jobs do not keep a wide one from its turn", "[moves]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  const auto first = w.submit(8, {.behaviour = "run=500s", .limit = 600s});
  w.advance(30s);
  const auto wide = w.submit({.behaviour = "run=10s", .tasks = 4, .limit = 600s});
  w.advance(5s);
  const auto later = w.submit(40, {.behaviour = "run=500s", .limit = 600s, .person = "local:bob"});
  REQUIRE(w.run_to_end({wide}, 6h));
  const auto started = std::ranges::count_if(later, [&](const JobId& id) {
    const auto at = w.job(id).started_at;
    return at && *at < *w.job(wide).started_at;
  });
  CHECK(started <= 8);  // of 40, without a place that is kept for it all but the last
}

TEST_CASE("a place that comes free is seen at once, within the budget", "[moves]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.queries_per_minute = 10}}},
          {.snapshot_interval = 30min, .snapshot_freshness = 2h});
  w.advance(1min);
  const auto id = w.submit({.behaviour = "run=100s"});
  w.advance(90s);
  const auto before = w.count("alpha", "snapshot");
  REQUIRE(w.run_to_end({id}, 10min));
  w.advance(1min);
  CHECK(w.count("alpha", "snapshot") == before + 1);
  w.check_budgets();
}

// ---- sites that hide other people's jobs

namespace {

/// Other people's jobs there take `taken` cores for most of an hour, and nobody sees whose.
connectors::model::ClusterOptions hidden(std::int32_t cores, std::int32_t taken) {
  return {.name = {},
          .node_groups = {{.count = 1, .cores = cores}},
          .background = {{.every = 86'400s, .resources = {.tasks = taken}, .run = 3000s, .time_limit = 3600s, .queue = {}}},
          .hides_jobs = true};
}

}  // namespace

TEST_CASE("out of a site that hides other people's jobs a job moves by the word of that site's scheduler", "[moves]") {
  World w({{.id = "alpha", .cluster = hidden(1, 1)}, {.id = "beta", .cores = 4}}, movable());
  std::optional<Seconds> planned = 2000s;
  bool moves = true;
  SECTION("it is far off") {}
  SECTION("it is near") {
    planned = 300s;
    moves = false;
  }
  SECTION("nobody says") { planned.reset(); }
  w.retell = [&](const std::string& site, ports::JobStatus& status) {
    if (site == "alpha" && planned && status.phase == ports::Phase::queued) status.expected_start = w.time.now_utc() + *planned;
  };
  w.advance(1s);
  REQUIRE(w.ask(w.engine().drain_site(SiteId("beta"), "not yet")));
  w.advance(10s);
  const auto id = w.submit({.behaviour = "run=60s", .limit = 300s});  // wide for alpha: its place is taken at once
  w.advance(90s);
  REQUIRE(w.state(id) == JobState::queued);
  REQUIRE(w.ask(w.engine().resume_site(SiteId("beta"))));
  w.advance(3min);
  CHECK(w.events_of<MoveIntended>(id).size() == (moves ? 1 : 0));
  REQUIRE(w.run_to_end({id}, 2h));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.payload_runs(id) == 1);
  CHECK(w.job(id).attempts.back().site == SiteId(moves ? "beta" : "alpha"));
}

TEST_CASE("into a site that hides other people's jobs a job moves where there is room beside what they have", "[moves]") {
  const bool room = GENERATE(true, false);
  World w({{.id = "alpha", .cores = 1}, {.id = "beta", .cluster = hidden(4, room ? 3 : 4)}}, movable());
  w.advance(1s);
  REQUIRE(w.ask(w.engine().drain_site(SiteId("beta"), "not yet")));
  w.submit({.behaviour = "run=3000s", .limit = 3600s, .sites = {"alpha"}});
  w.advance(10s);
  const auto id = w.submit({.behaviour = "run=60s", .limit = 300s});
  w.advance(90s);
  REQUIRE(w.state(id) == JobState::queued);
  REQUIRE(w.ask(w.engine().resume_site(SiteId("beta"))));
  w.advance(3min);
  CHECK(w.events_of<MoveIntended>(id).size() == (room ? 1 : 0));
  if (!room) return;
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.decision(id).verdicts.at(1).basis == domain::Basis::room);
  CHECK(w.payload_runs(id) == 1);
}

TEST_CASE("in a line that nobody sees a job takes its place as among other people, at once where it can go nowhere else",
          "[moves]") {
  std::vector<SiteOptions> sites{{.id = "alpha", .cluster = hidden(20, 20)}};
  bool stays = false;
  SECTION("there is no other site") {}
  SECTION("the other could never take it") { sites.push_back({.id = "beta", .cores = 1}); }
  SECTION("the other is full, too") {
    sites.push_back({.id = "beta", .cluster = hidden(20, 20)});
    stays = true;
  }
  World w(std::move(sites), movable());
  w.advance(90s);  // a snapshot has seen them
  const auto id = w.submit({.behaviour = "run=60s", .tasks = 2, .limit = 300s});
  w.advance(90s);
  CHECK(w.state(id) == (stays ? JobState::waiting : JobState::queued));
  if (!stays) return;
  CHECK(w.decision(id).verdicts.at(0).code == "PLACE_LATER");
  CHECK(w.decision(id).verdicts.at(0).message.find("other people's jobs are hidden there") == 0);
}
