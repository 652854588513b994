// SPDX-License-Identifier: Apache-2.0
// Where jobs go, how many, in which order, and what happens when no site can take them.
#include "broker/domain/transition.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>
#include <iterator>
#include <set>

using namespace hansa;
using namespace hansa::engine::test;

TEST_CASE("jobs go through their whole life and end as their payload did", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  const auto good = w.submit({.behaviour = "run=30s"});
  const auto bad = w.submit({.behaviour = "run=5s exit=3"});
  const auto slow = w.submit({.behaviour = "run=600s", .limit = 60s});
  const auto shot = w.submit({.behaviour = "run=5s signal=9"});
  REQUIRE(w.run_to_end({good, bad, slow, shot}, 10min));
  CHECK(w.state(good) == JobState::succeeded);
  CHECK(w.job(good).exit_code == 0);
  CHECK(w.state(bad) == JobState::failed);
  CHECK(w.job(bad).exit_code == 3);
  CHECK(w.state(slow) == JobState::timed_out);
  CHECK(w.state(shot) == JobState::failed);
  CHECK(w.job(shot).signal == 9);
  for (const auto& id : {good, bad, slow, shot}) {
    CHECK(w.payload_runs(id) == 1);
    CHECK(w.job(id).attempts.size() == 1);
    const auto replayed = domain::replay(id, w.job(id).epoch, w.events(id));
    REQUIRE(replayed);
    CHECK(*replayed == w.job(id));
  }
  const auto intended = w.events_of<domain::AttemptIntended>(good);
  REQUIRE(intended.size() == 1);
  CHECK(intended[0].account == LocalAccount("alice"));
  CHECK(w.events_of<domain::AttemptBound>(good).size() == 1);
  CHECK(w.events_of<domain::AttemptUnknown>(good).empty());
  CHECK(w.events_of<domain::RunStarted>(good).size() == 1);
  CHECK(w.count("alpha", "find") == 0);  // nothing was unknown, nothing was looked for
  w.check_budgets();
}

TEST_CASE("jobs of one shape start in the order in which they were submitted", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 2}}});
  const auto ids = w.submit(12, {.behaviour = "run=20s"});
  REQUIRE(w.run_to_end(ids));
  for (std::size_t i = 1; i < ids.size(); ++i) CHECK(*w.job(ids[i - 1]).started_at < *w.job(ids[i]).started_at);
}

TEST_CASE("a site never has more of ours waiting than its budget", "[engine]") {
  World w(
      {{.id = "alpha", .cores = 2, .budget = {.waiting_jobs = 3}}, {.id = "beta", .cores = 1, .budget = {.waiting_jobs = 1}}});
  const auto ids = w.submit(40, {.behaviour = "run=20s", .limit = 60s});
  int most_alpha = 0, most_beta = 0;
  const auto pending = [&](const std::string& site) {
    return static_cast<int>(std::ranges::count_if(w.cluster(site).jobs(), [](const auto& job) {
      return job.state == connectors::model::ClusterState::pending && domain::parse_tag(job.request.name).has_value();
    }));
  };
  w.until(
      [&] {
        most_alpha = std::max(most_alpha, pending("alpha"));
        most_beta = std::max(most_beta, pending("beta"));
        return false;
      },
      30min);
  CHECK(w.all_over(ids));
  CHECK(most_alpha <= 3);
  CHECK(most_alpha >= 2);
  CHECK(most_beta <= 1);
  for (const auto& id : ids) CHECK(w.payload_runs(id) == 1);
  w.check_budgets();
}

TEST_CASE("a job goes where it is predicted to start first", "[engine]") {
  // alpha is taken by others for hours, beta for minutes, gamma for a day.
  const auto taken = [](Seconds limit) {
    return connectors::model::ClusterOptions{
        .name = {},
        .node_groups = {},
        .background = {{.every = 24h * 30, .resources = {.tasks = 4}, .run = limit, .time_limit = limit, .queue = {}}}};
  };
  World w(
      {{.id = "alpha", .cluster = taken(2h)}, {.id = "beta", .cluster = taken(20min)}, {.id = "gamma", .cluster = taken(24h)}});
  w.advance(2min);
  const auto id = w.submit({.behaviour = "run=10s", .limit = 10min});
  w.advance(1min);
  REQUIRE(w.job(id).live_attempt() != nullptr);
  CHECK(w.job(id).live_attempt()->site == SiteId("beta"));
  const auto why = w.ask(w.engine().explain(w.job(id)));
  REQUIRE(why);
  CHECK(why->chosen == SiteId("beta"));
  CHECK(why->verdicts.size() == 3);
  REQUIRE(w.run_to_end({id}));
  CHECK(w.state(id) == JobState::succeeded);
}

