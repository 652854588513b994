// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/binder.hpp"

#include <catch2/catch.hpp>

namespace hansa::routing {
namespace {

using Steps = std::vector<BindingStep>;

BindingJob job(BoundId id, std::int64_t cores, std::int64_t limit, Instant submitted_at = 0) {
  return {.id = id, .demand = {cores, limit}, .submitted_at = submitted_at, .allowed = {}};
}

/// Full until `until` with one job of others; `waiting` others in line, each as wide as the pool.
PoolSnapshot full(Instant now, std::int64_t cores, Instant until, int waiting = 0) {
  PoolSnapshot snapshot{.taken_at = now, .running = {{.id = kNotOurs, .cores = cores, .ends = until}}, .waiting = {}};
  for (int i = 0; i < waiting; ++i) snapshot.waiting.push_back({.id = kNotOurs, .demand = {cores, 1000}});
  return snapshot;
}

}  // namespace

TEST_CASE("binding: a job that would start now goes where it leaves the least room") {
  Binder binder({64, 16, 32});
  binder.accept(job(1, 16, 100));
  CHECK(binder.plan(0) == Steps{{.id = 1, .from = {}, .to = 1}});
  binder.accept(job(2, 16, 100));
  CHECK(binder.plan(0) == Steps{{.id = 2, .from = {}, .to = 2}});
  binder.accept(job(3, 16, 100));
  CHECK(binder.plan(0) == Steps{{.id = 3, .from = {}, .to = 2}});
  CHECK(binder.held() == 0);
}

TEST_CASE("binding: a job that could not start waits in the broker, and goes when it can") {
  Binder binder({10, 10});
  binder.observe(0, full(0, 10, 500));
  binder.observe(1, full(0, 10, 900));
  binder.accept(job(1, 4, 100));
  CHECK(binder.plan(0).empty());
  CHECK(binder.held() == 1);
  binder.observe(1, {.taken_at = 300, .running = {{kNotOurs, 6, 900}}, .waiting = {}});
  CHECK(binder.plan(300) == Steps{{.id = 1, .from = {}, .to = 1}});
  CHECK(binder.held() == 0);
}

TEST_CASE("binding: nobody passes a held job where that would delay it") {
  Binder binder({10});
  binder.observe(0, {.taken_at = 0, .running = {{kNotOurs, 6, 500}}, .waiting = {}});
  binder.accept(job(1, 8, 100));   // reserved at 500, with 2 spare
  CHECK(binder.plan(0).empty());
  binder.accept(job(2, 4, 501));   // would still run then
  CHECK(binder.plan(0).empty());
  binder.accept(job(3, 2, 9000));  // spare
  CHECK(binder.plan(0) == Steps{{.id = 3, .from = {}, .to = 0}});
  binder.accept(job(4, 2, 9000));  // the spare cores are gone
  CHECK(binder.plan(0).empty());
  binder.accept(job(5, 2, 500));   // over by then
  CHECK(binder.plan(0) == Steps{{.id = 5, .from = {}, .to = 0}});
}

TEST_CASE("binding: where others stand in line a wide job takes its place at once, a narrow young one later") {
  Binder binder({10});
  binder.observe(0, full(0, 10, 500, 2));
  binder.accept(job(1, 3, 100));
  binder.accept(job(2, 1, 100));
  CHECK(binder.plan(0) == Steps{{.id = 1, .from = {}, .to = 0}});
  CHECK(binder.next_plan(0) == 7200);
  CHECK(binder.plan(7199).empty());
  CHECK(binder.plan(7200) == Steps{{.id = 2, .from = {}, .to = 0}});
}

TEST_CASE("binding: without holding every job goes to the earliest predicted start") {
  Binder binder({10, 10}, {.hold = false});
  binder.observe(0, full(0, 10, 500));
  binder.observe(1, full(0, 10, 300));
  binder.accept(job(1, 10, 100));
  CHECK(binder.plan(0) == Steps{{.id = 1, .from = {}, .to = 1}});
  binder.accept(job(2, 10, 100));
  CHECK(binder.plan(0) == Steps{{.id = 2, .from = {}, .to = 1}});  // 400 there, 500 at the other
  binder.accept(job(3, 10, 100));
  CHECK(binder.plan(0) == Steps{{.id = 3, .from = {}, .to = 0}});  // 500 at both
}

TEST_CASE("binding: a waiting job moves once, for a gain, to where it starts now") {
  BindingOptions options{.hold = false, .move_gain = 1000, .moves_per_thousand = 1000};
  Binder binder({10, 10}, options);
  binder.observe(0, full(0, 10, 5000));
  binder.observe(1, full(0, 10, 6000));
  binder.accept(job(1, 10, 100));
  REQUIRE(binder.plan(0) == Steps{{.id = 1, .from = {}, .to = 0}});
  PoolSnapshot waits = full(100, 10, 5000);
  waits.waiting.push_back({.id = 1, .demand = {10, 100}});
  binder.observe(0, waits);
  SECTION("no room anywhere: it stays") { CHECK(binder.plan(100).empty()); }
  SECTION("room elsewhere") {
    binder.observe(1, {.taken_at = 100, .running = {}, .waiting = {}});
    CHECK(binder.plan(100) == Steps{{.id = 1, .from = 0, .to = 1}});
    CHECK(binder.moves() == 1);
    SECTION("not a second time") {
      PoolSnapshot there = full(200, 10, 5000);
      there.waiting.push_back({.id = 1, .demand = {10, 100}});
      binder.observe(1, there);
      binder.observe(0, {.taken_at = 200, .running = {}, .waiting = {}});
      CHECK(binder.plan(200).empty());
    }
    SECTION("a cancel that came too late: it is where it was, and does not move again") {
      binder.refused({.id = 1, .from = 0, .to = 1});
      binder.observe(0, waits);
      binder.observe(1, {.taken_at = 200, .running = {}, .waiting = {}});
      CHECK(binder.plan(200).empty());
    }
  }
  SECTION("too little to win") {
    binder.observe(1, {.taken_at = 4500, .running = {}, .waiting = {}});
    CHECK(binder.plan(4500).empty());
  }
}

TEST_CASE("binding: moves are capped by the jobs accepted") {
  BindingOptions options{.hold = false, .move_gain = 1, .moves_per_thousand = 500};
  Binder binder({1, 8}, options);
  binder.observe(0, full(0, 1, 10'000));
  binder.observe(1, full(0, 8, 20'000));
  for (BoundId id = 1; id <= 4; ++id) binder.accept(job(id, 1, 100));
  REQUIRE(binder.plan(0).size() == 4);  // all at pool 0
  binder.observe(1, {.taken_at = 1, .running = {}, .waiting = {}});
  CHECK(binder.plan(1).size() == 2);
  CHECK(binder.moves() == 2);
}

TEST_CASE("binding: rules narrow where a job may go") {
  Binder binder({10, 20, 30});
  auto narrowed = job(1, 10, 100);
  narrowed.allowed = {2};
  binder.accept(narrowed);
  CHECK(binder.plan(0) == Steps{{.id = 1, .from = {}, .to = 2}});
  auto wide = job(2, 15, 100);
  wide.allowed = {0};
  binder.accept(wide);
  CHECK(binder.plan(0).empty());
  CHECK(binder.plan(1'000'000).empty());
}

TEST_CASE("binding: of the held jobs the most urgent goes first") {
  Binder binder({10});
  binder.observe(0, full(0, 10, 5000));
  auto guessed = job(3, 10, 40'000, 0);
  guessed.expected_run = 10;                 // length (40000 + 30) / 4
  binder.accept(job(1, 10, 36'000, 0));      // oldest, but long
  binder.accept(guessed);
  binder.accept(job(2, 10, 360, 900));
  REQUIRE(binder.plan(900).empty());
  binder.observe(0, {.taken_at = 1000, .running = {}, .waiting = {}});
  CHECK(binder.plan(1000) == Steps{{.id = 2, .from = {}, .to = 0}});
  binder.observe(0, {.taken_at = 1100, .running = {}, .waiting = {}});
  binder.forget(2);
  CHECK(binder.plan(1100) == Steps{{.id = 3, .from = {}, .to = 0}});
}

TEST_CASE("binding: whoever waits long enough is the most urgent") {
  Binder binder({10});
  binder.observe(0, full(0, 10, 5000));
  binder.accept(job(1, 10, 36'000, 0));
  REQUIRE(binder.plan(0).empty());
  constexpr Instant kLater = 1'000'000;
  binder.accept(job(2, 10, 360, kLater));
  binder.observe(0, {.taken_at = kLater, .running = {}, .waiting = {}});
  CHECK(binder.plan(kLater) == Steps{{.id = 1, .from = {}, .to = 0}});
}

TEST_CASE("binding: jobs that fit nowhere do not keep others from their reservation") {
  Binder binder({10}, {.blocked_most = 2});
  binder.observe(0, {.taken_at = 0, .running = {{kNotOurs, 6, 500}}, .waiting = {}});
  for (BoundId id = 1; id <= 5; ++id) binder.accept(job(id, 11, 10));
  binder.accept(job(6, 8, 100));
  binder.accept(job(7, 4, 9000));  // would delay job 6
  CHECK(binder.plan(0).empty());
}

TEST_CASE("binding: a snapshot from before a send does not undo it") {
  Binder binder({10});
  binder.accept(job(1, 10, 100, 50));
  REQUIRE(binder.plan(50).size() == 1);
  binder.observe(0, {.taken_at = 40, .running = {}, .waiting = {}});
  binder.accept(job(2, 10, 100, 51));
  CHECK(binder.plan(51).empty());
  // One from after it that does not show the job: it is not there any more.
  binder.observe(0, {.taken_at = 60, .running = {}, .waiting = {}});
  CHECK(binder.plan(60).size() == 1);
}

TEST_CASE("binding: what is forgotten is neither sent nor waited for") {
  Binder binder({10});
  binder.observe(0, {.taken_at = 0, .running = {{kNotOurs, 6, 500}}, .waiting = {}});
  binder.accept(job(1, 8, 100));
  binder.accept(job(2, 4, 9000));
  REQUIRE(binder.plan(0).empty());
  binder.forget(1);
  CHECK(binder.plan(1) == Steps{{.id = 2, .from = {}, .to = 0}});
  binder.forget(2);
  binder.forget(77);
  CHECK(binder.held() == 0);
}

TEST_CASE("binding: a refused send comes back to the broker, in its old place") {
  Binder binder({10});
  binder.accept(job(1, 6, 100, 0));
  const auto sent = binder.plan(0);
  REQUIRE(sent.size() == 1);
  binder.accept(job(2, 6, 100, 1));
  REQUIRE(binder.plan(1).empty());
  binder.refused(sent[0]);
  binder.observe(0, {.taken_at = 2, .running = {}, .waiting = {}});
  CHECK(binder.plan(2) == Steps{{.id = 1, .from = {}, .to = 0}});
}

TEST_CASE("binding: where other people's jobs are hidden, a job goes where room is seen, and stands in line as where they wait") {
  Binder binder({10, 10});
  binder.observe(0, {.taken_at = 0, .running = {}, .waiting = {}, .sees_everyone = false, .hidden_cores = 8});
  binder.observe(1, full(0, 10, 50'000));
  binder.accept(job(1, 2, 100));
  CHECK(binder.plan(0) == Steps{{.id = 1, .from = {}, .to = 0}});
  // It did not start: somebody was there first, whom nobody sees. Whoever asks for no less does not start there either.
  PoolSnapshot waits{.taken_at = 60,
                     .running = {},
                     .waiting = {{.id = 1, .demand = {2, 100}, .planned = 9000}},
                     .sees_everyone = false,
                     .hidden_cores = 8};
  binder.observe(0, waits);
  SECTION("a narrow one stays until it has waited long enough") {
    binder.accept(job(2, 1, 20'000, 60));
    CHECK(binder.plan(60).empty());
    CHECK(binder.next_plan(60) == 7260);
  }
  SECTION("a wide one takes its place, where the other site is full for longer than hidden work is taken to last") {
    binder.observe(1, full(60, 10, 200'000));
    binder.accept(job(2, 3, 100, 60));
    CHECK(binder.plan(60) == Steps{{.id = 2, .from = {}, .to = 0}});
  }
  SECTION("a shorter one is tried") {
    binder.accept(job(2, 2, 99, 60));
    CHECK(binder.plan(60) == Steps{{.id = 2, .from = {}, .to = 0}});
  }
  SECTION("by the scheduler's own plan it moves, if moves are allowed") {
    Binder mover({10, 10}, {.moves_per_thousand = 1000});
    mover.observe(0, {.taken_at = 0, .running = {}, .waiting = {}, .sees_everyone = false, .hidden_cores = 8});
    mover.observe(1, full(0, 10, 50'000));
    mover.accept(job(1, 2, 100));
    REQUIRE(mover.plan(0).size() == 1);
    mover.observe(0, waits);
    mover.observe(1, {.taken_at = 60, .running = {}, .waiting = {}});
    CHECK(mover.plan(60) == Steps{{.id = 1, .from = 0, .to = 1}});
  }
}

}  // namespace hansa::routing
