// SPDX-License-Identifier: Apache-2.0
#include "simulation/virtual_scheduler.hpp"

#include "broker/async/deadline.hpp"
#include "broker/async/with_deadline.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace asio = boost::asio;
using hansa::Milliseconds;
using hansa::MonotonicTime;
using hansa::simulation::VirtualScheduler;
using namespace std::chrono_literals;

namespace {

MonotonicTime at(Milliseconds t) { return {t}; }

asio::awaitable<void> sleep_and_note(VirtualScheduler& time, Milliseconds t, std::string name, std::vector<std::string>& log) {
  co_await time.sleep_until(at(t));
  log.push_back(name + "@" + std::to_string(time.now_monotonic().since_origin.count()));
}

void start(VirtualScheduler& time, asio::awaitable<void> work) {
  asio::co_spawn(time.executor(), std::move(work), [](const std::exception_ptr& e) {
    if (e) std::rethrow_exception(e);
  });
}

}  // namespace

TEST_CASE("sleepers wake by time, then in the order in which they lay down") {
  std::vector<std::string> log;
  VirtualScheduler time;
  start(time, sleep_and_note(time, 20ms, "late", log));
  start(time, sleep_and_note(time, 10ms, "a", log));
  start(time, sleep_and_note(time, 10ms, "b", log));
  start(time, sleep_and_note(time, 0ms, "now", log));
  time.run_ready();
  CHECK(log == std::vector<std::string>{"now@0"});
  time.advance(9ms);
  CHECK(log.size() == 1);
  time.advance(1h);
  CHECK(log == std::vector<std::string>{"now@0", "a@10", "b@10", "late@20"});
  CHECK(time.now_monotonic() == at(1h + 9ms));
  CHECK(time.sleepers() == 0);
}

TEST_CASE("a year passes at once, and what a waking sleeper starts is part of it") {
  std::vector<std::string> log;
  VirtualScheduler time;
  start(time, [](VirtualScheduler& t, std::vector<std::string>& out) -> asio::awaitable<void> {
    for (int day = 1; day <= 365; ++day) co_await sleep_and_note(t, day * std::chrono::hours{24}, "day", out);
  }(time, log));
  time.advance(std::chrono::hours{24 * 365});
  CHECK(log.size() == 365);
}

TEST_CASE("run_until a condition stops there, or at its limit, or when nobody sleeps") {
  std::vector<std::string> log;
  VirtualScheduler time;
  start(time, sleep_and_note(time, 5s, "a", log));
  start(time, sleep_and_note(time, 9s, "b", log));
  CHECK(time.run_until([&] { return log.size() == 1; }));
  CHECK(time.now_monotonic() == at(5s));
  CHECK_FALSE(time.run_until([&] { return log.size() == 2; }, 1s));
  CHECK(time.now_monotonic() == at(6s));
  CHECK_FALSE(time.run_until([&] { return log.size() == 3; }));
  CHECK(time.now_monotonic() == at(9s));
}

TEST_CASE("a cancelled sleeper wakes at once, without time moving") {
  std::vector<std::string> log;
  VirtualScheduler time;
  asio::cancellation_signal signal;
  bool ended = false;
  asio::co_spawn(time.executor(), sleep_and_note(time, 1h, "x", log),
                 asio::bind_cancellation_slot(signal.slot(), [&](const std::exception_ptr&) { ended = true; }));
  time.run_ready();
  CHECK(time.sleepers() == 1);
  CHECK_FALSE(ended);
  signal.emit(asio::cancellation_type::terminal);
  time.run_ready();
  CHECK(ended);
  CHECK(log == std::vector<std::string>{"x@0"});  // early, without throwing
  CHECK(time.sleepers() == 0);
}

TEST_CASE("with_deadline works under virtual time") {
  VirtualScheduler time;
  std::optional<hansa::Result<int>> slow;
  std::optional<hansa::Result<int>> quick;
  auto work = [](VirtualScheduler& t, Milliseconds d) -> hansa::async::Task<int> {
    co_await t.sleep_until(t.now_monotonic() + d);
    co_await t.sleep_until(t.now_monotonic());  // a cancelled sleep ends quietly; this one then unwinds
    co_return 7;
  };
  auto race = [&work](VirtualScheduler& t, Milliseconds d, std::optional<hansa::Result<int>>& out) -> asio::awaitable<void> {
    out = co_await hansa::async::with_deadline(t, hansa::async::Deadline::in(t, 10s), work(t, d));
  };
  start(time, race(time, 1min, slow));
  start(time, race(time, 3s, quick));
  time.advance(10s);
  REQUIRE(quick);
  CHECK(quick->value() == 7);
  REQUIRE(slow);
  REQUIRE_FALSE(*slow);
  CHECK(slow->error().kind == hansa::ErrorKind::deadline_exceeded);
}

TEST_CASE("the wall clock steps without the monotonic clock") {
  VirtualScheduler time;
  time.advance(90s);
  CHECK(time.now_utc() == VirtualScheduler::kStart + 90s);
  time.step_utc(-1h);
  CHECK(time.now_utc() == VirtualScheduler::kStart + 90s - 1h);
  CHECK(time.now_monotonic() == at(90s));
}

TEST_CASE("sleeping coroutines go with their scheduler") {
  auto alive = std::make_shared<int>(1);
  {
    VirtualScheduler time;
    start(time, [](VirtualScheduler& t, std::shared_ptr<int>) -> asio::awaitable<void> {
      co_await t.sleep_until(at(1h));
    }(time, alive));
    time.run_ready();
    CHECK(alive.use_count() == 2);
  }
  CHECK(alive.use_count() == 1);
}