TEST_CASE("shares follow the sites' capacity", "[engine][costly]") {
  World w({{.id = "big", .cores = 16}, {.id = "mid", .cores = 8}, {.id = "small", .cores = 2}});
  const auto ids = w.submit(300, {.behaviour = "run=60s", .limit = 120s});
  REQUIRE(w.run_to_end(ids, 4h));
  std::map<std::string, int> share;
  for (const auto& id : ids) {
    CHECK(w.state(id) == JobState::succeeded);
    CHECK(w.payload_runs(id) == 1);
    ++share[w.job(id).attempts.front().site.str()];
  }
  INFO("big " << share["big"] << ", mid " << share["mid"] << ", small " << share["small"]);
  // 300 jobs on 26 cores: 185, 92 and 23 would be the exact shares.
  CHECK(std::abs(share["big"] - 185) <= 25);
  CHECK(std::abs(share["mid"] - 92) <= 25);
  CHECK(std::abs(share["small"] - 23) <= 10);
  w.check_budgets();
}

TEST_CASE("as many of ours wait in a site's line as it gets through between two looks", "[engine][costly]") {
  struct Seen {
    std::size_t waited = 0;  // at least a second, at one time
    std::ptrdiff_t over = 0;
  };
  const auto three_minutes_of = [](const std::string& runs) {
    World w({{.id = "alpha", .cores = 8, .budget = {.queries_per_minute = 60, .waiting_jobs = 100}}});
    const auto ids = w.submit(2'000, {.behaviour = "run=" + runs, .limit = 600s});
    Seen seen;
    std::set<std::string> before;
    for (int second = 0; second < 180; ++second) {
      w.advance(1s);
      std::set<std::string> now, both;
      for (const auto& job : w.cluster("alpha").jobs()) {
        if (job.state == connectors::model::ClusterState::pending) now.insert(job.request.name);
      }
      std::ranges::set_intersection(before, now, std::inserter(both, both.end()));
      seen.waited = std::max(seen.waited, both.size());
      before = std::move(now);
    }
    seen.over = std::ranges::count_if(ids, [&](const auto& id) { return w.state(id) == JobState::succeeded; });
    w.check_budgets();
    return seen;
  };
  CHECK(three_minutes_of("45s").waited == 4);  // half of its cores, though they all end at once
  const auto of_short = three_minutes_of("1s");
  CHECK(of_short.waited > 8);
  CHECK(of_short.waited < 100);
  CHECK(of_short.over > 700);  // of 1,440 that eight cores could do; 348 with half of the cores only
}

TEST_CASE("a job that no site can ever hold is rejected, with what each site lacks", "[engine]") {
  World w({{.id = "alpha", .cores = 4}, {.id = "beta", .cores = 8}});
  w.advance(1s);
  const auto id = w.submit({.tasks = 64});
  w.advance(1min);
  const auto job = w.job(id);
  CHECK(job.state == JobState::rejected);
  CHECK(job.reason.code == "NO_SITE_EVER");
  const auto why = w.ask(w.engine().explain(job));
  REQUIRE(why);
  REQUIRE(why->verdicts.size() == 2);
  for (const auto& verdict : why->verdicts) {
    CHECK(verdict.obstacle == domain::Obstacle::permanent);
    CHECK(verdict.code == "TOO_FEW_CORES");
  }
  CHECK(w.count("alpha", "submit") + w.count("beta", "submit") == 0);
}

TEST_CASE("a person without an account anywhere is rejected", "[engine]") {
  World w({{.id = "alpha"}});
  w.strangers.insert("local:mallory");
  const auto id = w.submit({.person = "local:mallory"});
  w.advance(1min);
  CHECK(w.state(id) == JobState::rejected);
  CHECK(w.count("alpha", "submit") == 0);
}

TEST_CASE("with all sites down jobs are held with each site's reason, and go on when one is back", "[engine]") {
  World w({{.id = "alpha"}, {.id = "beta"}});
  w.advance(1s);
  w.site("alpha").faults.down = w.site("beta").faults.down = true;
  w.advance(2min);
  const auto ids = w.submit(30, {.behaviour = "run=5s"});
  w.advance(10min);
  for (const auto& id : ids) {
    CHECK(w.state(id) == JobState::held);
    CHECK(w.job(id).reason.code == "NO_SITE_NOW");
    CHECK_FALSE(w.job(id).held_by_user);
  }
  const auto why = w.ask(w.engine().explain(w.job(ids[0])));
  REQUIRE(why);
  for (const auto& verdict : why->verdicts) CHECK(verdict.code == "SITE_DOWN");
  CHECK(w.report("alpha").state.health == domain::SiteHealth::down);
  CHECK(w.report("alpha").state.last_error.code == "SITE_DOWN");
  w.site("beta").faults.down = false;
  REQUIRE(w.run_to_end(ids, 5min));  // 30 jobs of 5 s on 4 cores
  for (const auto& id : ids) {
    CHECK(w.state(id) == JobState::succeeded);
    CHECK(w.job(id).attempts.front().site == SiteId("beta"));
    CHECK(w.payload_runs(id) == 1);
  }
}

TEST_CASE("a drained site takes no new jobs, keeps those it has, and stays drained over a restart", "[engine]") {
  World w({{.id = "alpha", .cores = 1}});
  w.advance(1s);
  const auto first = w.submit({.behaviour = "run=120s"});
  w.advance(10s);
  REQUIRE(w.ask(w.engine().drain_site(SiteId("alpha"), "maintenance")));
  const auto second = w.submit({.behaviour = "run=5s"});
  w.advance(10min);
  CHECK(w.state(first) == JobState::succeeded);
  CHECK(w.state(second) == JobState::held);
  w.restart();
  w.advance(10min);
  CHECK(w.report("alpha").state.drained);
  CHECK(w.report("alpha").state.drain_reason == "maintenance");
  CHECK(w.state(second) == JobState::held);
  REQUIRE(w.ask(w.engine().resume_site(SiteId("alpha"))));
  REQUIRE(w.run_to_end({second}, 2min));
  CHECK(w.ask(w.engine().drain_site(SiteId("nowhere"), "")).error().kind == ErrorKind::not_found);
}

TEST_CASE("a drain that is decided while the site goes down is not lost at a restart", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.down = true;
  // The first failing snapshot writes the site's health at the same moment.
  const auto drain = [&] { return w.start_asking(w.engine().drain_site(SiteId("alpha"), "power")); };
  std::shared_ptr<std::optional<Result<void>>> answer;
  const auto before = w.count("alpha", "snapshot");
  w.until(
      [&] {
        if (!answer && w.count("alpha", "snapshot") > before) answer = drain();
        return answer != nullptr && answer->has_value();
      },
      5min);
  w.restart();
  CHECK(w.report("alpha").state.drained);
}

TEST_CASE("a busy or full site is waited for if another would start the job later", "[engine]") {
  // fast runs ten at a time: a place in slow's line is soon the later one.
  World w({{.id = "fast", .cores = 10, .budget = {.waiting_jobs = 2}}, {.id = "slow", .cores = 1}});
  const auto ids = w.submit(30, {.behaviour = "run=60s", .limit = 70s});
  REQUIRE(w.run_to_end(ids, 1h));
  int slow = 0;
  for (const auto& id : ids) slow += w.job(id).attempts.front().site == SiteId("slow") ? 1 : 0;
  CHECK(slow <= 6);
  CHECK(slow >= 1);
}

TEST_CASE("jobs that nobody but a full site may take do not stop the others", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}, {.id = "beta", .cores = 4}});
  const auto picky = w.submit(50, {.behaviour = "run=600s", .sites = {"alpha"}});
  const auto others = w.submit(20, {.behaviour = "run=10s", .sites = {"beta"}});
  REQUIRE(w.run_to_end(others, 5min));
  CHECK_FALSE(w.all_over(picky));
}

