// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;
using domain::Basis;

namespace {

domain::WaitScore score_of(const domain::Job& job, std::optional<Seconds> p50, std::optional<Seconds> p90, Seconds actual,
                           std::int64_t second = 100) {
  return {.attempt = 1,
          .site = job.attempts.front().site,
          .project = job.spec.project,
          .size_class = "small",
          .basis = p50 ? Basis::queue : Basis::none,
          .predicted = p50,
          .p50 = p50,
          .p90 = p90,
          .actual = actual,
          .started_at = at(second)};
}

/// The job starts, and its wait is scored in the same commit.
void start_scored(StoreUnderTest& store, domain::Job& job, domain::WaitScore score) {
  auto started = change(job, {domain::RunStarted{.attempt = 1, .started_at = score.started_at}});
  started.score = std::move(score);
  const auto recorded = store.wait(store.jobs().record(std::move(started)));
  if (!recorded) FAIL(recorded.error().message);
}

}  // namespace

TEST_CASE("what became of a predicted wait is recorded with the start, and read again from the oldest on") {
  auto store = next_store();
  auto first = bound(*store, "alpha", "1", {});
  auto second = bound(*store, "alpha", "2", {});
  auto elsewhere = bound(*store, "beta", "3", {});
  const auto one = score_of(first, Seconds{600}, Seconds{1800}, Seconds{700});
  const auto two = score_of(second, std::nullopt, std::nullopt, Seconds{5});
  start_scored(*store, first, one);
  start_scored(*store, second, two);
  start_scored(*store, elsewhere, score_of(elsewhere, Seconds{0}, std::nullopt, Seconds{0}));
  store->reopen();
  const auto recent = [&](std::size_t limit) {
    return store->wait(store->estimates().recent_waits(SiteId("alpha"), limit)).value();
  };
  CHECK(recent(10) == std::vector{one, two});
  CHECK(recent(1) == std::vector{two});
  CHECK(store->wait(store->estimates().recent_waits(SiteId("gamma"), 10)).value().empty());
}

TEST_CASE("a start that is not recorded scores nothing") {
  auto store = next_store();
  auto job = bound(*store, "alpha", "1", {});
  auto stale = job;
  auto change_of_stale = change(stale, {domain::RunStarted{.attempt = 1, .started_at = at(100)}});
  change_of_stale.score = score_of(job, Seconds{1}, std::nullopt, Seconds{1});
  change_of_stale.job.version += 7;
  CHECK(code_of(store->wait(store->jobs().record(std::move(change_of_stale)))) == "STALE_VERSION");
  CHECK(store->wait(store->estimates().recent_waits(SiteId("alpha"), 10)).value().empty());
}

TEST_CASE("the report of estimates counts who started in time, and has medians") {
  auto store = next_store();
  const struct {
    const char *site, *owner, *project;
    std::optional<Seconds> p50, p90;
    Seconds actual;
    std::int64_t second;
  } kStarts[] = {
      {"alpha", "local:alice", "lab", Seconds{600}, Seconds{1200}, Seconds{660}, 100},   // on time: a minute late
      {"alpha", "local:alice", "lab", Seconds{600}, Seconds{1200}, Seconds{661}, 200},
      {"alpha", "local:bob", "lab", Seconds{300}, Seconds{1200}, Seconds{1261}, 300},
      {"alpha", "local:bob", "weather", Seconds{100}, std::nullopt, Seconds{0}, 400},
      {"beta", "local:bob", "weather", std::nullopt, std::nullopt, Seconds{50}, 500},
  };
  int id = 1;
  for (const auto& s : kStarts) {
    auto job = bound(*store, s.site, std::to_string(id++), {.owner = s.owner, .project = s.project});
    start_scored(*store, job, score_of(job, s.p50, s.p90, s.actual, s.second));
  }
  using enum ports::EstimateGroup;
  const auto report = [&](const ports::EstimateQuery& query) {
    return store->wait(store->estimates().estimate_report(query)).value();
  };
  const auto rows = report({.by = {site}});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].keys == std::vector<std::string>{"alpha"});
  CHECK(rows[0].starts == 4);
  CHECK(rows[0].estimated == 4);
  CHECK(rows[0].within_p50 == 2);
  CHECK(rows[0].ranged == 3);
  CHECK(rows[0].within_p90 == 2);
  CHECK(rows[0].actual == Seconds{660});
  CHECK(rows[0].predicted == Seconds{300});
  CHECK(rows[0].error == Seconds{61});  // of 60, 61, 100 and 961
  CHECK(rows[1].starts == 1);
  CHECK(rows[1].estimated == 0);
  CHECK_FALSE(rows[1].predicted);
  CHECK_FALSE(rows[1].error);

  const auto by_all = report({.by = {project, size_class, basis}});
  REQUIRE(by_all.size() == 3);
  CHECK(by_all[0].keys == std::vector<std::string>{"lab", "small", "queue"});
  CHECK(by_all[1].keys == std::vector<std::string>{"weather", "small", "none"});
  CHECK(by_all[2].keys == std::vector<std::string>{"weather", "small", "queue"});
  CHECK(report({.owner = Principal("local:alice"), .by = {site}}).at(0).starts == 2);
  CHECK(report({.since = at(300), .by = {}}).at(0).starts == 3);
  CHECK(report({.since = at(300) + Milliseconds{1}, .by = {}}).at(0).starts == 2);
  CHECK(report({.since = at(501), .by = {}}).empty());
}
