// SPDX-License-Identifier: Apache-2.0
#pragma once
// When an answer is of no more use. Made once at the edge, passed by value, only ever shortened on its way.

#include "broker/core/clock.hpp"

#include <algorithm>

namespace hansa::async {

struct Deadline {
  MonotonicTime at;

  /// `after` from now; a duration too long to add counts as never.
  static Deadline in(const Clock& clock, Milliseconds after) {
    const auto now = clock.now_monotonic();
    return {after > never().at - now ? never().at : now + after};
  }
  static constexpr Deadline never() { return {MonotonicTime{Milliseconds::max() / 2}}; }

  [[nodiscard]] Deadline shortened_to(Deadline other) const { return {std::min(at, other.at)}; }
  [[nodiscard]] Deadline shortened_to(const Clock& clock, Milliseconds after) const { return shortened_to(in(clock, after)); }

  /// Never negative.
  [[nodiscard]] Milliseconds remaining(const Clock& clock) const { return std::max(at - clock.now_monotonic(), Milliseconds{0}); }
  [[nodiscard]] bool passed(const Clock& clock) const { return clock.now_monotonic() >= at; }

  friend auto operator<=>(Deadline, Deadline) = default;
};

}  // namespace hansa::async
