// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/play_forward.hpp"

#include "tests/unit/routing/brute_force.hpp"
#include "tests/unit/routing/random_site.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

using namespace hansa;
using namespace hansa::routing;
using namespace hansa::routing::test;

namespace {

using Starts = std::vector<std::optional<std::int64_t>>;

Starts starts_of(const Played& played) {
  Starts starts;
  for (const auto& start : played.starts) starts.push_back(start ? std::optional(start->at - kNow) : std::nullopt);
  return starts;
}
Starts play(const domain::SiteSnapshot& site) { return starts_of(play_forward(site, at(0))); }

}  // namespace

TEST_CASE("an idle site starts what fits, in the site's order") {
  CHECK(play(SiteMaker().nodes(2, 4).queue("main").waiting(want(1, 4), 10).waiting(want(1, 4), 20).get()) == Starts{0, 0});
}

TEST_CASE("EASY: the head is reserved, small jobs pass it only where they do not delay it") {
  auto site = SiteMaker().nodes(2, 4).queue("main").running({0}, 4, 100);
  site.waiting(want(2, 4), 50);    // head: needs both nodes, at 100
  site.waiting(want(1, 4), 101);   // would delay the head: after it
  site.waiting(want(1, 4), 100);   // ends exactly when the head starts
  CHECK(play(site.get()) == Starts{100, 150, 0});
}

TEST_CASE("only the head has a reservation: the second in line may be delayed by backfilling") {
  auto site = SiteMaker().nodes(2, 4).queue("main").running({0}, 4, 100).running({1}, 2, 20);
  site.waiting(want(2, 4), 10);    // head, at 100
  site.waiting(want(1, 4), 80);    // fits at 20 on node 1
  site.waiting(want(1, 2), 60);    // starts now on node 1, and so pushes the one before it behind the head
  CHECK(play(site.get()) == Starts{100, 110, 0});
}

TEST_CASE("priority: tier first, then priority, then the site's order") {
  auto site = SiteMaker().nodes(1, 1).queue("main").queue("urgent");
  site.get().queues[1].priority_tier = 5;
  site.waiting(want(1, 1), 10, 1).waiting(want(1, 1), 10, 9).waiting(want(1, 1), 10, 9).waiting(want(1, 1), 10, 0, "urgent");
  CHECK(play(site.get()) == Starts{30, 10, 20, 0});
}

TEST_CASE("queues that share no node do not wait for each other") {
  auto site = SiteMaker().nodes(2, 4).queue("main", {0}).queue("other", {1}).running({0}, 4, 100);
  site.waiting(want(1, 4), 10).waiting(want(1, 4), 500, 0, "other");
  CHECK(play(site.get()) == Starts{100, 0});
}

TEST_CASE("queues that share no node have a reservation each") {
  auto site = SiteMaker().nodes(3, 4).queue("main", {0}).queue("other", {1, 2}).running({0}, 4, 1000).running({1}, 4, 100);
  site.waiting(want(1, 4), 10).waiting(want(2, 4), 50, 0, "other").waiting(want(1, 4), 200, 0, "other");
  CHECK(play(site.get()) == Starts{1000, 100, 150});
}

TEST_CASE("what is skipped: not eligible, closed queue, unknown queue, never fitting") {
  auto site = SiteMaker().nodes(1, 4).queue("main").queue("closed");
  site.get().queues[1].up = false;
  site.waiting(want(1, 4), 10).waiting(want(1, 4), 10).waiting(want(1, 4), 10, 9, "closed").waiting(want(1, 4), 10, 9, "what");
  site.waiting(want(1, 5), 10, 9).waiting(want(2, 1), 10, 9).waiting(want(1, 1, 0, 1, "a100"), 10, 9);
  site.get().waiting[0].eligible = false;
  CHECK(play(site.get()) == Starts{std::nullopt, 0, std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt});
}

TEST_CASE("a job with a begin time joins the line then") {
  auto site = SiteMaker().nodes(1, 4).queue("main").waiting(want(1, 4), 10, 9).waiting(want(1, 4), 30);
  site.get().waiting[0].eligible = false;
  site.get().waiting[0].eligible_at = at(7);
  CHECK(play(site.get()) == Starts{30, 0});
}

TEST_CASE("work past its end is counted for the grace and no longer") {
  CHECK(play(SiteMaker().nodes(1, 4).queue("main").running({0}, 4, -500).waiting(want(1, 4), 5).get()) == Starts{30});
  CHECK(play(SiteMaker().nodes(1, 4).queue("main").running({0}, 4, 0).waiting(want(1, 4), 5).get()) == Starts{30});
  CHECK(play(SiteMaker().nodes(1, 4).queue("main").running({0}, 4, 1).waiting(want(1, 4), 5).get()) == Starts{1});
}

TEST_CASE("maintenance: what would run into it starts after it") {
  auto site = SiteMaker().nodes(1, 4).queue("main").reservation(100, 200, {0});
  site.waiting(want(1, 4), 101).waiting(want(1, 4), 60).waiting(want(1, 4), 41);
  CHECK(play(site.get()) == Starts{200, 0, 301});  // 60 + 41 > 100
  site.get().waiting[2].time_limit = Seconds{40};
  CHECK(play(site.get()) == Starts{200, 0, 60});
}

