// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/files.hpp"
#include "connectors/mover/tool.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace hansa::connectors::mover {
namespace {

constexpr int kTickMs = 200;
constexpr int kNotExecuted = 127;

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot start the tool");
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

/// A file in memory, from its beginning.
Result<Descriptor> input_of(const ToolCall& call) {
  Descriptor file(::memfd_create("hansa-tool-input", MFD_CLOEXEC));
  if (!file || ::write(file.get(), call.input.data(), call.input.size()) != static_cast<ssize_t>(call.input.size()) ||
      ::lseek(file.get(), 0, SEEK_SET) != 0) {
    return system_error(errno, "cannot start the tool");
  }
  return file;
}

/// In the child, which has one thread: anything may be called. Every descriptor is first lifted above those it must not
/// overwrite.
[[noreturn]] void become(const ToolCall& call, OpenEnds ends, int in, int out, int err, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kNotExecuted);
  ::setpgid(0, 0);
  ::signal(SIGPIPE, SIG_DFL);
  const std::array wanted = {std::pair{in, 0},
                             std::pair{out, 1},
                             std::pair{err, 2},
                             std::pair{ends.source, kSourceDescriptor},
                             std::pair{ends.destination, kDestinationDescriptor},
                             std::pair{ends.lock, kLockDescriptor}};
  std::array<int, wanted.size()> lifted{};
  for (std::size_t i = 0; i < wanted.size(); ++i) lifted[i] = wanted[i].first < 0 ? -1 : ::fcntl(wanted[i].first, F_DUPFD, 10);
  ::syscall(SYS_close_range, 0U, 9U, 0U);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (lifted[i] >= 0 && ::dup2(lifted[i], wanted[i].second) < 0) ::_exit(kNotExecuted);
  }
  ::syscall(SYS_close_range, static_cast<unsigned>(kLockDescriptor) + 1U, ~0U, CLOSE_RANGE_CLOEXEC);

  std::vector<char*> argv;
  for (const auto& argument : call.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> settings;
  for (const auto& [name, value] : call.environment) settings.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (auto& setting : settings) environment.push_back(setting.data());
  environment.push_back(nullptr);
  ::execve(argv.front(), argv.data(), environment.data());
  constexpr std::string_view kWords = "the tool cannot be executed\n";
  [[maybe_unused]] const auto put = ::write(STDERR_FILENO, kWords.data(), kWords.size());
  ::_exit(kNotExecuted);
}

/// False: nothing will come any more.
bool drain(int pipe, ToolOutput& output, void (ToolOutput::*take)(std::string_view)) {
  std::array<char, 65536> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): 64 KiB of zeros for nothing
  for (;;) {
    const auto got = ::read(pipe, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    (output.*take)({buffer.data(), static_cast<std::size_t>(got)});
  }
}

}  // namespace

Result<ToolEnd> run_tool(const ToolCall& call, OpenEnds ends, ToolOutput& output, const Clock& clock,
                         const std::function<bool()>& go_on) {
  auto out = make_pipe();
  if (!out) return std::unexpected(std::move(out.error()));
  auto err = make_pipe();
  if (!err) return std::unexpected(std::move(err.error()));
  const auto in = input_of(call);
  if (!in) return std::unexpected(in.error());
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(call, ends, in->get(), out->write.get(), err->write.get(), parent);
  if (pid < 0) return system_error(errno, "cannot start the tool");
  ::setpgid(pid, pid);  // whoever of the two is first
  out->write = Descriptor();
  err->write = Descriptor();
  for (const auto* pipe : {&*out, &*err}) ::fcntl(pipe->read.get(), F_SETFL, O_NONBLOCK);
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));

  ToolEnd end;
  MonotonicTime kill_at{};
  for (bool alive = true; alive;) {
    std::array watched = {pollfd{.fd = process.get(), .events = POLLIN, .revents = 0},
                          pollfd{.fd = out->read.get(), .events = POLLIN, .revents = 0},
                          pollfd{.fd = err->read.get(), .events = POLLIN, .revents = 0}};
    ::poll(watched.data(), watched.size(), kTickMs);
    if (out->read && !drain(out->read.get(), output, &ToolOutput::take_out)) out->read = Descriptor();
    if (err->read && !drain(err->read.get(), output, &ToolOutput::take_err)) err->read = Descriptor();
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      if (WIFEXITED(status)) end.exit_status = WEXITSTATUS(status);
      if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
      alive = false;
    }
    if (!go_on() && !end.stopped) {
      end.stopped = true;
      kill_at = clock.now_monotonic() + kStopGrace;
      ::kill(-pid, SIGTERM);
    }
    if (end.stopped && alive && clock.now_monotonic() >= kill_at) ::kill(-pid, SIGKILL);
  }
  ::kill(-pid, SIGKILL);  // what the tool has left behind
  if (out->read) drain(out->read.get(), output, &ToolOutput::take_out);
  if (err->read) drain(err->read.get(), output, &ToolOutput::take_err);
  return end;
}

}  // namespace hansa::connectors::mover
