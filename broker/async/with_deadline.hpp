// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one way to put a time-out on something.

#include "broker/async/deadline.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task.hpp"

#include <optional>
#include <utility>

namespace hansa::async {

namespace detail {
/// Runs `work` until it ends, cancelling it at `at`. True: the time came before the work ended.
boost::asio::awaitable<bool> cancel_at(Scheduler& scheduler, MonotonicTime at, boost::asio::awaitable<void> work);
}  // namespace detail

/// Runs `work` on the caller's executor and cancels it when the deadline passes; waits for its end either way, so
/// nothing it refers to is used after this returns. What the work itself answers counts, also late (a value, an
/// unknown_outcome); only if it was cut off is the answer deadline_exceeded, or cancelled when the caller was cancelled.
/// After a passed deadline nothing is started. Exceptions of the work become ErrorKind::internal.
template <class T>
Task<T> with_deadline(Scheduler& scheduler, Deadline deadline, Task<T> work) {
  if (deadline.passed(scheduler)) co_return std::unexpected(detail::deadline_exceeded());
  std::optional<Result<T>> outcome;
  const bool late = co_await detail::cancel_at(scheduler, deadline.at, detail::keep(&outcome, std::move(work)));
  if (!outcome) co_return std::unexpected(detail::cancelled());
  if (late && !*outcome && outcome->error().kind == ErrorKind::cancelled) {
    co_return std::unexpected(detail::deadline_exceeded());
  }
  co_return std::move(*outcome);
}

}  // namespace hansa::async
