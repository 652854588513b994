// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/foreground.hpp"

#include "broker/core/descriptor.hpp"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace hansa::cli {

namespace {

std::unexpected<Error> no_program(const std::string& name, int error) {
  return fail(ErrorKind::not_found, "NO_PROGRAM", name + " cannot be started: " + std::strerror(error));
}

/// SIGINT and SIGQUIT of the terminal leave us alone meanwhile.
class LeftToTheProgram {
 public:
  LeftToTheProgram() : interrupt_(::signal(SIGINT, SIG_IGN)), quit_(::signal(SIGQUIT, SIG_IGN)) {}
  ~LeftToTheProgram() {
    ::signal(SIGINT, interrupt_);
    ::signal(SIGQUIT, quit_);
  }
  LeftToTheProgram(const LeftToTheProgram&) = delete;
  LeftToTheProgram& operator=(const LeftToTheProgram&) = delete;

 private:
  void (*interrupt_)(int);
  void (*quit_)(int);
};

int spawn(const std::vector<std::string>& command, int input, pid_t& child) {
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t usual;
  ::sigemptyset(&usual);
  ::sigaddset(&usual, SIGINT);
  ::sigaddset(&usual, SIGQUIT);
  ::posix_spawnattr_setsigdefault(&attributes, &usual);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int failed = ::posix_spawnp(&child, arguments.front(), &actions, &attributes, arguments.data(), ::environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return failed;
}

}  // namespace

Result<int> run_in_foreground(const std::vector<std::string>& command, const std::string& line) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return no_program(command.front(), errno);
  const Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  const LeftToTheProgram left;
  pid_t child = 0;
  if (const int failed = spawn(command, theirs.get(), child); failed != 0) return no_program(command.front(), failed);
  theirs.close();
  // It fits into the socket; a program that has ended already takes nothing, and its status says so.
  (void)::send(ours.get(), line.data(), line.size(), MSG_NOSIGNAL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return no_program(command.front(), errno);
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace hansa::cli
