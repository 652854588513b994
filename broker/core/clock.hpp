// SPDX-License-Identifier: Apache-2.0
#pragma once
// Time and randomness as ports: nothing in the engine asks the system for either.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hansa {

using Seconds = std::chrono::seconds;
using Milliseconds = std::chrono::milliseconds;
/// Wall-clock UTC, millisecond resolution. May step; used for records and for what sites report.
using UtcTime = std::chrono::sys_time<Milliseconds>;

/// Milliseconds since an arbitrary origin; never steps. Used for every time-out.
struct MonotonicTime {
  Milliseconds since_origin{0};
  friend auto operator<=>(MonotonicTime, MonotonicTime) = default;
  friend MonotonicTime operator+(MonotonicTime t, Milliseconds d) { return {t.since_origin + d}; }
  friend Milliseconds operator-(MonotonicTime a, MonotonicTime b) { return a.since_origin - b.since_origin; }
};

inline std::int64_t to_unix_seconds(UtcTime t) { return std::chrono::floor<Seconds>(t).time_since_epoch().count(); }
inline std::int64_t to_unix_ms(UtcTime t) { return t.time_since_epoch().count(); }
inline UtcTime from_unix_ms(std::int64_t ms) { return UtcTime{Milliseconds{ms}}; }
inline UtcTime from_unix_seconds(std::int64_t s) { return UtcTime{Seconds{s}}; }

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual UtcTime now_utc() const = 0;
  [[nodiscard]] virtual MonotonicTime now_monotonic() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  /// Fills `out` with unpredictable (product) or seeded (simulation) bytes.
  virtual void fill(std::span<std::byte> out) = 0;
};

}  // namespace hansa
