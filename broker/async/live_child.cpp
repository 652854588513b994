// SPDX-License-Identifier: Apache-2.0
#include "broker/async/live_child.hpp"

#include "broker/async/child_process.hpp"
#include "broker/async/first_of.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <utility>

namespace hansa::async {

namespace asio = boost::asio;

namespace {

asio::awaitable<void> wait_for_end(ChildProcess* process) {
  co_await process->pidfd.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
}

}  // namespace

LiveChild::LiveChild(std::unique_ptr<ChildProcess> process) : process_(std::move(process)) {}
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
  LiveChild child(std::make_unique<ChildProcess>(executor, std::move(*spawned)));
  child.in = std::move(in->write);
  child.out = std::move(out->read);
  child.err = std::move(err->read);
  return child;
}

asio::awaitable<ChildEnd> LiveChild::end(Scheduler& scheduler, Milliseconds grace) {
  auto* process = process_.get();
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto wait = [process, &scheduler](MonotonicTime until) {
    return first_of(wait_for_end(process), scheduler.sleep_until(until));
  };
  if (!process->over()) co_await wait(scheduler.now_monotonic() + grace);
  co_await end_group(scheduler, *process, wait);
  const auto end = process->reap();
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return end;
}

}  // namespace hansa::async
