// SPDX-License-Identifier: Apache-2.0
#pragma once
// Free cores of one pool over time. A pool is what a site schedules as one and where only the number counts: cores of a
// partition, or its nodes where jobs take them whole. Which nodes they are is AvailabilityProfile's business; this is the
// cheap view in which thousands of jobs are planned again and again.

#include "policies/routing/fleet.hpp"

#include <cstdint>
#include <vector>

namespace hansa::routing {

/// A step function: each step holds until the next begins, the last for ever. Free cores may be negative (a site that
/// over-commits). No allocation once it has grown.
class PoolProfile {
 public:
  /// Forgets everything: `free` cores from `now` on.
  void reset(Instant now, std::int64_t free);

  /// Takes cores in [from, until); negative cores give back. `from` is not before the beginning.
  void take(Instant from, Instant until, std::int64_t cores);

  /// The first instant from `not_before` on from which `cores` are free for `duration` seconds. kForever: never.
  [[nodiscard]] Instant earliest(std::int64_t cores, std::int64_t duration, Instant not_before) const;

  [[nodiscard]] std::int64_t free_at(Instant t) const;

  struct Step {
    Instant from = 0;
    std::int64_t free = 0;
    friend bool operator==(const Step&, const Step&) = default;
  };
  /// Rising, never empty after reset().
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }

 private:
  std::size_t split(Instant at);

  std::vector<Step> steps_;
};

}  // namespace hansa::routing
