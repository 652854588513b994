// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/child.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

namespace hansa::connectors::account_switch {
namespace {

constexpr const char* kPath = "PATH=/usr/local/bin:/usr/bin:/bin";

enum class Step : int { prepare, give_up_privileges, home, working_directory, execute };
struct StartFailure {
  Step step;
  int error;
};

std::unexpected<Error> system_failure(const std::string& what) {
  return fail(ErrorKind::unavailable, "START_FAILED", "not started: " + what + ": " + std::strerror(errno));
}

/// The program's standard input: a file in memory, so that nobody has to feed it while it runs.
Result<Descriptor> input_file(const std::string& input) {
  if (input.empty()) {
    Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null) return system_failure("/dev/null");
    return null;
  }
  Descriptor file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) return system_failure("no memory for the input");
  for (std::size_t done = 0; done < input.size();) {
    const auto written = ::write(file.get(), input.data() + done, input.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_failure("no memory for the input");
    done += static_cast<std::size_t>(written);
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return system_failure("no memory for the input");
  return file;
}

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_failure("no pipe");
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  ::fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

std::vector<std::string> environment_of(const Request& request, const Identity& identity) {
  std::vector<std::string> result = {"HOME=" + identity.home, "USER=" + identity.name, "LOGNAME=" + identity.name,
                                     "SHELL=" + identity.shell, kPath};
  for (const auto& [name, value] : request.environment) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void default_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// True only if nothing of root is left and nothing of it can come back.
bool give_up_privileges(const Identity& identity) {
  if (::setgroups(identity.groups.size(), identity.groups.data()) != 0) return false;
  if (::setresgid(identity.gid, identity.gid, identity.gid) != 0) return false;
  if (::setresuid(identity.uid, identity.uid, identity.uid) != 0) return false;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;

  errno = EPERM;
  uid_t real_uid = 0;
  uid_t effective_uid = 0;
  uid_t saved_uid = 0;
  gid_t real_gid = 0;
  gid_t effective_gid = 0;
  gid_t saved_gid = 0;
  if (::getresuid(&real_uid, &effective_uid, &saved_uid) != 0 || ::getresgid(&real_gid, &effective_gid, &saved_gid) != 0)
    return false;
  if (real_uid != identity.uid || effective_uid != identity.uid || saved_uid != identity.uid) return false;
  if (real_gid != identity.gid || effective_gid != identity.gid || saved_gid != identity.gid) return false;
  if (::setresuid(0, 0, 0) == 0 || ::seteuid(0) == 0 || ::setresgid(0, 0, 0) == 0 || ::setegid(0) == 0) return false;
  const gid_t root_group = 0;
  return ::setgroups(1, &root_group) != 0;
}

struct ChildEnds {
  int input;
  int out;
  int err;
  int start;
};

[[noreturn]] void become_program(const Request& request, const Identity& identity, const ChildEnds& ends, pid_t parent,
                                 std::vector<char*>& argv, std::vector<char*>& envp) {
  const auto give_up = [&](Step step) {
    const StartFailure failure{step, errno};
    [[maybe_unused]] const auto written =
        ::write(ends.start, &failure, sizeof failure);  // if it fails, so does the exit status say
    ::_exit(127);
  };
  // The time limit first: whatever hangs from here on (a dead file server's home) is under it.
  default_signals();
  ::alarm(static_cast<unsigned>(request.limit.count()));
  const rlimit no_core{0, 0};
  if (::setsid() < 0 || ::setrlimit(RLIMIT_CORE, &no_core) != 0) give_up(Step::prepare);
  if (::dup2(ends.input, 0) != 0 || ::dup2(ends.out, 1) != 1 || ::dup2(ends.err, 2) != 2) give_up(Step::prepare);
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) give_up(Step::prepare);
  ::umask(077);

  if (!give_up_privileges(identity)) give_up(Step::give_up_privileges);
  // Changing identity clears this, so it comes after; and if the parent is gone already, nobody would send it.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::getppid() != parent) give_up(Step::prepare);
  ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);  // not the caller's keys; a kernel without key rings has none

  if (::chdir(identity.home.c_str()) != 0) give_up(Step::home);
  if (!request.working_directory.empty() && ::chdir(request.working_directory.c_str()) != 0) give_up(Step::working_directory);
  ::execve(request.program.c_str(), argv.data(), envp.data());
  give_up(Step::execute);
  ::_exit(127);
}

}  // namespace

Result<Child> start_child(const Request& request, const Identity& identity, const std::string& input) {
  auto stdin_file = input_file(input);
  if (!stdin_file) return std::unexpected(stdin_file.error());
  auto out = make_pipe();
  auto err = make_pipe();
  auto start = make_pipe();
  for (const auto* pipe : {&out, &err, &start}) {
    if (!*pipe) return std::unexpected(pipe->error());
  }
  auto arguments = request.arguments;
  arguments.insert(arguments.begin(), request.program);
  auto variables = environment_of(request, identity);
  auto argv = pointers(arguments);
  auto envp = pointers(variables);

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return system_failure("no process");
  if (pid == 0) {
    const ChildEnds ends{stdin_file->get(), out->write_end.get(), err->write_end.get(), start->write_end.get()};
    become_program(request, identity, ends, parent, argv, envp);
  }
  return Child{pid, std::move(out->read_end), std::move(err->read_end), std::move(start->read_end)};
}

std::optional<Error> start_failure(const Child& child, const Request& request, const Identity& identity) {
  StartFailure failure{};
  if (::read(child.start.get(), &failure, sizeof failure) != static_cast<ssize_t>(sizeof failure)) return std::nullopt;
  std::string what;
  switch (failure.step) {
    case Step::prepare: what = "the process could not be prepared"; break;
    case Step::give_up_privileges: what = "the identity of \"" + identity.name + "\" could not be taken on"; break;
    case Step::home: what = "the home of \"" + identity.name + "\", " + identity.home + ", cannot be entered"; break;
    case Step::working_directory: what = "the working directory " + request.working_directory + " cannot be entered"; break;
    case Step::execute: what = request.program + " cannot be executed"; break;
  }
  errno = failure.error;
  return system_failure(what).error();
}

}  // namespace hansa::connectors::account_switch
