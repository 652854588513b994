// SPDX-License-Identifier: Apache-2.0
#include "broker/async/event.hpp"

#include "broker/async/first_of.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>

#include <stdexcept>

using namespace hansa;
using namespace hansa::async;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Bench {
  asio::io_context io;
  ManualScheduler scheduler{io};
  Event event{io.get_executor()};
  Started<bool> wait() { return start(io.get_executor(), event.wait()); }
  Started<bool> wait_for(Milliseconds time) {
    return start(io.get_executor(), event.wait_until(scheduler, scheduler.now_monotonic() + time));
  }
};

asio::awaitable<void> throw_runtime_error() {
  throw std::runtime_error("boom");
  co_return;
}
asio::awaitable<void> sleep(Scheduler* scheduler, Milliseconds time) {
  co_await scheduler->sleep_until(scheduler->now_monotonic() + time);
}
asio::awaitable<bool> race(asio::awaitable<void> a, asio::awaitable<void> b) {
  co_await first_of(std::move(a), std::move(b));
  co_return true;
}
asio::awaitable<bool> count_waits(Event* event, int* count) {
  while (co_await event->wait()) {
    ++*count;
    event->set();
  }
  co_return true;
}

}  // namespace

TEST_CASE("an event lets one wait through for one set") {
  Bench bench;
  const auto first = bench.wait();
  const auto second = bench.wait();
  bench.scheduler.poll();
  CHECK_FALSE(first.ended());
  bench.event.set();
  bench.scheduler.poll();
  CHECK((first.ended() != second.ended()));
  bench.event.set();
  bench.scheduler.poll();
  CHECK((first.ended() && second.ended()));
  CHECK((first.value() && second.value()));
}

TEST_CASE("an event set before the wait, or twice, is taken once") {
  Bench bench;
  bench.event.set();
  bench.event.set();
  const auto first = bench.wait();
  bench.scheduler.poll();
  CHECK(first.ended());
  const auto second = bench.wait();
  bench.scheduler.poll();
  CHECK_FALSE(second.ended());
}

TEST_CASE("a wait ends false when cancelled, and takes nothing from others") {
  Bench bench;
  const auto first = bench.wait();
  const auto second = bench.wait();
  bench.scheduler.poll();
  first.cancel();
  bench.event.set();
  bench.scheduler.poll();
  REQUIRE(first.ended());
  REQUIRE((first.value() != second.ended()));  // one of the two has it: the set is not lost
}

TEST_CASE("a wait with a time ends with the set or with the time") {
  Bench bench;
  const auto timed_out = bench.wait_for(10ms);
  bench.scheduler.advance(10ms);
  REQUIRE(timed_out.ended());
  CHECK_FALSE(timed_out.value());
  const auto in_time = bench.wait_for(10ms);
  bench.scheduler.advance(9ms);
  CHECK_FALSE(in_time.ended());
  bench.event.set();
  bench.scheduler.poll();
  REQUIRE(in_time.ended());
  CHECK(in_time.value());
  CHECK(bench.scheduler.sleepers() == 0);
}

TEST_CASE("a wait until a time that is past takes what is set and does not block") {
  Bench bench;
  const auto empty = bench.wait_for(-1ms);
  bench.scheduler.poll();
  REQUIRE(empty.ended());
  CHECK_FALSE(empty.value());
  bench.event.set();
  const auto full = bench.wait_for(-1ms);
  bench.scheduler.poll();
  CHECK(full.value());
}

TEST_CASE("a wait with a time ends false when cancelled") {
  Bench bench;
  const auto wait = bench.wait_for(1h);
  bench.scheduler.poll();
  wait.cancel();
  bench.scheduler.poll();
  REQUIRE(wait.ended());
  CHECK_FALSE(wait.value());
  CHECK(bench.scheduler.sleepers() == 0);
}

TEST_CASE("a loop over an event that is always set lets others run, and stops when cancelled") {
  Bench bench;
  int count = 0;
  bench.event.set();
  const auto loop = start(bench.io.get_executor(), count_waits(&bench.event, &count));
  int others = 0;
  for (int i = 0; i < 10; ++i) asio::post(bench.io, [&] { ++others; });
  while (others < 10) bench.io.run_one();
  CHECK(count < 20);
  loop.cancel();
  bench.io.restart();
  bench.io.run();
  CHECK(loop.ended());
}

TEST_CASE("of two coroutines the slower is cancelled; an exception of either comes through") {
  Bench bench;
  const auto race_ended = start(bench.io.get_executor(), race(sleep(&bench.scheduler, 1s), sleep(&bench.scheduler, 1h)));
  bench.scheduler.advance(1s);
  CHECK(race_ended.ended());
  CHECK(bench.scheduler.sleepers() == 0);
  for (const bool first : {true, false}) {
    auto thrower = throw_runtime_error();
    auto sleeper = sleep(&bench.scheduler, 1h);
    const auto failed = start(bench.io.get_executor(), first ? race(std::move(thrower), std::move(sleeper))
                                                             : race(std::move(sleeper), std::move(thrower)));
    bench.scheduler.poll();
    REQUIRE(failed.ended());
    CHECK_THROWS_AS(std::rethrow_exception(*failed.thrown), std::runtime_error);
  }
}
