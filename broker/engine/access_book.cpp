// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/access_book.hpp"

namespace hansa::engine {
namespace {

constexpr std::size_t kMostNoted = 10'000;  // some megabytes

}  // namespace

Result<void> AccessBook::note(ports::Access access) {
  const auto minute = to_unix_seconds(clock_.now_utc()) / 60;
  Key key{minute,
          access.reader.str(),
          std::move(access.role),
          access.subject.str(),
          std::move(access.route),
          std::move(access.reason)};
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    if (noted_.size() >= kMostNoted && !noted_.contains(key)) {
      return fail(ErrorKind::unavailable, "ACCESS_LOG_FULL",
                  "who reads others' data is on record, and the record cannot be written just now: try again in a moment");
    }
    is_first = noted_.empty();
    ++noted_[std::move(key)];
  }
  if (is_first) wake_();
  return {};
}

async::Task<> AccessBook::flush() {
  std::map<Key, std::int64_t> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(noted_);
  }
  if (taken.empty()) co_return Result<void>{};
  std::vector<ports::Access> accesses;
  accesses.reserve(taken.size());
  for (const auto& [key, times] : taken) {
    const auto& [minute, reader, role, subject, route, reason] = key;
    accesses.push_back({.at = from_unix_seconds(minute * 60),
                        .reader = Principal(reader),
                        .role = role,
                        .subject = Principal(subject),
                        .route = route,
                        .reason = reason,
                        .times = times});
  }
  auto written = co_await store_.note_accesses(std::move(accesses));
  if (written) co_return written;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, times] : taken) noted_[key] += times;
  co_return written;
}

}  // namespace hansa::engine
