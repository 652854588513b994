// SPDX-License-Identifier: Apache-2.0
#pragma once
// At most so many in any sixty seconds: the site's budget, kept to the letter.

#include "broker/core/clock.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>

namespace hansa::domain {

class RateWindow {
 public:
  explicit RateWindow(std::int32_t per_minute) : limit_(per_minute) {}

  /// How many more may go now.
  [[nodiscard]] std::int32_t left(MonotonicTime now) {
    while (!used_.empty() && now - used_.front() >= kWindow) used_.pop_front();
    return limit_ - static_cast<std::int32_t>(used_.size());
  }
  void take(MonotonicTime at) { used_.insert(std::ranges::upper_bound(used_, at), at); }
  /// What was taken at `from` was used at `to`.
  void move(MonotonicTime from, MonotonicTime to) {
    if (const auto taken = std::ranges::lower_bound(used_, from); taken != used_.end() && *taken == from) used_.erase(taken);
    take(to);
  }
  /// When left() will next exceed `reserve`; `now` if it does.
  [[nodiscard]] MonotonicTime free_at(MonotonicTime now, std::int32_t reserve = 0) {
    const auto missing = reserve + 1 - left(now);
    if (missing <= 0) return now;
    const auto index = static_cast<std::size_t>(missing - 1);
    return index < used_.size() ? used_[index] + kWindow : now + kWindow;
  }
  /// When the first of those used is one no more; `now` if none is.
  [[nodiscard]] MonotonicTime first_leaves_at(MonotonicTime now) { return left(now) == limit_ ? now : used_.front() + kWindow; }
  [[nodiscard]] std::int32_t limit() const { return limit_; }
  /// From now on. What was used under another one counts on.
  void set_limit(std::int32_t per_minute) { limit_ = per_minute; }

 private:
  static constexpr Milliseconds kWindow{60'000};
  std::int32_t limit_;
  std::deque<MonotonicTime> used_;  // in order
};

}  // namespace hansa::domain
