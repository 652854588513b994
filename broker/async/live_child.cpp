// SPDX-License-Identifier: Apache-2.0
#include "broker/async/live_child.hpp"

#include "broker/async/first_of.hpp"
#include "broker/async/spawn.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

namespace hansa::async {

namespace asio = boost::asio;

struct LiveChild::State {
  State(const asio::any_io_executor& executor, Spawned child) : pid(child.pid), process(executor, child.pidfd.release()) {}
  ~State() {
    if (reaped) return;
    signal_group(pid, SIGKILL);
    pollfd gone{.fd = process.native_handle(), .events = POLLIN, .revents = 0};
    ::poll(&gone, 1, static_cast<int>(kKillGrace.count()));
    reap();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void reap() { reaped = reaped || ::waitpid(pid, &status, WNOHANG) == pid; }
  [[nodiscard]] bool over() const {
    pollfd gone{.fd = const_cast<asio::posix::stream_descriptor&>(process).native_handle(), .events = POLLIN, .revents = 0};
    return reaped || ::poll(&gone, 1, 0) == 1;
  }
  asio::awaitable<void> wait_for_end() {
    co_await process.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  }

  pid_t pid;
  asio::posix::stream_descriptor process;  // its pidfd
  bool reaped = false;
  int status = 0;
};

LiveChild::LiveChild(std::unique_ptr<State> state) : state_(std::move(state)) {}
LiveChild::~LiveChild() = default;
LiveChild::LiveChild(LiveChild&&) noexcept = default;
LiveChild& LiveChild::operator=(LiveChild&&) noexcept = default;

Result<LiveChild> LiveChild::start(asio::any_io_executor executor, ChildSpec spec) {
  auto in = make_pipe();
  if (!in) return std::unexpected(in.error());
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  auto err = make_pipe();
  if (!err) return std::unexpected(err.error());
  for (const auto* ours : {&in->write, &out->read, &err->read}) {
    if (::fcntl(ours->get(), F_SETFL, O_NONBLOCK) != 0) return std::unexpected(cannot_start(errno));
  }
  auto spawned = spawn_program(spec, in->read.get(), out->write.get(), err->write.get());
  if (!spawned) return std::unexpected(spawned.error());
  LiveChild child(std::make_unique<State>(executor, std::move(*spawned)));
  child.in = std::move(in->write);
  child.out = std::move(out->read);
  child.err = std::move(err->read);
  return child;
}

asio::awaitable<ChildEnd> LiveChild::end(Scheduler& scheduler, Milliseconds grace) {
  auto* state = state_.get();
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto wait = [&](Milliseconds time) {
    return first_of(state->wait_for_end(), scheduler.sleep_until(scheduler.now_monotonic() + time));
  };
  if (!state->over()) co_await wait(grace);
  if (!state->over()) {
    signal_group(state->pid, SIGTERM);
    co_await wait(kTermGrace);
  }
  signal_group(state->pid, SIGKILL);  // also what it leaves behind
  if (!state->over()) co_await wait(kKillGrace);
  state->reap();
  ChildEnd end;
  if (state->reaped && WIFEXITED(state->status)) end.exit_status = WEXITSTATUS(state->status);
  if (state->reaped && WIFSIGNALED(state->status)) end.signal = WTERMSIG(state->status);
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return end;
}

}  // namespace hansa::async
