// SPDX-License-Identifier: Apache-2.0
// A child's life: start() under vfork -> pipes are read and its pidfd is watched on the caller's strand -> ended, or
// SIGTERM and SIGKILL -> the rest of the output -> reaped. It stays a zombie until the last step, so that its process
// group's number cannot belong to anybody else while we signal it.
#include "broker/async/child.hpp"

#include "broker/async/event.hpp"
#include "broker/core/descriptor.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>

namespace hansa::async {

namespace asio = boost::asio;

namespace {

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Error system_error(ErrorKind kind, std::string_view code, std::string what, int number) {
  return fail(kind, code, std::move(what) + ": " + std::generic_category().message(number)).error();
}

Error cannot_start(int number) {
  return system_error(ErrorKind::unavailable, "CHILD_NOT_STARTED", "cannot start a program", number);
}

/// Above 2, so that moving one descriptor to its place in the child cannot overwrite another.
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

/// A memory file rather than a pipe: nobody has to feed it, and a child that does not read it cannot hurt us.
Result<Descriptor> make_input(std::string_view input) {
  if (input.empty()) return above_standard(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto file = above_standard(::memfd_create("stdin", MFD_CLOEXEC));
  if (!file) return file;
  while (!input.empty()) {
    const auto put = ::write(file->get(), input.data(), input.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return std::unexpected(cannot_start(errno));
    input.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::lseek(file->get(), 0, SEEK_SET) < 0) return std::unexpected(cannot_start(errno));
  return file;
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

Result<void> check(const ChildSpec& spec) {
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

int group_signal(pid_t group, int number) { return ::kill(-group, number); }

/// One of the child's outputs.
struct Stream {
  asio::posix::stream_descriptor pipe;
  std::size_t limit;
  std::string text = {};
  bool truncated = false;
  bool open = true;

  void close() {
    boost::system::error_code ignored;
    pipe.close(ignored);
    open = false;
  }

  /// Reads what is there; at most a mebibyte, so that an endless writer does not keep the strand.
  void read_available() {
    std::array<char, 65536> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): 64 KiB of zeros for nothing
    for (int i = 0; open && i < 16; ++i) {
      const auto got = ::read(pipe.native_handle(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return close();
      const auto size = static_cast<std::size_t>(got);
      const auto kept = std::min(size, limit - text.size());
      text.append(buffer.data(), kept);
      truncated = truncated || kept < size;
    }
  }
};

/// A started child. Its handlers hold it, on the executor of the coroutine that started it.
struct Running : std::enable_shared_from_this<Running> {
  Running(const asio::any_io_executor& executor, pid_t child, Descriptor pidfd, Descriptor from_out, Descriptor from_err,
          std::size_t limit)
      : pid(child),
        process(executor, pidfd.release()),
        out{.pipe{executor, from_out.release()}, .limit = limit},
        err{.pipe{executor, from_err.release()}, .limit = limit},
        changed(executor) {}

  /// Without its supervisor (the io_context went): nothing may run on unseen.
  ~Running() {
    if (reaped) return;
    group_signal(pid, SIGKILL);
    pollfd gone{.fd = process.native_handle(), .events = POLLIN, .revents = 0};
    ::poll(&gone, 1, static_cast<int>(kKillGrace.count()));
    reap();
  }

  void start() {
    process.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& ec) {
                         if (ec) return;
                         self->ended = true;
                         if (self->abandoned) self->reap();
                         self->changed.set();
                       });
    listen(out);
    listen(err);
  }

  void listen(Stream& stream) {
    stream.pipe.async_wait(asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this(), &stream](const boost::system::error_code& ec) {
                             if (ec || !stream.open) return;
                             stream.read_available();
                             if (stream.open) return self->listen(stream);
                             self->changed.set();
                           });
  }

  /// Only once it has ended, or it would stay unreaped.
  void reap() { reaped = ::waitpid(pid, &status, WNOHANG) == pid; }

  pid_t pid;
  asio::posix::stream_descriptor process;  // its pidfd: readable once the program has ended
  Stream out;
  Stream err;
  Event changed;
  bool ended = false;
  bool reaped = false;
  bool abandoned = false;
  int status = 0;
};

/// True once `condition` holds; false when `until` came first, or a cancellation.
asio::awaitable<bool> settled(Scheduler* scheduler, Running* child, MonotonicTime until, bool (*condition)(const Running&)) {
  while (!condition(*child)) {
    if (!co_await child->changed.wait_until(*scheduler, until)) co_return condition(*child);
  }
  co_return true;
}

bool has_ended(const Running& child) { return child.ended; }
bool is_drained(const Running& child) { return !child.out.open && !child.err.open; }

Result<std::shared_ptr<Running>> start(const asio::any_io_executor& executor, const ChildSpec& spec) {
  auto in = make_input(spec.input);
  if (!in) return std::unexpected(in.error());
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  auto err = make_pipe();
  if (!err) return std::unexpected(err.error());
  auto status = make_pipe();
  if (!status) return std::unexpected(status.error());
  for (const auto* pipe : {&*out, &*err}) {  // our ends only: the child's are other open files
    if (::fcntl(pipe->read.get(), F_SETFL, O_NONBLOCK) != 0) return std::unexpected(cannot_start(errno));
  }

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
                  .in = in->get(),
                  .out = out->write.get(),
                  .err = err->write.get(),
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

  in->close();
  out->write.close();
  err->write.close();
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
    group_signal(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
    return std::unexpected(system_error(ErrorKind::unknown_outcome, "CHILD_LOST",
                                        spec.argv.front() + " was started and killed at once: it cannot be watched", number));
  }
  auto child =
      std::make_shared<Running>(executor, pid, std::move(pidfd), std::move(out->read), std::move(err->read), spec.output_limit);
  child->start();
  return child;
}

}  // namespace

Task<ChildResult> run_child(Scheduler& scheduler, Deadline deadline, ChildSpec spec) {
  if (auto valid = check(spec); !valid) co_return std::unexpected(valid.error());
  if (deadline.passed(scheduler)) co_return std::unexpected(detail::deadline_exceeded());
  auto started = start(co_await asio::this_coro::executor, spec);
  if (!started) co_return std::unexpected(started.error());
  const auto child = std::move(*started);
  spec = {};
  ChildResult result;
  const auto soon = [&scheduler](Milliseconds after) { return scheduler.now_monotonic() + after; };

  // From here to the end nothing may throw past the child. A further cancellation only ends the present wait.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);

  if (!co_await settled(&scheduler, child.get(), deadline.at, has_ended)) {
    result.timed_out = deadline.passed(scheduler);
    result.cancelled = !result.timed_out;
    group_signal(child->pid, SIGTERM);
    co_await settled(&scheduler, child.get(), soon(kTermGrace), has_ended);
    group_signal(child->pid, SIGKILL);  // also what the program leaves behind
    co_await settled(&scheduler, child.get(), soon(kKillGrace), has_ended);
  }

  for (auto* stream : {&child->out, &child->err}) stream->read_available();
  const auto drained_by = deadline.shortened_to(scheduler, kDrainGrace).at;
  if (child->ended && !co_await settled(&scheduler, child.get(), drained_by, is_drained)) {
    group_signal(child->pid, SIGKILL);
    for (auto* stream : {&child->out, &child->err}) stream->read_available();
  }
  for (auto* stream : {&child->out, &child->err}) {
    if (stream->open) stream->close();
  }

  if (child->ended) {
    child->reap();
  } else {
    child->abandoned = true;  // its pidfd's handler reaps it
  }
  if (child->reaped && WIFEXITED(child->status)) result.exit_status = WEXITSTATUS(child->status);
  if (child->reaped && WIFSIGNALED(child->status)) result.signal = WTERMSIG(child->status);
  result.out = std::move(child->out.text);
  result.err = std::move(child->err.text);
  result.out_truncated = child->out.truncated;
  result.err_truncated = child->err.truncated;
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return result;
}

}  // namespace hansa::async
