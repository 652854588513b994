// SPDX-License-Identifier: Apache-2.0
#include "broker/async/child_process.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

using namespace hansa;
using namespace hansa::async;

namespace {

Spawned start(const std::string& script) {
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  auto spawned = spawn_program({.argv = {"/bin/sh", "-c", script}, .environment = {{"PATH", "/usr/bin:/bin"}}}, null.get(),
                               null.get(), null.get());
  REQUIRE(spawned.has_value());
  return std::move(*spawned);
}

void wait_until_over(const ChildProcess& process) {
  for (int i = 0; i < 1'000 && !process.over(); ++i) ::usleep(10'000);
  REQUIRE(process.over());
}

}  // namespace

TEST_CASE("a program that is over says how, however often it is asked") {
  boost::asio::io_context io;
  ChildProcess process(io.get_executor(), start("exit 7"));
  wait_until_over(process);
  for (int i = 0; i < 2; ++i) {
    CHECK(process.reap().exit_status == 7);
    CHECK_FALSE(process.reap().signal.has_value());
    CHECK(process.over());
  }
}

TEST_CASE("one that runs has no end yet, and a signal is its whole group's") {
  boost::asio::io_context io;
  ChildProcess process(io.get_executor(), start("sleep 600 & sleep 600"));
  CHECK_FALSE(process.over());
  CHECK_FALSE(process.reap().exit_status.has_value());
  process.signal(SIGTERM);
  wait_until_over(process);
  CHECK(process.reap().signal == SIGTERM);
}

TEST_CASE("what is let go unreaped is killed, and reaped by the time that others are") {
  boost::asio::io_context io;
  std::vector<pid_t> pids;
  for (int i = 0; i < 5; ++i) {
    auto spawned = start("trap '' TERM; exec sleep 600");
    pids.push_back(spawned.pid);
    const ChildProcess process(io.get_executor(), std::move(spawned));
  }
  for (int i = 0; i < 1'000 && reap_forgotten() > 0; ++i) ::usleep(10'000);
  CHECK(reap_forgotten() == 0);
  for (const auto pid : pids) CHECK(::kill(-pid, 0) == -1);  // no group either
}
