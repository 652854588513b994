// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/fleet.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>

using namespace hansa;
using namespace hansa::routing;

namespace {

constexpr std::int64_t kSpan = 120;

Room random_room(std::int64_t most) {
  return {*rc::gen::inRange<std::int64_t>(0, most), *rc::gen::inRange<std::int64_t>(0, most), 0};
}

Timeline random_timeline(int changes) {
  Timeline timeline(Room{8, 8, 0});
  for (int i = 0; i < changes; ++i) {
    const auto from = *rc::gen::inRange<std::int64_t>(0, kSpan);
    timeline.add(from, from + *rc::gen::inRange<std::int64_t>(0, 40), -random_room(4));
  }
  return timeline;
}

}  // namespace

TEST_CASE("a timeline is a sum of intervals") {
  Timeline timeline(Room{4, 10, 1});
  timeline.add(10, 20, {-3, -5, 0});
  timeline.add(15, kForever, {-1, 0, -1});
  CHECK(timeline.holds(0, 10, {4, 10, 1}));
  CHECK_FALSE(timeline.holds(0, 11, {4, 0, 0}));
  CHECK(timeline.holds(10, 15, {1, 5, 1}));
  CHECK_FALSE(timeline.holds(10, 16, {1, 5, 0}));
  CHECK(timeline.holds(20, 1'000'000'000, {3, 10, 0}));
  timeline.add(7, 7, {-9, 0, 0});
  timeline.add(8, 7, {-9, 0, 0});
  CHECK(timeline.holds(0, 10, {4, 10, 1}));
}

TEST_CASE("the earliest common start is the first second at which a search by hand finds one") {
  rc::prop("earliest and pick", [] {
    std::vector<Timeline> timelines;
    std::vector<std::uint32_t> models;
    std::vector<Room> wholes;
    std::vector<std::uint32_t> candidates;
    const auto count = *rc::gen::inRange<std::uint32_t>(1, 5);
    for (std::uint32_t i = 0; i < count; ++i) {
      timelines.push_back(random_timeline(6));
      models.push_back(*rc::gen::inRange<std::uint32_t>(0, 3));
      wholes.push_back(random_room(9));
      candidates.push_back(i);
    }
    const Fleet fleet(timelines, models, wholes);
    Demand demand{.nodes = *rc::gen::inRange(1, 4),
                  .per_node = random_room(9),
                  .gpu_model = *rc::gen::inRange<std::uint32_t>(0, 3),
                  .duration = *rc::gen::inRange<std::int64_t>(1, 30),
                  .whole = *rc::gen::arbitrary<bool>()};
    const auto from = *rc::gen::inRange<std::int64_t>(0, 60);
    std::optional<Instant> expected;
    for (auto t = from; t <= kSpan + 40 && !expected; ++t) {
      std::int32_t able = 0;
      for (const auto node : candidates) {
        if (demand.gpu_model != kAnyModel && models[node] != demand.gpu_model) continue;
        const auto& need = demand.whole ? wholes[node] : demand.per_node;
        bool fits = need.holds(demand.per_node);
        for (auto s = t; s < t + demand.duration; ++s) fits = fits && timelines[node].holds(s, s + 1, need);
        if (fits) ++able;
      }
      if (able >= demand.nodes) expected = t;
    }
    RC_ASSERT(fleet.earliest(candidates, demand, from) == expected);
    RC_ASSERT(Openings(fleet, candidates, demand).earliest(demand.nodes, demand.duration, from) == expected);
    if (!expected) return;
    const auto nodes = fleet.pick(candidates, demand, *expected);
    RC_ASSERT(nodes.size() == static_cast<std::size_t>(demand.nodes));
    for (const auto node : nodes) {
      RC_ASSERT(fleet[node].holds(*expected, *expected + demand.duration, fleet.need(node, demand)));
      RC_ASSERT(fleet.suits(node, demand));
    }
  });
}

TEST_CASE("reducing a timeline never shows more room, keeps the near future and the end, and bounds its size") {
  rc::prop("reduced is beneath exact", [] {
    const auto exact = random_timeline(*rc::gen::inRange(0, 40));
    const auto now = *rc::gen::inRange<std::int64_t>(0, 50);
    auto reduced = exact;
    reduced.reduce(now);
    std::size_t same = 0;
    for (auto t = now; t < kSpan + 60; ++t) {
      const auto& real = exact.steps()[exact.index_at(t)].free;
      const auto& shown = reduced.steps()[reduced.index_at(t)].free;
      RC_ASSERT(real.holds(shown));
      if (real == shown && same == static_cast<std::size_t>(t - now)) ++same;
    }
    RC_ASSERT(reduced.steps().front().from == kBeginning);
    RC_ASSERT(reduced.steps().back().free == exact.steps().back().free);
    // Seven whole steps are exact; the eighth may already stand for several.
    if (reduced.steps().size() >= 8) RC_ASSERT(reduced.steps()[7].from - now <= static_cast<std::int64_t>(same));
    RC_ASSERT(reduced.steps().size() <= 8 + 14);  // 1.5^13 > kSpan + 60, and the last
    auto again = reduced;
    again.reduce(now);
    RC_ASSERT(again.steps().back() == reduced.steps().back());
  });
}

TEST_CASE("a request is brought into range, and the fullest node counts") {
  const domain::Resources uneven{.nodes = 2, .tasks = 5, .cpus_per_task = 3};
  CHECK(demand_of(uneven, Seconds{10}).per_node.cores == 9);
  const domain::Resources none{.nodes = -1, .tasks = 0, .cpus_per_task = -2, .memory_per_node = {-1}, .gpus_per_node = -1};
  CHECK(demand_of(none, Seconds{-4}) == Demand{.nodes = 1, .per_node = {1, 0, 0}, .gpu_model = kAnyModel, .duration = 1});
  CHECK(demand_of({}, Seconds::max()).duration == kHorizon);
}
