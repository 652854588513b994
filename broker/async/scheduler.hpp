// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one source of time-outs, real or virtual.

#include "broker/core/clock.hpp"

#include <boost/asio/awaitable.hpp>

namespace hansa::async {

class Scheduler : public Clock {
 public:
  /// Ends when now_monotonic() >= t, or early (without throwing) when the coroutine is cancelled: the caller looks at
  /// the clock, or lets its next co_await unwind it. A time in the past still lets others run once.
  /// Resumes the caller on its own executor.
  virtual boost::asio::awaitable<void> sleep_until(MonotonicTime t) = 0;
};

}  // namespace hansa::async
