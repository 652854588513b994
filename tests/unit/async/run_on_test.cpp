// SPDX-License-Identifier: Apache-2.0
#include "broker/async/run_on.hpp"

#include "broker/async/event.hpp"
#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/strand.hpp>
#include <catch2/catch.hpp>

#include <stdexcept>
#include <thread>

using namespace hansa;
using namespace hansa::async;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

using ThreadId = std::thread::id;

struct Visit {
  ThreadId before;
  ThreadId inside;
  ThreadId after;
};

Task<ThreadId> where_am_i() { co_return std::this_thread::get_id(); }

Task<Visit> visit(asio::any_io_executor there) {
  Visit v{.before = std::this_thread::get_id()};
  v.inside = (co_await run_on(there, where_am_i())).value();
  v.after = std::this_thread::get_id();
  co_return v;
}

Task<int> throws() {
  throw std::runtime_error("boom");
  co_return 1;
}

Task<int> sleep_for_ever(Scheduler* scheduler, std::atomic<bool>* began) {
  *began = true;
  co_await scheduler->sleep_until(scheduler->now_monotonic() + 1h);
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  co_return 1;
}

Task<int> add_up(asio::any_io_executor there, int rounds) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) {
    auto one = []() -> Task<int> { co_return 1; };
    sum += (co_await run_on(there, one())).value();
  }
  co_return sum;
}

/// A context with a thread of its own: declared last, since what its thread uses goes after it.
struct Other {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  std::thread thread{[this] { io.run(); }};
  ~Other() {
    work.reset();
    thread.join();
  }
};

}  // namespace

TEST_CASE("the work runs over there, the caller goes on at home") {
  asio::io_context io;
  Other other;
  const auto v = run(io, visit(other.io.get_executor())).value();
  CHECK(v.before == std::this_thread::get_id());
  CHECK(v.inside == other.thread.get_id());
  CHECK(v.after == std::this_thread::get_id());
}

TEST_CASE("exceptions over there come back as an Error") {
  asio::io_context io;
  Other other;
  CHECK(run(io, run_on(other.io.get_executor(), throws())).error().kind == ErrorKind::internal);
}

TEST_CASE("a cancelled caller cancels the work on the other strand and waits for it") {
  asio::io_context io;
  RealScheduler scheduler;
  std::atomic<bool> began = false;
  Other other;
  const auto strand = asio::make_strand(other.io);
  const auto started = start(io.get_executor(), run_on(strand, sleep_for_ever(&scheduler, &began)));
  while (!began) io.poll();
  started.cancel();
  io.restart();
  io.run();
  REQUIRE(started.ended());
  CHECK(started.value().error().kind == ErrorKind::cancelled);
}

TEST_CASE("cancelling in the very moment in which the work ends harms nothing") {
  asio::io_context io;
  Other other;
  for (int i = 0; i < 2000; ++i) {
    const auto started = start(io.get_executor(), run_on(other.io.get_executor(), where_am_i()));
    for (int spin = 0; spin < i % 64; ++spin) io.poll_one();
    started.cancel();
    io.restart();
    io.run();
    REQUIRE(started.ended());
  }
}

TEST_CASE("many crossings add up") {
  asio::io_context io;
  Other other;
  CHECK(run(io, add_up(asio::make_strand(other.io), 1000)) == 1000);
}
