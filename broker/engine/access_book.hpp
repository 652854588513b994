// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who reads whose data, on its way to the store. A reading waits for no disk: what was read is kept in memory for a second, the
// same within a minute as one, and written together. A crash loses that second. Where the store takes none of it for long, nobody
// else's data are read any more. Thread-safe.

#include "broker/core/clock.hpp"
#include "broker/ports/privacy.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <tuple>

namespace hansa::engine {

class AccessBook {
 public:
  /// `wake` is called, by whoever notes something, when there is something to write that was not there before.
  AccessBook(const Clock& clock, ports::PrivacyStore& store, std::function<void()> wake)
      : clock_(clock), store_(store), wake_(std::move(wake)) {}

  /// `access.at` and `times` are set here. Unavailable, ACCESS_LOG_FULL.
  Result<void> note(ports::Access access);

  /// Writes what there is. What could not be written stays.
  async::Task<> flush();

 private:
  using Key = std::tuple<std::int64_t, std::string, std::string, std::string, std::string, std::string>;
  const Clock& clock_;
  ports::PrivacyStore& store_;
  const std::function<void()> wake_;
  std::mutex mutex_;  // guards the next; never held while anything is awaited
  std::map<Key, std::int64_t> noted_;  // minute, reader, role, subject, route, reason -> times
};

}  // namespace hansa::engine
