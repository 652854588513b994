// SPDX-License-Identifier: Apache-2.0
#include "broker/http/rate_limit.hpp"

#include <algorithm>

namespace hansa::http {

namespace {

constexpr std::int64_t kMinute = 60'000'000;
constexpr std::int64_t kSweepEvery = 1'000'000;  // a table that is full is not searched more often

}  // namespace

std::int64_t& RateLimit::full_at(std::string_view key, std::int64_t now) {
  if (const auto at = full_at_.find(key); at != full_at_.end()) return at->second;
  if (full_at_.size() >= most_keys_ && now - swept_at_ >= kSweepEvery) {
    std::erase_if(full_at_, [now](const auto& bucket) { return bucket.second <= now; });
    swept_at_ = now;
  }
  if (full_at_.size() >= most_keys_) return others_full_at_;
  return full_at_.try_emplace(std::string(key), now).first->second;
}

std::optional<Milliseconds> RateLimit::take(std::string_view key, MonotonicTime at) {
  if (per_minute_ <= 0) return std::nullopt;
  const std::int64_t now = at.since_origin.count() * 1'000;
  const auto each = std::max<std::int64_t>(1, kMinute / per_minute_);
  const std::scoped_lock lock(mutex_);
  auto& full = full_at(key, now);
  const auto after = std::max(full, now) + each;
  if (after - now <= std::max(kMinute, each)) {
    full = after;
    return std::nullopt;
  }
  ++refused_;
  return std::chrono::ceil<Milliseconds>(std::chrono::microseconds(after - now - kMinute));
}

std::size_t RateLimit::keys() const {
  const std::scoped_lock lock(mutex_);
  return full_at_.size();
}

std::uint64_t RateLimit::refused() const {
  const std::scoped_lock lock(mutex_);
  return refused_;
}

}  // namespace hansa::http
