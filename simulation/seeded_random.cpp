// SPDX-License-Identifier: Apache-2.0
#include "simulation/seeded_random.hpp"

#include <bit>

namespace hansa::simulation {

SeededRandom::SeededRandom(std::uint64_t seed) {
  for (auto& word : state_) {  // splitmix64: never leaves all four words zero
    seed += 0x9e3779b97f4a7c15U;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    word = z ^ (z >> 31U);
  }
}

std::uint64_t SeededRandom::next() {
  auto& s = state_;
  const std::uint64_t result = std::rotl(s[1] * 5, 7) * 9;
  const std::uint64_t t = s[1] << 17U;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = std::rotl(s[3], 45);
  return result;
}

std::uint64_t SeededRandom::below(std::uint64_t bound) {
  const std::uint64_t uneven = (0 - bound) % bound;  // 2^64 mod bound: those first numbers would favour the small answers
  std::uint64_t word = next();
  while (word < uneven) word = next();
  return word % bound;
}

void SeededRandom::fill(std::span<std::byte> out) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {  // little-endian on every machine
    if (i % 8 == 0) word = next();
    out[i] = static_cast<std::byte>(word & 0xffU);
    word >>= 8U;
  }
}

}  // namespace hansa::simulation
