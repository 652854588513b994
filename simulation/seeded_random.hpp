// SPDX-License-Identifier: Apache-2.0
#pragma once
// Randomness that one number replays: xoshiro256** (Blackman and Vigna, prng.di.unimi.it), seeded by splitmix64 as its
// authors advise. Never for secrets.

#include "broker/core/clock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hansa::simulation {

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);

  void fill(std::span<std::byte> out) override;

  std::uint64_t next();
  /// Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// True once in `n` times on average.
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace hansa::simulation
