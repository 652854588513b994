// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/pool_profile.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <optional>

namespace hansa::routing {
namespace {

constexpr std::int64_t kSpan = 120;

TEST_CASE("a pool's profile: what is taken is gone for its time") {
  PoolProfile profile;
  profile.reset(100, 8);
  profile.take(110, 120, 6);
  CHECK(profile.free_at(109) == 8);
  CHECK(profile.free_at(110) == 2);
  CHECK(profile.free_at(120) == 8);
  CHECK(profile.earliest(8, 10, 100) == 100);
  CHECK(profile.earliest(8, 11, 100) == 120);
  CHECK(profile.earliest(2, 1000, 100) == 100);
  CHECK(profile.earliest(3, 1, 115) == 120);
  CHECK(profile.earliest(9, 1, 100) == kForever);
  profile.take(130, kForever, 8);
  CHECK(profile.earliest(8, 10, 101) == 120);
  CHECK(profile.earliest(8, 11, 101) == kForever);
}

TEST_CASE("a pool's profile against a table of seconds", "[property]") {
  rc::prop("earliest and free_at agree with every second tried", [] {
    const auto cores = *rc::gen::inRange<std::int64_t>(1, 9);
    PoolProfile profile;
    profile.reset(0, cores);
    std::vector<std::int64_t> table(kSpan, cores);
    const auto count = *rc::gen::inRange(0, 12);
    for (int i = 0; i < count; ++i) {
      const auto from = *rc::gen::inRange<std::int64_t>(0, kSpan);
      const auto until = *rc::gen::inRange<std::int64_t>(0, kSpan);
      const auto amount = *rc::gen::inRange<std::int64_t>(-3, 5);
      profile.take(from, until, amount);
      for (auto t = from; t < until; ++t) table[static_cast<std::size_t>(t)] -= amount;
    }
    for (std::int64_t t = 0; t < kSpan; ++t) RC_ASSERT(profile.free_at(t) == table[static_cast<std::size_t>(t)]);
    const auto need = *rc::gen::inRange<std::int64_t>(1, cores + 1);
    const auto duration = *rc::gen::inRange<std::int64_t>(1, 60);
    const auto not_before = *rc::gen::inRange<std::int64_t>(0, kSpan);
    std::int64_t run = 0;
    std::optional<std::int64_t> found;
    for (auto t = not_before; t < kSpan + duration && !found; ++t) {  // beyond the table everything is free again
      const auto free = t < kSpan ? table[static_cast<std::size_t>(t)] : cores;
      run = free >= need ? run + 1 : 0;
      if (run == duration) found = t - duration + 1;
    }
    RC_ASSERT(found.has_value());
    RC_ASSERT(profile.earliest(need, duration, not_before) == *found);
  });
}

}  // namespace
}  // namespace hansa::routing
