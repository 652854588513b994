// SPDX-License-Identifier: Apache-2.0
#include "broker/metrics/histogram.hpp"

#include <algorithm>
#include <numeric>

namespace hansa::metrics {

std::uint64_t Histogram::Reading::count() const { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }

void Histogram::observe(std::int64_t value) {
  const auto bound = static_cast<std::size_t>(std::ranges::lower_bound(bounds_, value) - bounds_.begin());
  counts_[bound].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Reading Histogram::read() const {
  Reading reading{.bounds = bounds_, .counts = {}, .sum = sum_.load(std::memory_order_relaxed)};
  reading.counts.reserve(counts_.size());
  for (const auto& count : counts_) reading.counts.push_back(count.load(std::memory_order_relaxed));
  return reading;
}

}  // namespace hansa::metrics
