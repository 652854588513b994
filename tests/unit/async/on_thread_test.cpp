// SPDX-License-Identifier: Apache-2.0
#include "broker/async/on_thread.hpp"

#include "broker/async/real_scheduler.hpp"
#include "broker/async/with_deadline.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>

#include <stdexcept>
#include <thread>

using namespace hansa;
using namespace hansa::async;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Bench {
  asio::io_context io;
  asio::thread_pool pool{1};
  StopFlag stop = std::make_shared<std::atomic<bool>>(false);

  template <class T>
  Task<T> on_pool(std::function<Result<T>()> work) {
    return on_thread<T>(pool, stop, std::move(work));
  }
};

}  // namespace

TEST_CASE("on_thread: work that blocks is done elsewhere, and its caller goes on where it was") {
  const auto here = std::this_thread::get_id();
  std::thread::id there;
  Bench bench;
  const auto result = run(bench.io, [](Bench& b, std::thread::id& inside) -> Task<std::thread::id> {
    (void)co_await b.on_pool<void>([&inside]() -> Result<void> {
      inside = std::this_thread::get_id();
      return {};
    });
    co_return std::this_thread::get_id();
  }(bench, there));
  REQUIRE(result.has_value());
  CHECK(*result == here);
  CHECK(there != here);
}

TEST_CASE("on_thread: errors and exceptions are the work's error") {
  Bench bench;
  const auto failed = run(bench.io, bench.on_pool<int>([]() -> Result<int> { return fail(ErrorKind::conflict, "X", "no"); }));
  CHECK(failed.error().code == "X");
  const auto thrown = run(bench.io, bench.on_pool<int>([]() -> Result<int> { throw std::runtime_error("boom"); }));
  CHECK(thrown.error().kind == ErrorKind::internal);
}

TEST_CASE("on_thread: a caller that is cancelled waits for work that was told to stop") {
  RealScheduler scheduler;
  bool ended = false;
  Bench bench;
  const auto result = run(bench.io, with_deadline(scheduler, Deadline::in(scheduler, 20ms),
                                                  bench.on_pool<int>([&ended, stop = bench.stop]() -> Result<int> {
                                                    while (!stop->load()) std::this_thread::sleep_for(1ms);
                                                    ended = true;
                                                    return 7;
                                                  })));
  CHECK(ended);
  REQUIRE(result.has_value());  // late, and still the work's own answer
  CHECK(*result == 7);
}
