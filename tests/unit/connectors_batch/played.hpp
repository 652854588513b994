// SPDX-License-Identifier: Apache-2.0
#pragma once
// For a connector against a site that is played: answers of commands, time that stands still, and a strand.

#include "broker/async/scheduler.hpp"
#include "connectors/transport/transport.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace hansa::connectors::batch::test {

inline transport::CommandResult answer(std::string out, int status = 0, std::string err = "") {
  transport::CommandResult result;
  result.out = std::move(out);
  result.err = std::move(err);
  result.exit_status = status;
  return result;
}

/// Time that stands still until somebody sleeps.
class SteppingScheduler final : public async::Scheduler {
 public:
  [[nodiscard]] UtcTime now_utc() const override { return from_unix_seconds(1'800'000'000) + now_.since_origin; }
  [[nodiscard]] MonotonicTime now_monotonic() const override { return now_; }
  boost::asio::awaitable<void> sleep_until(MonotonicTime t) override {
    now_ = std::max(now_, t);
    co_return;
  }

 private:
  MonotonicTime now_{};
};

class ZeroRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override { std::ranges::fill(out, std::byte{0}); }
};

template <class T>
Result<T> ask(async::Task<T> task) {
  std::optional<Result<T>> result;
  boost::asio::io_context context;
  boost::asio::co_spawn(
      context,
      [](async::Task<T> work, std::optional<Result<T>>& kept) -> boost::asio::awaitable<void> {
        kept.emplace(co_await std::move(work));
      }(std::move(task), result),
      [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
      });
  context.run();
  REQUIRE(result.has_value());
  return std::move(*result);
}

}  // namespace hansa::connectors::batch::test