TEST_CASE("a time limit of 0 is the queue's, or none") {
  auto site = SiteMaker().nodes(1, 4).queue("main").waiting(want(1, 4), 0).waiting(want(1, 4), 5);
  site.get().queues[0].max_time = Seconds{70};
  CHECK(play(site.get()) == Starts{0, 70});
  site.get().queues[0].max_time.reset();
  CHECK(play(site.get()) == Starts{0, std::nullopt});
}

TEST_CASE("memory and GPUs make a job wait like cores do; memory 0 never does") {
  auto site = SiteMaker().nodes(1, 8, 100, 2, "a100").queue("main").running({0}, 1, 40, 90, 1);
  site.waiting(want(1, 1, 11), 5)
      .waiting(want(1, 1, 0, 2, "a100"), 5)
      .waiting(want(1, 1, 0, 1, "a100"), 5)
      .waiting(want(1, 1), 5);
  CHECK(play(site.get()) == Starts{40, 40, 0, 0});
}

TEST_CASE("unusable nodes have no room, whatever runs on them") {
  auto site = SiteMaker().nodes(1, 4, 0, 0, "", false).nodes(1, 4).queue("main").running({0}, 4, 10);
  site.waiting(want(1, 4), 20).waiting(want(1, 4), 20).waiting(want(2, 1), 20);
  CHECK(play(site.get()) == Starts{0, 20, std::nullopt});
}

TEST_CASE("a hostile snapshot is played without harm") {
  auto site = SiteMaker().nodes(2, 4).queue("main", {0, 0, 1, 7, 4000000000U}).queue("main", {1});
  site.nodes(1, -4, -1, -1).running({9, 0}, -3, 10).running({0}, 2'000'000'000, 20).reservation(50, 10, {0, 88});
  site.waiting(want(-1, 1), 5).waiting(want(1, 2'000'000'000), 5).waiting(want(2'000'000'000, 1), 5);
  domain::Resources many{.nodes = 1,
                         .tasks = 2'000'000'000,
                         .cpus_per_task = 2'000'000'000,
                         .memory_per_node = {std::numeric_limits<std::int64_t>::max()},
                         .gpus_per_node = -1,
                         .gpu_model = {}};
  site.waiting(many, std::numeric_limits<std::int64_t>::max()).waiting(want(1, 1), -9);
  site.get().running.push_back({.id = {}, .queue = {}, .shares = {{1, 4, {0}, 0}}, .expected_end = UtcTime::max()});
  const auto starts = play(site.get());
  CHECK(starts == Starts{20, std::nullopt, std::nullopt, std::nullopt, 20});
}

TEST_CASE("when the effort ends, the rest counts as a fluid and what was played stays exact") {
  auto site = SiteMaker().nodes(1, 4).queue("main");
  const auto limit = [](std::size_t i) { return 10 + static_cast<std::int64_t>(i / 10); };  // ten alike
  for (std::size_t i = 0; i < 100; ++i) site.waiting(want(1, 4), limit(i));
  const auto whole = play_forward(site.get(), at(0));
  const auto part = play_forward(site.get(), at(0), 800);
  CHECK(whole.facts.queues[0].backlog_from == kForever);
  const auto from = part.facts.queues[0].backlog_from;
  REQUIRE(from != kForever);
  std::int64_t rest = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    if (part.starts[i]) {
      CHECK(part.starts[i]->at == whole.starts[i]->at);
    } else {
      rest += limit(i);
    }
  }
  CHECK(rest > 0);
  CHECK(part.facts.queues[0].backlog_until - from == rest);
}

TEST_CASE("EASY equals a scheduler that visits every second of a table") {
  rc::prop("starts and nodes' room agree", [] {
    const auto site = random_site();
    BruteForce brute(site, kNow);
    const auto expected = brute.play();
    const auto played = play_forward(site, at(0));
    RC_ASSERT(starts_of(played) == expected);
    RC_CLASSIFY(std::ranges::any_of(expected, [](const auto& start) { return start && *start > 0; }), "some wait");
  });
  rc::prop("no node is ever given twice", [] {
    auto site = random_site(14);
    const auto played = play_forward(site, at(0));
    for (std::size_t node = 0; node < played.fleet.size(); ++node) {
      const auto& kind = played.facts.kinds[played.facts.kind_of[node]];
      const auto in_maintenance = std::ranges::any_of(site.reservations, [&](const auto& reservation) {
        return std::ranges::find(reservation.nodes, node) != reservation.nodes.end();
      });
      if (!kind.usable || in_maintenance) continue;  // running work may lie under a reservation
      for (const auto& step : played.fleet[node].steps()) RC_ASSERT(step.free.holds(Room{}));
      RC_ASSERT(played.fleet[node].steps().back().free == kind.room);
    }
  });
}
