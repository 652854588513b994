// SPDX-License-Identifier: Apache-2.0
#include "broker/async/all_of.hpp"

#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <stdexcept>

using namespace hansa;
using namespace hansa::async;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

Task<> ends_after(Scheduler* scheduler, Milliseconds after, int* ended, std::string code = "") {
  co_await scheduler->sleep_until(scheduler->now_monotonic() + after);
  ++*ended;
  if (!code.empty()) co_return fail(ErrorKind::unavailable, code, "as asked");
  co_return Result<void>{};
}

Task<> throws() {
  throw std::runtime_error("secret of the database");
  co_return Result<void>{};
}

std::vector<Task<>> list(auto... tasks) {
  std::vector<Task<>> all;
  (all.push_back(std::move(tasks)), ...);
  return all;
}

bool all_well(const std::vector<Result<void>>& ends) {
  return std::ranges::all_of(ends, [](const auto& end) { return end.has_value(); });
}

}  // namespace

TEST_CASE("all run side by side, and the last to end ends it") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  int ended = 0;
  const auto started =
      start(io.get_executor(), all_of(list(ends_after(&scheduler, 30ms, &ended), ends_after(&scheduler, 10ms, &ended),
                                           ends_after(&scheduler, 20ms, &ended))));
  scheduler.advance(29ms);
  CHECK(ended == 2);
  CHECK_FALSE(started.ended());
  scheduler.advance(1ms);
  CHECK(ended == 3);
  REQUIRE(started.ended());
  CHECK(all_well(started.value()));
}

TEST_CASE("an error waits for the others, and each is told in its place") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  int ended = 0;
  const auto started = start(io.get_executor(), all_of(list(ends_after(&scheduler, 30ms, &ended, "SECOND_IN_TIME"),
                                                            ends_after(&scheduler, 10ms, &ended, "FIRST_IN_TIME"))));
  scheduler.advance(10ms);
  CHECK_FALSE(started.ended());
  scheduler.advance(20ms);
  REQUIRE(started.ended());
  REQUIRE(started.value().size() == 2);
  CHECK(started.value()[0].error().code == "SECOND_IN_TIME");
  CHECK(started.value()[1].error().code == "FIRST_IN_TIME");
}

TEST_CASE("an exception becomes an error and leaves the others alone") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  int ended = 0;
  const auto started = start(io.get_executor(), all_of(list(throws(), ends_after(&scheduler, 10ms, &ended))));
  scheduler.advance(10ms);
  CHECK(ended == 1);
  REQUIRE(started.ended());
  CHECK(started.value().at(0).error().kind == ErrorKind::internal);
  CHECK(started.value().at(1));
}

TEST_CASE("of nothing, all have ended") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  const auto started = start(io.get_executor(), all_of(std::vector<Task<>>{}));
  scheduler.advance(0ms);
  REQUIRE(started.ended());
  CHECK(all_well(started.value()));
}

TEST_CASE("a cancelled caller cancels all and waits for them") {
  asio::io_context io;
  ManualScheduler scheduler(io);
  int ended = 0;
  const auto started =
      start(io.get_executor(), all_of(list(ends_after(&scheduler, 1h, &ended), ends_after(&scheduler, 2h, &ended))));
  scheduler.advance(1ms);
  CHECK(scheduler.sleepers() == 2);
  started.cancel();
  scheduler.poll();
  CHECK(scheduler.sleepers() == 0);
  CHECK(started.ended());
}
