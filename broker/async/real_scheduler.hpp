// SPDX-License-Identifier: Apache-2.0
#pragma once
// The system's clocks and randomness: the product's end of the ports. Nothing else in async asks the system for time.

#include "broker/async/scheduler.hpp"

namespace hansa::async {

/// Thread-safe: it has no state.
class RealScheduler final : public Scheduler {
 public:
  [[nodiscard]] UtcTime now_utc() const override;
  [[nodiscard]] MonotonicTime now_monotonic() const override;
  boost::asio::awaitable<void> sleep_until(MonotonicTime t) override;
};

/// The kernel's generator (getrandom). Thread-safe.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override;
};

}  // namespace hansa::async
