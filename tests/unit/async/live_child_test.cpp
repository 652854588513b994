// SPDX-License-Identifier: Apache-2.0
#include "broker/async/live_child.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

using namespace hansa;
using namespace hansa::async;

namespace {

/// A killed process is not gone at once, and whoever reaps it may be slow.
bool goes(int pid) {
  for (int i = 0; i < 500; ++i) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    if (!(stat >> number >> name >> state) || state == "Z") return true;
    ::usleep(20'000);
  }
  return false;
}

struct Talk {
  explicit Talk(const std::string& script)
      : child(LiveChild::start(io.get_executor(),
                               {.argv = {"/bin/bash", "-c", script}, .environment = {{"PATH", "/usr/bin:/bin"}}})) {}

  std::string read(const Descriptor& from) const {
    std::array<char, 256> buffer{};
    pollfd ready{.fd = from.get(), .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, 10'000);
    const auto count = ::read(from.get(), buffer.data(), buffer.size());
    return count > 0 ? std::string(buffer.data(), static_cast<std::size_t>(count)) : "";
  }
  ChildEnd end(Milliseconds grace) { return run(io, child->end(scheduler, grace)); }

  boost::asio::io_context io;
  RealScheduler scheduler;
  Result<LiveChild> child;
};

}  // namespace

TEST_CASE("a program is talked to, and ends when nobody talks any more") {
  Talk talk("echo ready; echo warning >&2; while read -r line; do echo \"heard $line\"; done; exit 3");
  REQUIRE(talk.child.has_value());
  CHECK(talk.read(talk.child->out) == "ready\n");
  CHECK(talk.read(talk.child->err) == "warning\n");
  REQUIRE(::write(talk.child->in.get(), "you\n", 4) == 4);
  CHECK(talk.read(talk.child->out) == "heard you\n");
  talk.child->in.close();
  const auto end = talk.end(Milliseconds{10'000});
  CHECK(end.exit_status == 3);
  CHECK_FALSE(end.signal.has_value());
}

TEST_CASE("a program that does not end is ended, with what it started") {
  Talk talk("trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000");
  REQUIRE(talk.child.has_value());
  const auto grandchild = std::stoi(talk.read(talk.child->out));
  talk.child->in.close();
  const auto end = talk.end(Milliseconds{10});
  CHECK(end.signal == SIGKILL);
  CHECK(goes(grandchild));
}

TEST_CASE("a live child that nobody ends goes with its owner") {
  int grandchild = 0;
  {
    Talk talk("sleep 1000 & echo $!; wait");
    REQUIRE(talk.child.has_value());
    grandchild = std::stoi(talk.read(talk.child->out));
  }
  CHECK(goes(grandchild));
}

TEST_CASE("a live child that cannot be started is told as run_child tells it") {
  boost::asio::io_context io;
  CHECK(LiveChild::start(io.get_executor(), {.argv = {"/no/such"}}).error().code == "PROGRAM_NOT_FOUND");
  CHECK(LiveChild::start(io.get_executor(), {.argv = {"relative"}}).error().code == "CHILD_SPEC");
}
