// SPDX-License-Identifier: Apache-2.0
#include "broker/async/task_group.hpp"

#include "broker/async/event.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>
#include <utility>

namespace hansa::async {

namespace asio = boost::asio;

struct TaskGroup::State {
  asio::any_io_executor executor;
  std::size_t limit;
  OnError on_error;
  Event empty{executor};
  bool closed = false;
  std::list<std::shared_ptr<asio::cancellation_signal>> running = {};  // shared: close() holds on to those it emits
};

namespace {

/// Posts first: the caller of spawn() is not in the middle of something when the task begins.
Task<void> later(Task<void> task) {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  co_return co_await std::move(task);
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor, std::size_t limit, OnError on_error)
    : state_(new State{.executor = std::move(executor), .limit = limit, .on_error = std::move(on_error)}) {}

TaskGroup::~TaskGroup() = default;

Result<void> TaskGroup::spawn(std::string_view name, Task<void> task) {
  auto& state = *state_;
  if (state.closed) { return fail(ErrorKind::unavailable, "GROUP_CLOSED", "stopping: " + std::string(name) + " is not started"); }
  if (state.running.size() >= state.limit) {
    return fail(ErrorKind::unavailable, "GROUP_FULL",
                std::to_string(state.limit) + " tasks are running: " + std::string(name) + " is not started");
  }
  const auto entry = state.running.insert(state.running.end(), std::make_shared<asio::cancellation_signal>());
  auto ended = [shared = state_, entry, name = std::string(name)](const std::exception_ptr&, Result<void> result) {
    shared->running.erase(entry);
    const bool asked_for = shared->closed && !result && result.error().kind == ErrorKind::cancelled;
    if (!result && !asked_for) shared->on_error(name, result.error());
    if (shared->running.empty()) shared->empty.set();
  };
  asio::co_spawn(state.executor, without_exceptions(later(std::move(task))),
                 asio::bind_cancellation_slot((*entry)->slot(), std::move(ended)));
  return {};
}

Task<void> TaskGroup::close() {
  const auto state = state_;
  state->closed = true;
  const auto running = state->running;
  for (const auto& signal : running) signal->emit(asio::cancellation_type::terminal);
  // A closer that is cancelled itself still waits: its tasks use what it is about to destroy.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!state->running.empty()) co_await state->empty.wait();
  state->empty.set();  // for the next closer
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return Result<void>{};
}

std::size_t TaskGroup::size() const { return state_->running.size(); }
bool TaskGroup::closed() const { return state_->closed; }

}  // namespace hansa::async
