// SPDX-License-Identifier: Apache-2.0
#pragma once
// Dice for plans. Each part of a plan throws its own, so that one that changes leaves the others as they were.

#include "broker/core/clock.hpp"
#include "simulation/seeded_random.hpp"

#include <cstdint>
#include <iterator>

namespace hansa::sim {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed * 2 + 1) {}
  int below(int bound) { return static_cast<int>(random_.below(static_cast<std::uint64_t>(bound))); }
  int between(int low, int high) { return low + below(high - low + 1); }
  bool one_in(int n) { return below(n) == 0; }
  Milliseconds time(Milliseconds low, Milliseconds high) {
    return low + Milliseconds(random_.below(static_cast<std::uint64_t>((high - low).count()) + 1));
  }
  template <class List>
  auto& of(List& list) {
    return list[static_cast<std::size_t>(below(static_cast<int>(std::size(list))))];
  }

 private:
  simulation::SeededRandom random_;
};

}  // namespace hansa::sim
