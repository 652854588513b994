// SPDX-License-Identifier: Apache-2.0
#pragma once
// How often each of many may ask: a token bucket a key. A bucket is kept as the one time at which it is full again (the generic
// cell rate algorithm, ITU-T I.371), and forgotten from then on, in a table of bounded size. Thread-safe.

#include "broker/core/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace hansa::http {

class RateLimit {
 public:
  /// A bucket holds a minute's worth: in no minute are there more than twice so many. 0: no limit.
  explicit RateLimit(std::int64_t per_minute, std::size_t most_keys = 65'536) : per_minute_(per_minute), most_keys_(most_keys) {}

  /// Takes one, or says how long until there is one: more than nothing, a minute at most. When the table is full of buckets that
  /// are not full, all other keys have one together.
  std::optional<Milliseconds> take(std::string_view key, MonotonicTime now);

  [[nodiscard]] std::size_t keys() const;
  [[nodiscard]] std::uint64_t refused() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::int64_t& full_at(std::string_view key, std::int64_t now);

  const std::int64_t per_minute_;
  const std::size_t most_keys_;
  mutable std::mutex mutex_;  // of all that follows; times are in microseconds
  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> full_at_;
  std::int64_t others_full_at_ = 0;
  std::int64_t swept_at_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace hansa::http
