// SPDX-License-Identifier: Apache-2.0
#include "broker/async/event.hpp"

#include "broker/async/first_of.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace hansa::async {

namespace asio = boost::asio;

// A timer that never fires is Asio's condition variable: cancel_one wakes one waiter.
struct Event::State {
  asio::steady_timer never;
  bool set = false;
};

Event::Event(asio::any_io_executor executor)
    : state_(new State{asio::steady_timer(std::move(executor), asio::steady_timer::time_point::max())}) {}

Event::~Event() = default;

void Event::set() {
  state_->set = true;
  state_->never.cancel_one();
}

asio::awaitable<bool> Event::wait() {
  if (state_->set) co_await asio::post(state_->never.get_executor(), asio::use_awaitable);
  while (!state_->set) {  // another waiter may have been faster
    co_await state_->never.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
    if (!state_->set && cancelled != asio::cancellation_type::none) co_return false;
  }
  state_->set = false;
  co_return true;
}

namespace {

asio::awaitable<void> take(Event* event, bool* taken) { *taken = co_await event->wait(); }

}  // namespace

asio::awaitable<bool> Event::wait_until(Scheduler& scheduler, MonotonicTime t) {
  if (state_->set || t <= scheduler.now_monotonic()) {
    co_await asio::post(state_->never.get_executor(), asio::use_awaitable);
    if (state_->set) {
      state_->set = false;
      co_return true;
    }
    if (t <= scheduler.now_monotonic()) co_return false;
  }
  bool taken = false;
  co_await first_of(take(this, &taken), scheduler.sleep_until(t));
  co_return taken;
}

}  // namespace hansa::async