TEST_CASE("a job that waits for a drained site alone is held, one that waits its turn is not", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}});
  w.advance(1s);
  const auto ids = w.submit(5, {.behaviour = "run=60s"});
  w.advance(20s);
  CHECK(w.state(ids[0]) == JobState::running);
  CHECK(w.state(ids[1]) == JobState::queued);
  CHECK(w.state(ids[4]) == JobState::waiting);
  CHECK(w.job(ids[4]).reason.code == "IN_LINE");
  const auto why = w.ask(w.engine().explain(w.job(ids[4])));
  REQUIRE(why);
  CHECK_FALSE(why->chosen);
  CHECK(why->verdicts.at(0).code == "BUDGET_FULL");
}

namespace {
/// Asks the engine again and again, in no time, and tells how many decisions it took at most between two answers.
async::Task<std::int64_t> most_decisions_between(World& w, int questions) {
  std::int64_t most = 0, seen = 0;
  for (int i = 0; i < questions; ++i) {
    const auto counters = co_await w.engine().counters();
    if (!counters) co_return std::unexpected(counters.error());
    if (i > 0) most = std::max(most, counters->decisions - seen);
    seen = counters->decisions;
    co_await w.time.sleep_until(w.time.now_monotonic());
  }
  co_return most;
}
}  // namespace

