// SPDX-License-Identifier: Apache-2.0
// Predicted waits, what became of them, and what the broker learns of it.
#include "policies/routing/replay.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

using namespace hansa;
using namespace hansa::engine::test;
using connectors::model::ClusterOptions;
using domain::Basis;

namespace {

/// Every hour somebody's job takes all four cores for 20 minutes; it asked for `limit`.
ClusterOptions hourly(Seconds limit) {
  return {.name = {},
          .node_groups = {},
          .queues = {{.name = QueueName{"batch"}}, {.name = QueueName{"urgent"}, .priority_tier = 2, .groups = {}}},
          .background = {{.every = 3600s, .resources = {.tasks = 4}, .run = 1200s, .time_limit = limit, .queue = {}}}};
}

const Wish kWholeSite{.behaviour = "run=10s", .tasks = 4, .limit = 60s};

/// One job of ours an hour, a few minutes after somebody's has started, to its end.
std::vector<JobId> run_hours(World& w, int hours) {
  std::vector<JobId> ids;
  for (int i = 0; i < hours; ++i) {
    ids.push_back(w.submit(kWholeSite));
    w.advance(1h);
    REQUIRE(w.over(ids.back()));
  }
  return ids;
}

domain::Verdict verdict_on(World& w, const JobId& id) { return w.decision(id).verdicts.at(0); }

void check_repeats(World& w, const JobId& id) {
  const auto stored = w.decision(id);
  const auto again = routing::replay(w.job(id).spec, stored.input_hash,
                                     [&](const std::string& hash) -> Result<std::string> { return w.document(hash); });
  REQUIRE(again);
  CHECK(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(stored)));
}

}  // namespace

TEST_CASE("where people's jobs end long before their limits, predicted waits shrink to what they are", "[engine]") {
  World w({{.id = "alpha", .cluster = hourly(2h)}});
  w.advance(5min);
  auto ids = run_hours(w, 9);
  const auto first = verdict_on(w, ids.front());
  CHECK(first.basis == Basis::queue);
  CHECK(*first.wait > 100min);
  CHECK(first.wait == first.predicted);
  CHECK_FALSE(first.wait_p90);

  ids.push_back(w.submit(kWholeSite));
  w.advance(1h);
  const auto learned = verdict_on(w, ids.back());
  CHECK(*learned.predicted > 100min);
  CHECK(*learned.wait > 13min);
  CHECK(*learned.wait < 17min);
  CHECK(*learned.wait_p90 >= *learned.wait);
  REQUIRE(learned.correction);
  CHECK(learned.correction->count == 9);
  CHECK(learned.correction->likeness == domain::Likeness::project);
  for (const auto& id : ids) check_repeats(w, id);

  const auto waits = w.waits("alpha");
  REQUIRE(waits.size() == 10);  // one for each start
  CHECK(waits.front().project == ProjectId("lab"));
  CHECK(waits.front().size_class == "small");
  CHECK(waits.front().predicted == first.predicted);
  CHECK(waits.back().p50 == learned.wait);
  CHECK(waits.back().p90 == learned.wait_p90);
  for (const auto& wait : waits) {
    CHECK(wait.actual > 14min);
    CHECK(wait.actual < 16min);
  }

  w.restart();  // what was learned is not forgotten
  w.advance(1min);
  const auto again = w.submit(kWholeSite);
  w.advance(1min);
  REQUIRE(verdict_on(w, again).correction);
  CHECK(verdict_on(w, again).correction->count == 10);
  CHECK(*verdict_on(w, again).wait < 17min);
}

TEST_CASE("where urgent work comes between, predicted waits grow to what they are", "[engine]") {
  World w({{.id = "alpha", .cluster = hourly(20min)}});
  const auto start = w.cluster("alpha").now();
  for (int hour = 0; hour < 12; ++hour) {
    connectors::model::ClusterRequest urgent;
    urgent.name = "urgent";
    urgent.account = LocalAccount("local");
    urgent.queue = QueueName("urgent");
    urgent.resources.tasks = 4;
    urgent.time_limit = 20min;
    urgent.behaviour.run = 20min;
    w.cluster("alpha").submit_later(start + std::chrono::hours{hour} + 10min, urgent);
  }
  w.advance(5min);
  const auto ids = run_hours(w, 10);
  CHECK(*verdict_on(w, ids.front()).wait < 17min);
  const auto learned = verdict_on(w, ids.back());
  CHECK(*learned.predicted < 17min);
  CHECK(*learned.wait > 33min);
  CHECK(*learned.wait < 37min);
}

TEST_CASE("at a site that hides its queue, ours that have waited there tell how long it takes", "[engine]") {
  auto hidden = hourly(2h);
  hidden.hides_jobs = true;
  World w({{.id = "alpha", .cluster = hidden}});
  w.advance(5min);
  auto ids = run_hours(w, 9);
  CHECK(verdict_on(w, ids.front()).basis == Basis::none);  // possible all the same
  CHECK_FALSE(verdict_on(w, ids.front()).wait);
  ids.push_back(w.submit(kWholeSite));
  w.advance(1min);
  const auto known = verdict_on(w, ids.back());
  CHECK(known.basis == Basis::history);
  CHECK(*known.wait > 13min);
  CHECK(*known.wait < 17min);
  CHECK_FALSE(known.predicted);
  for (const auto& id : ids) check_repeats(w, id);

  // Its scheduler's own word on ours that waits there goes before that.
  w.retell = [&](const std::string&, ports::JobStatus& status) {
    if (status.phase == ports::Phase::queued) status.expected_start = w.time.now_utc() + 1h;
  };
  w.advance(2min);
  const auto next = w.ask(w.engine().consider(Principal("local:alice"), w.job(ids.back()).spec));
  REQUIRE(next);
  CHECK(next->verdicts[0].basis == Basis::scheduler);
  CHECK(*next->verdicts[0].wait > 50min);
  CHECK(*next->verdicts[0].wait <= 1h);
  auto smaller = w.job(ids.back()).spec;  // may start before it: nothing is said of that
  smaller.resources.tasks = 1;
  const auto other = w.ask(w.engine().consider(Principal("local:alice"), smaller));
  REQUIRE(other);
  CHECK(other->verdicts[0].basis == Basis::history);
}
