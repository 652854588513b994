// SPDX-License-Identifier: Apache-2.0
#pragma once
// A clock that a test moves by hand, and how a test runs a coroutine to its end.

#include "broker/async/scheduler.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>
#include <memory>
#include <optional>
#include <utility>

namespace hansa::async {

class ManualScheduler final : public Scheduler {
 public:
  explicit ManualScheduler(boost::asio::io_context& io) : io_(io) {}

  UtcTime now_utc() const override { return from_unix_ms(now_.since_origin.count()); }
  MonotonicTime now_monotonic() const override { return now_; }

  boost::asio::awaitable<void> sleep_until(MonotonicTime t) override {
    if (t <= now_) {
      co_await boost::asio::post(co_await boost::asio::this_coro::executor, boost::asio::use_awaitable);
      co_return;
    }
    const auto sleeper = std::make_shared<Sleeper>(
        t, boost::asio::steady_timer(co_await boost::asio::this_coro::executor, boost::asio::steady_timer::time_point::max()));
    sleepers_.push_back(sleeper);
    co_await sleeper->timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    sleepers_.remove(sleeper);
  }

  /// Lets everything run that can, moves the clock, and lets everything run again.
  void advance(Milliseconds by) {
    poll();
    now_ = now_ + by;
    for (const auto& sleeper : sleepers_) {
      if (sleeper->until <= now_) sleeper->timer.cancel();
    }
    poll();
  }
  void poll() {
    io_.restart();
    io_.poll();
  }
  std::size_t sleepers() const { return sleepers_.size(); }

 private:
  struct Sleeper {
    MonotonicTime until;
    boost::asio::steady_timer timer;
  };
  boost::asio::io_context& io_;
  MonotonicTime now_{Milliseconds{1000}};
  std::list<std::shared_ptr<Sleeper>> sleepers_;
};

/// A started coroutine: its end, and a way to cancel it.
template <class T>
struct Started {
  std::shared_ptr<boost::asio::cancellation_signal> signal = std::make_shared<boost::asio::cancellation_signal>();
  std::shared_ptr<std::optional<T>> end = std::make_shared<std::optional<T>>();
  std::shared_ptr<std::exception_ptr> thrown = std::make_shared<std::exception_ptr>();

  void cancel() const { signal->emit(boost::asio::cancellation_type::terminal); }
  bool ended() const { return end->has_value() || *thrown; }
  const T& value() const { return end->value(); }
};

template <class T, class Executor>
Started<T> start(const Executor& executor, boost::asio::awaitable<T> work) {
  Started<T> started;
  boost::asio::co_spawn(
      executor, std::move(work),
      boost::asio::bind_cancellation_slot(started.signal->slot(), [end = started.end, thrown = started.thrown,
                                                                   keep = started.signal](std::exception_ptr exception, T value) {
        if (exception) {
          *thrown = exception;
        } else {
          end->emplace(std::move(value));
        }
      }));
  return started;
}

/// To its end, on a context of its own.
template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> work) {
  const auto started = start(io.get_executor(), std::move(work));
  io.restart();
  io.run();
  if (*started.thrown) std::rethrow_exception(*started.thrown);
  return std::move(started.end->value());
}

}  // namespace hansa::async
