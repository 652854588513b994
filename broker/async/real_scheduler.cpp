// SPDX-License-Identifier: Apache-2.0
#include "broker/async/real_scheduler.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/random.h>

#include <cerrno>
#include <chrono>
#include <system_error>

namespace hansa::async {

namespace asio = boost::asio;

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Nanoseconds overflow after 292 years; what lies further than a year ahead is never.
SteadyTime to_steady(MonotonicTime t, MonotonicTime now) {
  if (t - now > std::chrono::years{1}) return SteadyTime::max();
  return SteadyTime{t.since_origin};
}

}  // namespace

UtcTime RealScheduler::now_utc() const { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()); }

MonotonicTime RealScheduler::now_monotonic() const {
  return {std::chrono::floor<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch())};
}

asio::awaitable<void> RealScheduler::sleep_until(MonotonicTime t) {
  const auto executor = co_await asio::this_coro::executor;
  const auto now = now_monotonic();
  if (t <= now) {
    co_await asio::post(executor, asio::use_awaitable);
    co_return;
  }
  asio::steady_timer timer(executor, to_steady(t, now));
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

void SystemRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const auto got = getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw std::system_error(errno, std::generic_category(), "getrandom");
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace hansa::async
