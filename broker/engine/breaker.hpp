// SPDX-License-Identifier: Apache-2.0
#pragma once
// Leaves a site alone that does not answer: after so many failures in a row nothing is asked but one probe at a time, at growing,
// jittered intervals, until the first answer. Knows nothing of calls; its owner tells it what became of them.

#include "broker/core/clock.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace hansa::engine {

struct BreakerOptions {
  std::int32_t failures = 5;  // in a row, that open it
  Milliseconds first_probe_after{30'000};  // then twice as long after each probe without an answer
  Milliseconds longest_probe_after{120'000};
};

class Breaker {
 public:
  enum class State { closed, open, half_open };  // half_open: a probe is under way

  /// Sites that fall silent together are not probed together: each `seed` has its own jitter (a fifth of an interval, to both
  /// sides).
  Breaker(BreakerOptions options, std::string seed) : options_(options), seed_(std::move(seed)) {}

  [[nodiscard]] State state() const { return !open_ ? State::closed : probing_ ? State::half_open : State::open; }
  [[nodiscard]] bool open() const { return open_; }
  [[nodiscard]] std::int32_t failures() const { return failures_; }  // in a row
  /// While it is open: when the next probe may go.
  [[nodiscard]] MonotonicTime next_probe() const { return next_probe_; }
  [[nodiscard]] bool may_probe(MonotonicTime now) const { return open_ && !probing_ && now >= next_probe_; }
  void probe_begins() { probing_ = true; }
  /// The way there has come about again: no need to wait for the next probe. How it grows if that fails stays as it is.
  void probe_at_once(MonotonicTime now) { next_probe_ = std::min(next_probe_, now); }

  /// True: it was open.
  bool answered() {
    failures_ = 0;
    return std::exchange(open_, false);
  }

  /// `probe`: it was the probe that failed; others were under way when it opened, and say nothing new. True: it has opened.
  bool failed(MonotonicTime now, bool probe) {
    ++failures_;
    if (open_) {
      if (probe) {
        interval_ = std::min(interval_ * 2, options_.longest_probe_after);
        next_probe_ = now + jittered(interval_);
      }
      return false;
    }
    if (failures_ < options_.failures) return false;
    open_ = true;
    interval_ = std::min(options_.first_probe_after, options_.longest_probe_after);
    next_probe_ = now + jittered(interval_);
    return true;
  }
  /// Whatever came of it: if it said nothing of the site, the next one is due at once.
  void probe_ends() { probing_ = false; }

 private:
  [[nodiscard]] Milliseconds jittered(Milliseconds interval) {
    // From 80 to 120 percent; a history plays twice the same, so no dice.
    const auto mixed = std::hash<std::string>{}(seed_ + std::to_string(++drawn_));
    return interval * (80 + static_cast<std::int64_t>(mixed % 41)) / 100;
  }

  BreakerOptions options_;
  std::string seed_;
  bool open_ = false;
  bool probing_ = false;
  std::int32_t failures_ = 0;
  std::int64_t drawn_ = 0;
  Milliseconds interval_{0};
  MonotonicTime next_probe_{};
};

}  // namespace hansa::engine
