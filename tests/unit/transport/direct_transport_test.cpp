// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/direct_transport.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>
#include <pwd.h>
#include <unistd.h>

#include <csignal>

using namespace hansa;
using namespace hansa::connectors::transport;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

struct Bench {
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  DirectTransport transport{scheduler};

  Result<CommandResult> run(Command command, Milliseconds time = 20s) {
    return async::run(io, transport.run(std::move(command), async::Deadline::in(scheduler, time)));
  }
};

std::string own_name() { return ::getpwuid(::geteuid())->pw_name; }
std::string own_home() { return ::getpwuid(::geteuid())->pw_dir; }

}  // namespace

TEST_CASE("a command runs here as the broker's account, in its home, with a small environment") {
  Bench bench;
  const auto result = bench.run({.program = "/usr/bin/env", .environment = {{"LC_ALL", "C"}}}).value();
  CHECK(result.exit_status == 0);
  CHECK_THAT(result.out, Contains("HOME=" + own_home() + "\n") && Contains("USER=" + own_name() + "\n") &&
                             Contains("LC_ALL=C\n") && Contains("PATH=/usr/local/bin:/usr/bin:/bin\n"));
  CHECK(std::ranges::count(result.out, '\n') == 6);
  CHECK(bench.run({.program = "/usr/bin/pwd"}).value().out == own_home() + "\n");
}

TEST_CASE("a variable of the command replaces the account's") {
  Bench bench;
  const auto out = bench.run({.program = "/usr/bin/env", .environment = {{"PATH", "/x"}}}).value().out;
  CHECK_THAT(out, Contains("PATH=/x\n") && !Contains("/usr/local/bin"));
}

TEST_CASE("input, arguments and exit status pass through") {
  Bench bench;
  const auto result = bench
                          .run({.program = "/bin/sh",
                                .arguments = {"-c", "cat; printf '[%s]' \"$@\"; echo err >&2; exit 3", "sh", "$(id)", "a\nb", ""},
                                .input = "in"})
                          .value();
  CHECK(result.out == "in[$(id)][a\nb][]");
  CHECK(result.err == "err\n");
  CHECK(result.exit_status == 3);
}

TEST_CASE("its own account by name is fine, another's is refused with the remedy") {
  Bench bench;
  CHECK(bench.run({.program = "/usr/bin/true", .account = LocalAccount(own_name())}).value().succeeded());
  const auto refused = bench.run({.program = "/usr/bin/true", .account = LocalAccount("somebody-else")});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::permission_denied);
  CHECK_THAT(refused.error().message, Contains("somebody-else") && Contains("run_as"));
}

TEST_CASE("what cannot be started is an error, and what is malformed never is") {
  Bench bench;
  CHECK(bench.run({.program = "/no/such/program"}).error().kind == ErrorKind::not_found);
  const std::string nul("a\0b", 3);
  const Command malformed[] = {{.program = "true"},
                               {.program = ""},
                               {.program = "/usr/bin/true", .arguments = {nul}},
                               {.program = "/usr/bin/true", .environment = {{"A=B", "x"}}},
                               {.program = "/usr/bin/true", .environment = {{"", "x"}}},
                               {.program = "/usr/bin/true", .environment = {{"A", nul}}},
                               {.program = "/usr/bin/true", .working_directory = "/etc"},
                               {.program = "/usr/bin/true", .working_directory = "a/../../etc"},
                               {.program = "/usr/bin/true", .working_directory = "a//b"},
                               {.program = "/usr/bin/true", .working_directory = nul}};
  for (const auto& command : malformed) CHECK(bench.run(command).error().kind == ErrorKind::invalid_argument);
}

TEST_CASE("what was cut at its deadline says so") {
  Bench bench;
  const auto result = bench.run({.program = "/usr/bin/sleep", .arguments = {"600"}}, 50ms).value();
  CHECK(result.timed_out);
  CHECK(result.signal == SIGTERM);
  CHECK(bench.run({.program = "/usr/bin/true"}, 0ms).error().kind == ErrorKind::deadline_exceeded);
}

TEST_CASE("a command limits itself a little past its deadline, or as it was told") {
  async::RealScheduler scheduler;
  Command command{.program = "/usr/bin/true"};
  const auto in = [&](Milliseconds time) { return async::Deadline::in(scheduler, time); };
  CHECK(limit_of(command, in(10s), scheduler) == 11s);
  CHECK(limit_of(command, in(0ms), scheduler) == 1s);
  CHECK(limit_of(command, async::Deadline::never(), scheduler) == kMaxSelfLimit);
  command.self_limit = 5s;
  CHECK(limit_of(command, in(10s), scheduler) == 5s);
}
