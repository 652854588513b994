// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a loop waits on.

#include "broker/async/scheduler.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace hansa::async {

/// Auto-reset: set() lets one wait through, at once or later; setting it twice is setting it once.
/// Strand: used on `executor` only, hence no mutex. It outlives its waiters.
class Event {
 public:
  explicit Event(boost::asio::any_io_executor executor);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void set();

  /// True: it was set, and is now reset. False: the waiting coroutine was cancelled. Lets others run at least once, so
  /// that a loop over an event that is set all the time starves nobody.
  boost::asio::awaitable<bool> wait();

  /// The same, but no longer than to `t`. False: the time came, or the coroutine was cancelled.
  boost::asio::awaitable<bool> wait_until(Scheduler& scheduler, MonotonicTime t);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hansa::async