TEST_CASE("whoever asks the engine goes between, when many wait and each is looked at again", "[engine]") {
  World w({{.id = "alpha"}, {.id = "beta"}});
  w.advance(1s);
  REQUIRE(w.ask(w.engine().drain_site(SiteId("alpha"), "maintenance")));
  for (int i = 0; i < 200; ++i) w.submit({.limit = 3600s + Seconds{i}, .sites = {"alpha"}});  // no two are alike
  w.advance(130s);  // no round at this very moment
  const auto before = w.counters().decisions;
  const auto drained =
      w.start_asking(w.engine().drain_site(SiteId("beta"), "so that all are looked at; none has another word to be told"));
  const auto most = w.start_asking(most_decisions_between(w, 3'000));
  REQUIRE(w.until([&] { return most->has_value(); }, 1s));
  REQUIRE(**most);
  CHECK(w.counters().decisions >= before + 200);
  CHECK(***most > 0);
  CHECK(***most <= 32);
}

TEST_CASE("a submission rate is used as soon as it allows", "[engine]") {
  World w({{.id = "alpha", .cores = 64, .budget = {.submits_per_minute = 6}}});
  w.advance(1s);
  const auto ids = w.submit(30, {.behaviour = "run=1s"});
  REQUIRE(w.until([&] { return w.count("alpha", "submit") == 30; }, 4min + 5s));  // six at once, six more after each minute
  REQUIRE(w.run_to_end(ids, 5min));
  for (const auto& id : ids) CHECK(w.job(id).attempts.size() == 1);  // none was placed beyond what the rate could take
  w.check_budgets();
}

TEST_CASE("a snapshot that tells nothing new makes nobody look again", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.queries_per_minute = 60}}}, {.snapshot_interval = 2s});
  w.advance(1s);
  w.submit({.behaviour = "run=5000s", .limit = 7200s});
  w.advance(10s);
  constexpr int kLines = 20;
  for (int i = 0; i < kLines; ++i) w.submit({.behaviour = "run=10s", .limit = Seconds{60 + i}});
  w.advance(2min);
  const auto decisions = w.counters().decisions;
  const auto snapshots = w.count("alpha", "snapshot");
  w.advance(10min);
  CHECK(w.count("alpha", "snapshot") > snapshots + 100);
  CHECK(w.counters().decisions <= decisions + 11 * (kLines + 5));  // once a minute, whatever is new
  REQUIRE(w.ask(w.engine().drain_site(SiteId("alpha"), "to be seen")));
  w.advance(1s);
  CHECK(w.counters().decisions >= decisions + kLines - 1);
}

TEST_CASE("placing many jobs costs decisions in proportion to the jobs", "[engine][costly]") {
#if __has_feature(address_sanitizer)
  constexpr int kJobs = 2'000;
#else
  constexpr int kJobs = 6'000;
#endif
  World w({{.id = "alpha", .cores = 400, .budget = {.waiting_jobs = 200}},
           {.id = "beta", .cores = 100, .budget = {.waiting_jobs = 50}}},
          {.status_interval = 30s});
  w.advance(1s);
  std::vector<JobId> ids;
  for (int kind = 0; kind < 4; ++kind) {
    const auto some = w.submit(kJobs / 4, {.behaviour = "run=30s",
                                           .limit = 60s + Seconds{kind},
                                           .sites = kind == 3 ? std::vector<std::string>{"beta"} : std::vector<std::string>{}});
    ids.insert(ids.end(), some.begin(), some.end());
  }
  for (int minutes = 0; minutes < 180 && w.counters().ended < kJobs; ++minutes) w.advance(1min);
  const auto counters = w.counters();
  CHECK(counters.ended == kJobs);
  CHECK(counters.submissions == kJobs);
  CHECK(counters.decisions < 3 * kJobs);
  CHECK(w.all_over(ids));
}
