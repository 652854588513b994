// SPDX-License-Identifier: Apache-2.0
// A child's life: start() under vfork -> pipes are read and its pidfd is watched on the caller's strand -> ended, or
// SIGTERM and SIGKILL -> the rest of the output -> reaped. It stays a zombie until the last step, so that its process
// group's number cannot belong to anybody else while we signal it.
#include "broker/async/child.hpp"

#include "broker/async/child_process.hpp"
#include "broker/async/event.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

namespace hansa::async {

namespace asio = boost::asio;

namespace {

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
  Running(const asio::any_io_executor& executor, Spawned child, Descriptor from_out, Descriptor from_err, std::size_t limit)
      : process(executor, std::move(child)),
        out{.pipe{executor, from_out.release()}, .limit = limit},
        err{.pipe{executor, from_err.release()}, .limit = limit},
        changed(executor) {}

  void start() {
    process.pidfd.async_wait(asio::posix::stream_descriptor::wait_read,
                             [self = shared_from_this()](const boost::system::error_code& ec) {
                               if (ec) return;
                               self->ended = true;
                               if (self->abandoned) self->process.reap();
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

  ChildProcess process;
  Stream out;
  Stream err;
  Event changed;
  bool ended = false;
  bool abandoned = false;
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

asio::awaitable<void> until_ended(Scheduler* scheduler, Running* child, MonotonicTime until) {
  (void)co_await settled(scheduler, child, until, has_ended);
}

Result<std::shared_ptr<Running>> start(const asio::any_io_executor& executor, const ChildSpec& spec) {
  auto in = make_input(spec.input);
  if (!in) return std::unexpected(in.error());
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  auto err = make_pipe();
  if (!err) return std::unexpected(err.error());
  for (const auto* pipe : {&*out, &*err}) {  // our ends only: the child's are other open files
    if (::fcntl(pipe->read.get(), F_SETFL, O_NONBLOCK) != 0) return std::unexpected(cannot_start(errno));
  }

  auto spawned = spawn_program(spec, in->get(), out->write.get(), err->write.get());
  if (!spawned) return std::unexpected(spawned.error());
  auto child =
      std::make_shared<Running>(executor, std::move(*spawned), std::move(out->read), std::move(err->read), spec.output_limit);
  child->start();
  return child;
}

}  // namespace

Task<ChildResult> run_child(Scheduler& scheduler, Deadline deadline, ChildSpec spec) {
  if (auto valid = check_spec(spec); !valid) co_return std::unexpected(valid.error());
  if (deadline.passed(scheduler)) co_return std::unexpected(detail::deadline_exceeded());
  auto started = start(co_await asio::this_coro::executor, spec);
  if (!started) co_return std::unexpected(started.error());
  const auto child = std::move(*started);
  spec = {};
  ChildResult result;
  // From here to the end nothing may throw past the child. A further cancellation only ends the present wait.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);

  if (!co_await settled(&scheduler, child.get(), deadline.at, has_ended)) {
    result.timed_out = deadline.passed(scheduler);
    result.cancelled = !result.timed_out;
    co_await end_group(scheduler, child->process,
                       [&](MonotonicTime until) { return until_ended(&scheduler, child.get(), until); });
    child->ended = child->ended || child->process.over();  // its handler may not have run yet
  }

  for (auto* stream : {&child->out, &child->err}) stream->read_available();
  const auto drained_by = deadline.shortened_to(scheduler, kDrainGrace).at;
  if (child->ended && !co_await settled(&scheduler, child.get(), drained_by, is_drained)) {
    child->process.signal(SIGKILL);
    for (auto* stream : {&child->out, &child->err}) stream->read_available();
  }
  for (auto* stream : {&child->out, &child->err}) {
    if (stream->open) stream->close();
  }

  if (child->ended) {
    const auto end = child->process.reap();
    result.exit_status = end.exit_status;
    result.signal = end.signal;
  } else {
    child->abandoned = true;  // its pidfd's handler reaps it
  }
  result.out = std::move(child->out.text);
  result.err = std::move(child->err.text);
  result.out_truncated = child->out.truncated;
  result.err_truncated = child->err.truncated;
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return result;
}

}  // namespace hansa::async
