// SPDX-License-Identifier: Apache-2.0
#pragma once
// For a connector against a site that is played: answers of commands, time that stands still, and a strand.

#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/transport/transport.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

/// Every command is seen, every answer chosen: by a player of its program's name, or otherwise().
class PlayedSite : public transport::Transport {
 public:
  using Player = std::function<Result<transport::CommandResult>(const transport::Command&)>;

  async::Task<transport::CommandResult> run(transport::Command command, async::Deadline deadline) override {
    commands.push_back(command);
    const auto name = name_of(command);
    until.insert_or_assign(name, deadline);
    if (const auto player = players.find(name); player != players.end()) co_return player->second(command);
    if (name == "readlink") co_return answer("", 1, "readlink: x: No such file or directory\n");
    co_return otherwise(name, command);
  }
  [[nodiscard]] std::size_t count(std::string_view name) const {
    return static_cast<std::size_t>(std::ranges::count_if(commands, [&](const auto& c) { return c.program.ends_with(name); }));
  }
  [[nodiscard]] const transport::Command& last(std::string_view name) const {
    const auto found = std::find_if(commands.rbegin(), commands.rend(), [&](const auto& c) { return c.program.ends_with(name); });
    REQUIRE(found != commands.rend());
    return *found;
  }

  std::map<std::string, Player> players;
  std::vector<transport::Command> commands;
  std::map<std::string, async::Deadline> until;  // of the last of each name

 private:
  [[nodiscard]] virtual std::string name_of(const transport::Command& command) const {
    return command.program.substr(command.program.rfind('/') + 1);
  }
  virtual transport::CommandResult otherwise(const std::string& name, const transport::Command& command) = 0;
};

inline ports::SiteJob site_job(const std::string& id, const std::string& tag, const std::string& account = "alice") {
  return {.id = SiteJobId(id),
          .tag = Tag(tag),
          .account = LocalAccount(account),
          .person = Principal("local:" + account),
          .intended_at = from_unix_seconds(1'800'000'000)};
}

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
