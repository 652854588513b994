// SPDX-License-Identifier: Apache-2.0
#pragma once
// Task<T>: a coroutine that ends with a Result<T>.
//
// Cancellation is Asio's: per coroutine, one signal, on the coroutine's own strand. A cancelled coroutine's pending
// operation ends early; its next co_await throws operation_aborted, so that no loop outlives its cancellation. That
// unwinding (and any other exception) stops at the nearest edge, which turns it into an Error: `with_deadline`,
// `run_on`, `TaskGroup`. Code in between holds what it owns by RAII and catches nothing.

#include "broker/core/error.hpp"

#include <boost/asio/awaitable.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace hansa::async {

template <class T = void>
using Task = boost::asio::awaitable<Result<T>>;

/// ErrorKind::cancelled for Asio's operation_aborted; ErrorKind::internal, with what() as its detail, for all else.
Error to_error(const std::exception_ptr& exception);

/// Runs `work`; an exception that escapes it becomes its Error. The edge of a strand, a group, a folder.
template <class T>
Task<T> without_exceptions(Task<T> work) {
  try {
    co_return co_await std::move(work);
  } catch (...) { co_return std::unexpected(to_error(std::current_exception())); }
}

namespace detail {

/// Leaves the end of `work` in `*outcome`, so that code that runs it need not be a template.
template <class T>
boost::asio::awaitable<void> keep(std::optional<Result<T>>* outcome, Task<T> work) {
  outcome->emplace(co_await without_exceptions(std::move(work)));
}

Error cancelled();
Error deadline_exceeded();

}  // namespace detail

}  // namespace hansa::async
