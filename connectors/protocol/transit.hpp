// SPDX-License-Identifier: Apache-2.0
#pragma once
// How much longer than usual a line was on its way, by the sender's clock and ours, which agree on nothing but their speed.

#include "broker/core/clock.hpp"

#include <algorithm>
#include <optional>

namespace hansa::connectors::protocol {

/// The smallest difference of the two clocks that was seen lately is a line that was not held up. Lately: between five and ten
/// minutes before it, however long nothing came, for clocks drift.
class Transit {
 public:
  Milliseconds delay(Milliseconds sent, MonotonicTime received) {
    const auto difference = received.since_origin - sent;
    if (!since_ || received - *since_ > kSpan) {
      before_ = now_;
      now_ = difference;
      since_ = received;
    }
    now_ = std::min(now_.value_or(difference), difference);
    return difference - std::min(*now_, before_.value_or(*now_));
  }

 private:
  static constexpr Milliseconds kSpan{300'000};
  std::optional<MonotonicTime> since_;
  std::optional<Milliseconds> now_;
  std::optional<Milliseconds> before_;
};

}  // namespace hansa::connectors::protocol
