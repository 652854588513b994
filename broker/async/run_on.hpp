// SPDX-License-Identifier: Apache-2.0
#pragma once
// From one strand to another and back.

#include "broker/async/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <optional>
#include <utility>

namespace hansa::async {

namespace detail {
boost::asio::awaitable<void> run_to_end_on(boost::asio::any_io_executor executor, boost::asio::awaitable<void> work);
}  // namespace detail

/// Runs `work` on `executor` (a strand, or a context with one thread) and resumes the caller on its own. A cancellation
/// of the caller is carried over to the work, on the work's strand; the caller waits for the work's end either way.
/// Exceptions of the work become its Error.
template <class T>
Task<T> run_on(boost::asio::any_io_executor executor, Task<T> work) {
  std::optional<Result<T>> outcome;
  co_await detail::run_to_end_on(std::move(executor), detail::keep(&outcome, std::move(work)));
  if (!outcome) co_return std::unexpected(detail::cancelled());
  co_return std::move(*outcome);
}

}  // namespace hansa::async
