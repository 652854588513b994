// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose turn it is among the jobs that the broker holds (ADR 0010): the longer one has waited for its length, the more urgent.

#include <algorithm>
#include <cstdint>

namespace hansa::routing {

/// Seconds that every job is counted to have waited already: more favours short jobs, less favours fairness.
inline constexpr std::int64_t kHeadStart = 3600;

/// What a job counts as: a quarter of its limit and three quarters of what it probably runs (0: not known, its limit). 1 at
/// least.
constexpr std::int64_t counted_length(std::int64_t limit, std::int64_t expected_run) {
  const auto expected = expected_run > 0 ? std::min(expected_run, limit) : limit;
  return std::max<std::int64_t>((limit + 3 * expected) / 4, 1);
}

/// In 1024ths; grows without bound, so that nobody waits for ever.
constexpr std::int64_t urgency(std::int64_t waited, std::int64_t head_start, std::int64_t length) {
  return (waited + head_start) * 1024 / length;
}

}  // namespace hansa::routing
