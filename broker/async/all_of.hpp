// SPDX-License-Identifier: Apache-2.0
#pragma once
// Many tasks side by side until all have ended.

#include "broker/async/task.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace hansa::async {

namespace detail {
boost::asio::awaitable<void> run_all(std::vector<boost::asio::awaitable<void>> works);
}  // namespace detail

/// Runs all on the caller's executor and returns once all have ended: what each found out, in their order. A cancellation of the
/// caller cancels all. Exceptions become errors.
template <class T>
boost::asio::awaitable<std::vector<Result<T>>> all_of(std::vector<Task<T>> tasks) {
  std::vector<std::optional<Result<T>>> outcomes(tasks.size());
  std::vector<boost::asio::awaitable<void>> works;
  for (std::size_t i = 0; i < tasks.size(); ++i) works.push_back(detail::keep(&outcomes[i], std::move(tasks[i])));
  co_await detail::run_all(std::move(works));
  std::vector<Result<T>> ends;
  for (auto& outcome : outcomes) ends.push_back(outcome ? std::move(*outcome) : std::unexpected(detail::cancelled()));
  co_return ends;
}

}  // namespace hansa::async
