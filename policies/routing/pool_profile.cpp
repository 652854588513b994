// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/pool_profile.hpp"

#include <algorithm>

namespace hansa::routing {

void PoolProfile::reset(Instant now, std::int64_t free) {
  steps_.clear();
  steps_.push_back({now, free});
}

/// The index of the step that begins at `at`, made if there is none.
std::size_t PoolProfile::split(Instant at) {
  const auto next = std::ranges::upper_bound(steps_, at, {}, &Step::from);
  if (next == steps_.begin()) return 0;
  const auto before = next - 1;
  if (before->from == at) return static_cast<std::size_t>(before - steps_.begin());
  return static_cast<std::size_t>(steps_.insert(next, {at, before->free}) - steps_.begin());
}

void PoolProfile::take(Instant from, Instant until, std::int64_t cores) {
  if (from >= until) return;
  const auto first = split(from);
  const auto last = until == kForever ? steps_.size() : split(until);
  for (auto i = first; i < last; ++i) steps_[i].free -= cores;
}

Instant PoolProfile::earliest(std::int64_t cores, std::int64_t duration, Instant not_before) const {
  const auto next = std::ranges::upper_bound(steps_, not_before, {}, &Step::from);
  auto i = next == steps_.begin() ? std::size_t{0} : static_cast<std::size_t>(next - steps_.begin()) - 1;
  Instant start = std::max(not_before, steps_.front().from);
  for (auto end = start + duration; i < steps_.size() && steps_[i].from < end; ++i) {
    if (steps_[i].free >= cores) continue;
    if (i + 1 == steps_.size()) return kForever;
    start = steps_[i + 1].from;
    end = start + duration;
  }
  return start;
}

std::int64_t PoolProfile::free_at(Instant t) const {
  const auto next = std::ranges::upper_bound(steps_, t, {}, &Step::from);
  return next == steps_.begin() ? steps_.front().free : (next - 1)->free;
}

}  // namespace hansa::routing
