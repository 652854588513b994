// SPDX-License-Identifier: Apache-2.0
#include "broker/async/with_deadline.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>

#include <stdexcept>

using namespace hansa;
using namespace hansa::async;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

/// Sleeps, then answers; tells whether it ran to its end and whether it was left.
struct Trace {
  bool began = false;
  bool finished = false;
  bool left = false;
};

struct OnLeaving {
  Trace* trace;
  ~OnLeaving() { trace->left = true; }
};

Task<int> answer_after(Scheduler* scheduler, Milliseconds after, int value, Trace* trace) {
  trace->began = true;
  const OnLeaving leaving{trace};
  co_await scheduler->sleep_until(scheduler->now_monotonic() + after);
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);  // a cancelled coroutine unwinds here
  trace->finished = true;
  co_return value;
}

Task<int> answer_late_all_the_same(Scheduler* scheduler, Milliseconds work, Milliseconds cleanup) {
  co_await scheduler->sleep_until(scheduler->now_monotonic() + work);
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await scheduler->sleep_until(scheduler->now_monotonic() + cleanup);
  co_return 7;
}

Task<int> fails_when_cancelled(Scheduler* scheduler) {
  co_await scheduler->sleep_until(scheduler->now_monotonic() + 1h);
  co_return fail(ErrorKind::unknown_outcome, "SENT", "sent, no reply");
}

Task<int> throws() {
  throw std::runtime_error("secret of the database");
  co_return 1;
}

Task<int> ready() { co_return 3; }

Task<int> outer(Scheduler* scheduler, Task<int> work) {
  co_return co_await with_deadline(*scheduler, Deadline::in(*scheduler, 50ms), std::move(work));
}

}  // namespace

TEST_CASE("work that ends in time gives its own value, and no sleeper stays behind") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  Trace trace;
  const auto started = start(io.get_executor(),
                             with_deadline(scheduler, Deadline::in(scheduler, 100ms), answer_after(&scheduler, 99ms, 5, &trace)));
  scheduler.advance(98ms);
  CHECK_FALSE(started.ended());
  scheduler.advance(1ms);
  REQUIRE(started.ended());
  CHECK(started.value() == 5);
  CHECK(scheduler.sleepers() == 0);
}

TEST_CASE("work that does not end in time is cancelled and waited for") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  Trace trace;
  const auto started =
      start(io.get_executor(), with_deadline(scheduler, Deadline::in(scheduler, 100ms), answer_after(&scheduler, 1h, 5, &trace)));
  scheduler.advance(99ms);
  CHECK(trace.began);
  CHECK_FALSE(trace.left);
  scheduler.advance(1ms);
  REQUIRE(started.ended());
  CHECK(trace.left);
  CHECK_FALSE(trace.finished);
  CHECK(started.value().error().kind == ErrorKind::deadline_exceeded);
  CHECK(scheduler.sleepers() == 0);
}

TEST_CASE("a value that comes late, while the work ends in order, is still the answer") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  const auto started = start(io.get_executor(), with_deadline(scheduler, Deadline::in(scheduler, 100ms),
                                                              answer_late_all_the_same(&scheduler, 1h, 30ms)));
  scheduler.advance(100ms);
  CHECK_FALSE(started.ended());  // structured: its end is awaited
  scheduler.advance(30ms);
  REQUIRE(started.ended());
  CHECK(started.value() == 7);
}

TEST_CASE("an error that the cut-off work chose itself is kept: it knows more than the clock") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  const auto started =
      start(io.get_executor(), with_deadline(scheduler, Deadline::in(scheduler, 100ms), fails_when_cancelled(&scheduler)));
  scheduler.advance(100ms);
  REQUIRE(started.ended());
  CHECK(started.value().error().kind == ErrorKind::unknown_outcome);
}

TEST_CASE("nothing is started after a passed deadline") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  Trace trace;
  const auto deadline = Deadline::in(scheduler, 0ms);
  const auto result = run(io, with_deadline(scheduler, deadline, answer_after(&scheduler, 0ms, 5, &trace)));
  CHECK(result.error().kind == ErrorKind::deadline_exceeded);
  CHECK_FALSE(trace.began);
}

TEST_CASE("an exception of the work becomes an internal error whose text is for the log only") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  const auto result = run(io, with_deadline(scheduler, Deadline::in(scheduler, 1s), throws()));
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::internal);
  CHECK(result.error().message.find("secret") == std::string::npos);
  CHECK(result.error().detail == "secret of the database");
}

TEST_CASE("work that is ready at once costs no time") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  CHECK(run(io, with_deadline(scheduler, Deadline::in(scheduler, 1s), ready())) == 3);
  CHECK(scheduler.sleepers() == 0);
}

TEST_CASE("a cancelled caller cancels the work, waits for it and answers cancelled") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  Trace trace;
  const auto started =
      start(io.get_executor(), with_deadline(scheduler, Deadline::in(scheduler, 1h), answer_after(&scheduler, 1h, 5, &trace)));
  scheduler.poll();
  started.cancel();
  scheduler.poll();
  REQUIRE(started.ended());
  CHECK(trace.left);
  CHECK(started.value().error().kind == ErrorKind::cancelled);
  CHECK(scheduler.sleepers() == 0);
}

TEST_CASE("the shorter of two nested deadlines cuts off") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  Trace trace;
  const auto started = start(io.get_executor(), with_deadline(scheduler, Deadline::in(scheduler, 1h),
                                                              outer(&scheduler, answer_after(&scheduler, 1h, 5, &trace))));
  scheduler.advance(50ms);
  REQUIRE(started.ended());
  CHECK(started.value().error().kind == ErrorKind::deadline_exceeded);
}

TEST_CASE("under the real clock too") {
  asio::io_context io;
  RealScheduler scheduler;
  Trace slow;
  const auto cut = run(io, with_deadline(scheduler, Deadline::in(scheduler, 5ms), answer_after(&scheduler, 1h, 5, &slow)));
  CHECK(cut.error().kind == ErrorKind::deadline_exceeded);
  CHECK(slow.left);
  Trace quick;
  CHECK(run(io, with_deadline(scheduler, Deadline::in(scheduler, 1h), answer_after(&scheduler, 1ms, 5, &quick))) == 5);
}

TEST_CASE("a deadline is only ever shortened") {
  asio::io_context io;
  ManualScheduler clock(io);
  const auto deadline = Deadline::in(clock, 100ms);
  CHECK(deadline.remaining(clock) == 100ms);
  CHECK(deadline.shortened_to(clock, 20ms).remaining(clock) == 20ms);
  CHECK(deadline.shortened_to(clock, 1h) == deadline);
  CHECK(deadline.shortened_to(Deadline::never()) == deadline);
  clock.advance(200ms);
  CHECK(deadline.remaining(clock) == 0ms);
  CHECK(deadline.passed(clock));
  CHECK(Deadline::in(clock, Milliseconds::max()) == Deadline::never());
}

TEST_CASE("the real clocks go forward and random bytes differ") {
  RealScheduler scheduler;
  const auto before = scheduler.now_monotonic();
  CHECK(scheduler.now_monotonic() >= before);
  CHECK(to_unix_seconds(scheduler.now_utc()) > 1'700'000'000);
  SystemRandom random;
  std::array<std::byte, 32> a{};
  std::array<std::byte, 32> b{};
  random.fill(a);
  random.fill(b);
  CHECK(a != b);
}
