// SPDX-License-Identifier: Apache-2.0
#pragma once
// Work that blocks, away from the strand.

#include "broker/async/task.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace hansa::async {

/// Set when the one who waits is cancelled; the work looks at it now and then, and ends.
using StopFlag = std::shared_ptr<std::atomic<bool>>;

namespace detail {
boost::asio::awaitable<void> run_to_end_on_thread(boost::asio::thread_pool& pool, StopFlag stop, std::function<void()> work);
}  // namespace detail

/// Runs `work` on a thread of `pool` and resumes the caller on its own executor, whatever becomes of either: the caller waits
/// for the work's end. `work` owns all that it uses. Its exceptions become its Error.
template <class T>
Task<T> on_thread(boost::asio::thread_pool& pool, StopFlag stop, std::function<Result<T>()> work) {
  std::optional<Result<T>> outcome;
  co_await detail::run_to_end_on_thread(pool, std::move(stop), [&outcome, work = std::move(work)] {
    try {
      outcome.emplace(work());
    } catch (...) { outcome.emplace(std::unexpected(to_error(std::current_exception()))); }
  });
  if (!outcome) co_return std::unexpected(detail::cancelled());
  co_return std::move(*outcome);
}

}  // namespace hansa::async
