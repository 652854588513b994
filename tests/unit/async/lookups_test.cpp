// SPDX-License-Identifier: Apache-2.0
#include "broker/async/lookups.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <condition_variable>
#include <mutex>

using namespace hansa;
using async::Deadline;
using async::Lookups;

namespace {

/// A look-up that hangs until it is let go.
struct Gate {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
  void wait() {
    std::unique_lock lock(mutex);
    opened.wait(lock, [this] { return open; });
  }
  void let_go() {
    const std::scoped_lock lock(mutex);
    open = true;
    opened.notify_all();
  }
};

struct Fixture {
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  Lookups lookups{2};
  Result<int> ask(std::function<Result<int>()> work, Milliseconds within = Milliseconds{10'000}) {
    return async::run(io, lookups.run<int>(scheduler, Deadline::in(scheduler, within), std::move(work)));
  }
};

}  // namespace

TEST_CASE("a look-up gives its answer, its error or its exception") {
  Fixture f;
  CHECK(f.ask([] { return Result<int>(7); }) == 7);
  CHECK(f.ask([]() -> Result<int> { return fail(ErrorKind::not_found, "NO", "no"); }).error().code == "NO");
  CHECK(f.ask([]() -> Result<int> { throw std::runtime_error("x"); }).error().kind == ErrorKind::internal);
  CHECK(f.lookups.running() == 0);
}

TEST_CASE("who waits for a look-up that hangs leaves at the deadline, and the others go on until all threads hang") {
  const auto gate = std::make_shared<Gate>();
  const std::function<Result<int>()> hangs = [gate]() -> Result<int> { return gate->wait(), 1; };
  {
    Fixture f;
    CHECK(f.ask(hangs, Milliseconds{20}).error().code == "LOOKUP_HANGS");
    CHECK(f.lookups.running() == 1);
    CHECK(f.ask([] { return Result<int>(8); }) == 8);
    CHECK(f.ask(hangs, Milliseconds{20}).error().kind == ErrorKind::deadline_exceeded);
    const auto refused = f.ask([] { return Result<int>(9); });
    CHECK(refused.error().code == "LOOKUPS_HANG");
    CHECK(refused.error().kind == ErrorKind::unavailable);
    gate->let_go();
    while (f.lookups.running() > 0) std::this_thread::yield();
    CHECK(f.ask([] { return Result<int>(10); }) == 10);
  }
  gate->open = false;
  {
    Fixture f;
    CHECK_FALSE(f.ask(hangs, Milliseconds{5}).has_value());
  }  // and its owner may go first
  gate->let_go();
}
