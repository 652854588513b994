// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long to wait before a connection that broke is made anew: it doubles while it keeps breaking, and half of it is chance, so
// that those who lost one together do not come back together.

#include "broker/core/clock.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace hansa::connectors::protocol {

struct PauseOptions {
  Milliseconds first{1'000};
  Milliseconds longest{120'000};
  Milliseconds steady_after{60'000};  // a connection that held so long breaks for the first time again
};

class Pauses {
 public:
  Pauses(Random& random, PauseOptions options) : random_(random), options_(options) {}

  /// After a connection, or an attempt at one, that lasted so long.
  Milliseconds next(Milliseconds lasted) {
    bound_ =
        lasted >= options_.steady_after || bound_ == Milliseconds{0} ? options_.first : std::min(bound_ * 2, options_.longest);
    std::array<std::byte, 4> dice{};
    random_.fill(dice);
    std::uint32_t number = 0;
    std::memcpy(&number, dice.data(), sizeof number);
    return bound_ / 2 + Milliseconds{static_cast<std::int64_t>(number % static_cast<std::uint32_t>(bound_.count() / 2 + 1))};
  }

 private:
  Random& random_;
  PauseOptions options_;
  Milliseconds bound_{0};
};

}  // namespace hansa::connectors::protocol
