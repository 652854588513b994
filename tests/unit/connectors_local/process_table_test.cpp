// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/process_table.hpp"

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

using namespace hansa::connectors::local;

TEST_CASE("this process is in the table") {
  const auto self = process_entry(::getpid());
  REQUIRE(self);
  CHECK(self->parent == ::getppid());
  CHECK(self->session == ::getsid(0));
  CHECK(self->started > 0);
  CHECK(self->state == 'R');
  CHECK_FALSE(process_entry(0));
  CHECK_FALSE(boot_id().empty());
}

TEST_CASE("a process is read whatever its name is, and found as a descendant") {
  std::array<int, 2> go{};
  REQUIRE(::pipe(go.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NAME, ") S 1 1 (");
    (void)!::write(go[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(go[0], &byte, 1) == 1);
  const auto entry = process_entry(child);
  REQUIRE(entry);
  CHECK(entry->parent == ::getpid());
  const auto family = descendants_of(::getpid());
  CHECK(std::ranges::count(family, child, &ProcessEntry::pid) == 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(process_entry(child));
}

TEST_CASE("an environment is matched as a whole") {
  const auto* path = ::getenv("PATH");
  REQUIRE(path != nullptr);
  CHECK(started_with(::getpid(), std::string("PATH=") + path));
  CHECK_FALSE(started_with(::getpid(), std::string("PATH=") + path + "x"));
  CHECK_FALSE(started_with(::getpid(), "PATH"));
}
