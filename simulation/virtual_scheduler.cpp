// SPDX-License-Identifier: Apache-2.0
#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>

namespace hansa::simulation {

namespace asio = boost::asio;

namespace {

/// More handlers than this without time moving is a loop that waits for nothing.
constexpr std::size_t kHandlersPerInstant = 50'000'000;

}  // namespace

VirtualScheduler::~VirtualScheduler() = default;

asio::awaitable<void> VirtualScheduler::sleep_until(MonotonicTime t) {
  const auto executor = co_await asio::this_coro::executor;
  if (t <= now_) {
    co_await asio::post(executor, asio::use_awaitable);
    co_return;
  }

  struct Bed {  // leaves the list also when the coroutine is cancelled or destroyed
    Bed(VirtualScheduler& owner, Place where, asio::steady_timer& timer) : scheduler(owner), place(where) {
      scheduler.sleepers_.emplace(place, &timer);
    }
    ~Bed() { scheduler.sleepers_.erase(place); }
    Bed(const Bed&) = delete;
    Bed& operator=(const Bed&) = delete;
    VirtualScheduler& scheduler;
    Place place;
  };
  asio::steady_timer timer(executor, asio::steady_timer::time_point::max());
  const Bed bed(*this, {t, arrivals_++}, timer);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

void VirtualScheduler::run_ready() {
  context_.restart();
  for (std::size_t ran = 0; context_.poll_one() != 0; ++ran) {
    if (ran == kHandlersPerInstant) throw std::logic_error("virtual time stands still: something loops without sleeping");
  }
}

void VirtualScheduler::wake_first() {
  const auto first = sleepers_.begin();
  now_ = first->first.first;
  auto* timer = first->second;
  sleepers_.erase(first);
  timer->cancel();
}

bool VirtualScheduler::step() {
  run_ready();
  if (sleepers_.empty()) return false;
  wake_first();
  run_ready();
  return true;
}

void VirtualScheduler::run_until(MonotonicTime t) {
  run_ready();
  while (!sleepers_.empty() && sleepers_.begin()->first.first <= t) {
    wake_first();
    run_ready();
  }
  if (t > now_) now_ = t;
}

bool VirtualScheduler::run_until(const std::function<bool()>& done, Milliseconds at_most) {
  const auto last = now_ + at_most;
  run_ready();
  while (!done()) {
    if (sleepers_.empty()) return false;
    if (sleepers_.begin()->first.first > last) {
      now_ = last;
      return false;
    }
    wake_first();
    run_ready();
  }
  return true;
}

}  // namespace hansa::simulation
