// SPDX-License-Identifier: Apache-2.0
#include "broker/async/task_group.hpp"

#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace hansa;
using namespace hansa::async;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Bench {
  asio::io_context io;
  ManualScheduler scheduler{io};
  std::vector<std::string> reports;
  int running = 0;
  TaskGroup group{io.get_executor(), 3, [this](std::string_view name, const Error& error) {
                    reports.push_back(std::string(name) + ": " + std::string(to_string(error.kind)) + " " + error.detail);
                  }};
};

struct Count {
  explicit Count(int* counter) : count(counter) { ++*count; }
  Count(const Count&) = delete;
  Count& operator=(const Count&) = delete;
  ~Count() { --*count; }
  int* count;
};

Task<void> loop_for_ever(Bench* bench) {
  const Count count(&bench->running);
  for (;;) co_await bench->scheduler.sleep_until(bench->scheduler.now_monotonic() + 1s);
}

Task<void> takes_its_time_to_stop(Bench* bench) {
  const Count count(&bench->running);
  co_await bench->scheduler.sleep_until(bench->scheduler.now_monotonic() + 1h);
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await bench->scheduler.sleep_until(bench->scheduler.now_monotonic() + 10ms);
  co_return Result<void>{};
}

Task<void> succeed() { co_return Result<void>{}; }
Task<void> give_error() { co_return fail(ErrorKind::conflict, "X", "x"); }
Task<void> give_exception() {
  throw std::runtime_error("boom");
  co_return Result<void>{};
}
Task<void> note_start(bool* began) {
  *began = true;
  co_return Result<void>{};
}

}  // namespace

TEST_CASE("closing cancels every task, waits for its end, and reports no cancellation that was asked for") {
  Bench bench;
  REQUIRE(bench.group.spawn("one", loop_for_ever(&bench)));
  REQUIRE(bench.group.spawn("two", takes_its_time_to_stop(&bench)));
  bench.scheduler.advance(5s);
  CHECK(bench.running == 2);
  const auto closing = start(bench.io.get_executor(), bench.group.close());
  bench.scheduler.poll();
  CHECK_FALSE(closing.ended());
  CHECK(bench.running == 1);
  bench.scheduler.advance(10ms);
  REQUIRE(closing.ended());
  CHECK(bench.running == 0);
  CHECK(bench.group.size() == 0);
  CHECK(bench.reports.empty());
}

TEST_CASE("a task that was spawned but never began is cancelled as well") {
  Bench bench;
  bool began = false;
  REQUIRE(bench.group.spawn("x", note_start(&began)));
  CHECK_FALSE(began);  // not before spawn returns
  REQUIRE(run(bench.io, bench.group.close()));
  CHECK(bench.group.size() == 0);
}

TEST_CASE("several may close, also when empty, also when the closer is cancelled") {
  Bench bench;
  REQUIRE(bench.group.spawn("slow", takes_its_time_to_stop(&bench)));
  bench.scheduler.poll();
  const auto first = start(bench.io.get_executor(), bench.group.close());
  const auto second = start(bench.io.get_executor(), bench.group.close());
  bench.scheduler.poll();
  first.cancel();
  bench.scheduler.poll();
  CHECK_FALSE(first.ended());
  bench.scheduler.advance(10ms);
  CHECK(first.ended());
  CHECK(second.ended());
  CHECK(run(bench.io, bench.group.close()));
}

TEST_CASE("errors and exceptions that escape a task are reported with its name") {
  Bench bench;
  REQUIRE(bench.group.spawn("fine", succeed()));
  REQUIRE(bench.group.spawn("error", give_error()));
  REQUIRE(bench.group.spawn("exception", give_exception()));
  bench.scheduler.poll();
  CHECK(bench.reports == std::vector<std::string>{"error: conflict ", "exception: internal boom"});
  CHECK(bench.group.size() == 0);
}

TEST_CASE("a full or closed group refuses") {
  Bench bench;
  for (int i = 0; i < 3; ++i) REQUIRE(bench.group.spawn("x", loop_for_ever(&bench)));
  CHECK(bench.group.spawn("y", succeed()).error().code == "GROUP_FULL");
  const auto closing = start(bench.io.get_executor(), bench.group.close());
  bench.scheduler.poll();
  REQUIRE(closing.ended());
  CHECK(bench.group.closed());
  CHECK(bench.group.spawn("y", succeed()).error().code == "GROUP_CLOSED");
}

TEST_CASE("a task may end and make room") {
  Bench bench;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 3; ++i) REQUIRE(bench.group.spawn("x", succeed()));
    bench.scheduler.poll();
  }
  CHECK(bench.group.size() == 0);
}
