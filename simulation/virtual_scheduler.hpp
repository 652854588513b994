// SPDX-License-Identifier: Apache-2.0
#pragma once
// A clock that moves only when nothing is left to do: a day of waiting takes no time, and the same program plays the same
// history every time.

#include "broker/async/scheduler.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace hansa::simulation {

/// Owns the context that everything under it runs on. One thread: who calls run_... or advance runs the handlers.
/// Sleepers wake one by one, by time and, at the same time, in the order in which they went to sleep; whatever a waking
/// sleeper sets off is finished before the next one wakes. Work on other threads is not waited for: virtual time knows
/// nothing of it, so nothing under this clock may use any.
/// Coroutines that are still suspended are destroyed with it, hence what they refer to must outlive it.
class VirtualScheduler final : public async::Scheduler {
 public:
  /// 2026-01-01T00:00:00Z: any fixed time will do.
  static constexpr UtcTime kStart{Milliseconds{1'767'225'600'000}};

  explicit VirtualScheduler(UtcTime start = kStart) : utc_offset_(start.time_since_epoch()) {}
  ~VirtualScheduler();
  VirtualScheduler(const VirtualScheduler&) = delete;
  VirtualScheduler& operator=(const VirtualScheduler&) = delete;

  [[nodiscard]] UtcTime now_utc() const override { return UtcTime{utc_offset_ + now_.since_origin}; }
  [[nodiscard]] MonotonicTime now_monotonic() const override { return now_; }
  boost::asio::awaitable<void> sleep_until(MonotonicTime t) override;

  /// The wall clock steps (an administrator, NTP); monotonic time and sleepers do not notice.
  void step_utc(Milliseconds by) { utc_offset_ += by; }

  boost::asio::io_context& context() { return context_; }
  boost::asio::io_context::executor_type executor() { return context_.get_executor(); }

  /// Runs what is ready until nothing is. Time stands still. Exceptions of handlers come out here.
  void run_ready();

  /// run_ready, then moves to the next sleeper's time, wakes it and does what follows from that. False: nobody sleeps.
  bool step();

  /// Everything up to and including `t`; it is `t` afterwards.
  void run_until(MonotonicTime t);
  void advance(Milliseconds by) { run_until(now_ + by); }

  /// Steps until `done()` holds (asked whenever nothing is ready). False: it did not within `at_most`, or nobody sleeps
  /// any more; time never goes past `at_most` from now.
  bool run_until(const std::function<bool()>& done, Milliseconds at_most = std::chrono::hours{24 * 365});

  [[nodiscard]] std::size_t sleepers() const { return sleepers_.size(); }

 private:
  using Place = std::pair<MonotonicTime, std::uint64_t>;  // when, and who came first

  void wake_first();

  MonotonicTime now_{};
  Milliseconds utc_offset_;
  std::uint64_t arrivals_ = 0;
  // A sleeper is a timer that never expires by itself: Asio's cancellation works on it, and cancelling it is waking it.
  std::map<Place, boost::asio::steady_timer*> sleepers_;
  boost::asio::io_context context_{1};  // last: coroutines that it destroys leave sleepers_
};

}  // namespace hansa::simulation
