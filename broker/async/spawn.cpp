// SPDX-License-Identifier: Apache-2.0
#include "broker/async/spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace hansa::async {

namespace {

/// What the system said.
Error system_error(ErrorKind kind, std::string_view code, std::string what, int number) {
  return fail(kind, code, std::move(what) + ": " + std::generic_category().message(number)).error();
}

enum class Step : int { prepare, directory, execute };

/// What a child that could not become the program writes into its status pipe.
struct Failure {
  Step step;
  int number;
};

struct Plan {
  char* const* argv;
  char* const* environment;
  const char* working_directory;
  int in, out, err, status;
  unsigned alarm_seconds;
};

/// In the child, which borrows its parent's memory: system calls only, nothing allocated, nothing changed but its stack.
[[noreturn]] void give_up(const Plan& plan, Step step) {
  const Failure failure{step, errno};
  [[maybe_unused]] const auto put = ::write(plan.status, &failure, sizeof failure);
  ::_exit(127);
}

[[noreturn, gnu::noinline]] void become(const Plan& plan) {
  if (::setpgid(0, 0) != 0) give_up(plan, Step::prepare);
  // exec resets handlers but keeps what is ignored, such as SIGPIPE; the mask is opened only once no handler is left.
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action{};
    if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_DFL) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    ::sigaction(number, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) give_up(plan, Step::prepare);
  if (::dup2(plan.in, STDIN_FILENO) < 0 || ::dup2(plan.out, STDOUT_FILENO) < 0 || ::dup2(plan.err, STDERR_FILENO) < 0) {
    give_up(plan, Step::prepare);
  }
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) give_up(plan, Step::prepare);
  if (::chdir(plan.working_directory) != 0) give_up(plan, Step::directory);
  ::alarm(plan.alarm_seconds);
  ::execve(plan.argv[0], plan.argv, plan.environment);
  give_up(plan, Step::execute);
}

/// Nothing but the system call happens here in the child: it must not leave this frame otherwise than through become().
[[gnu::noinline]] pid_t spawn(const Plan& plan) {
  const pid_t pid = ::vfork();
  if (pid == 0) become(plan);
  return pid;
}

Error explain(const ChildSpec& spec, const Failure& failure) {
  const auto& program = spec.argv.front();
  const int number = failure.number;
  if (failure.step == Step::prepare) return cannot_start(number);
  if (failure.step == Step::directory) {
    return system_error(number == EACCES ? ErrorKind::permission_denied : ErrorKind::not_found, "WORKING_DIRECTORY",
                        "cannot run " + program + " in " + spec.working_directory, number);
  }
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return fail(ErrorKind::not_found, "PROGRAM_NOT_FOUND", program + " does not exist, or the interpreter it names does not")
          .error();
    case EACCES:
    case EPERM:
      return fail(ErrorKind::permission_denied, "PROGRAM_NOT_EXECUTABLE",
                  program + " may not be executed by this account: check its mode, its folders' and the mount")
          .error();
    case E2BIG:
      return fail(ErrorKind::too_large, "ARGUMENTS_TOO_LONG",
                  "arguments and environment of " + program + " are longer than the system takes")
          .error();
    case ENOEXEC:
      return fail(ErrorKind::invalid_argument, "PROGRAM_NOT_EXECUTABLE",
                  program + " is no program: neither a binary of this machine nor a script with \"#!\"")
          .error();
    default: return system_error(ErrorKind::unavailable, "CHILD_NOT_STARTED", "cannot execute " + program, number);
  }
}

}  // namespace

Result<void> check_spec(const ChildSpec& spec) {
  const auto refuse = [](std::string message) { return fail(ErrorKind::invalid_argument, "CHILD_SPEC", std::move(message)); };
  const auto has_nul = [](std::string_view text) { return text.contains('\0'); };
  if (spec.argv.empty() || !spec.argv.front().starts_with('/')) return refuse("a program is named by its absolute path");
  if (std::ranges::any_of(spec.argv, has_nul)) return refuse("an argument contains a NUL byte");
  if (has_nul(spec.working_directory)) return refuse("the working directory contains a NUL byte");
  for (const auto& [name, value] : spec.environment) {
    if (name.empty() || name.contains('=') || has_nul(name))
      return refuse("an environment variable's name is empty or has '=' or NUL");
    if (has_nul(value)) return refuse("environment variable " + name + " contains a NUL byte");
  }
  return {};
}

Error cannot_start(int number) {
  return system_error(ErrorKind::unavailable, "CHILD_NOT_STARTED", "cannot start a program", number);
}

Result<Descriptor> above_standard(int fd) {
  Descriptor given(fd);
  if (fd < 0) return std::unexpected(cannot_start(errno));
  if (fd > STDERR_FILENO) return given;
  Descriptor moved(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved) return std::unexpected(cannot_start(errno));
  return moved;
}

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(cannot_start(errno));
  auto read = above_standard(ends[0]);
  auto write = above_standard(ends[1]);
  if (!read) return std::unexpected(read.error());
  if (!write) return std::unexpected(write.error());
  return Pipe{std::move(*read), std::move(*write)};
}

int signal_group(pid_t group, int number) { return ::kill(-group, number); }

Result<Spawned> spawn_program(const ChildSpec& spec, int in, int out, int err) {
  if (auto valid = check_spec(spec); !valid) return std::unexpected(valid.error());
  auto status = make_pipe();
  if (!status) return std::unexpected(status.error());

  // exec takes char*, and does not write through it.
  std::vector<char*> argv;
  for (const auto& argument : spec.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> settings;
  for (const auto& [name, value] : spec.environment) settings.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (auto& setting : settings) environment.push_back(setting.data());
  environment.push_back(nullptr);

  const Plan plan{.argv = argv.data(),
                  .environment = environment.data(),
                  .working_directory = spec.working_directory.empty() ? "/" : spec.working_directory.c_str(),
                  .in = in,
                  .out = out,
                  .err = err,
                  .status = status->write.get(),
                  .alarm_seconds = static_cast<unsigned>(std::clamp<std::int64_t>(spec.self_limit.count(), 0, INT32_MAX))};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of ours runs in the child's borrowed memory
  const pid_t pid = spawn(plan);
  const int spawn_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return std::unexpected(cannot_start(spawn_error));

  status->write.close();
  Failure failure{};
  ssize_t got = 0;
  do got = ::read(status->read.get(), &failure, sizeof failure);
  while (got < 0 && errno == EINTR);
  if (got == sizeof failure) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
    return std::unexpected(explain(spec, failure));
  }

  Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int number = errno;
    signal_group(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
    return std::unexpected(system_error(ErrorKind::unknown_outcome, "CHILD_LOST",
                                        spec.argv.front() + " was started and killed at once: it cannot be watched", number));
  }
  return Spawned{.pid = pid, .pidfd = std::move(pidfd)};
}

}  // namespace hansa::async
