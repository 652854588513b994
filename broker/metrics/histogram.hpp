// SPDX-License-Identifier: Apache-2.0
#pragma once
// How values were spread: how many there were up to each bound, and their sum. Values are whole numbers of one unit, its owner's.

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace hansa::metrics {

class Histogram {
 public:
  /// As it was at some moment of the reading.
  struct Reading {
    std::span<const std::int64_t> bounds;
    std::vector<std::uint64_t> counts;  // of each bound alone; the last: beyond all of them
    std::int64_t sum = 0;

    [[nodiscard]] std::uint64_t count() const;
  };

  /// `bounds` rise, each belongs to what it bounds, and they outlive it and its readings.
  explicit Histogram(std::span<const std::int64_t> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  /// Both on any thread.
  void observe(std::int64_t value);
  [[nodiscard]] Reading read() const;

 private:
  const std::span<const std::int64_t> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<std::int64_t> sum_{0};
};

}  // namespace hansa::metrics
