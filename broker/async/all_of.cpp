// SPDX-License-Identifier: Apache-2.0
#include "broker/async/all_of.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hansa::async {

namespace asio = boost::asio;

Task<> all_of(std::vector<Task<>> tasks) {
  if (tasks.empty()) co_return Result<void>{};
  const auto executor = co_await asio::this_coro::executor;
  std::vector<std::optional<Result<void>>> outcomes(tasks.size());
  const auto started = [&](std::size_t i) {
    return asio::co_spawn(executor, detail::keep(&outcomes[i], std::move(tasks[i])), asio::deferred);
  };
  std::vector<decltype(started(0))> operations;
  operations.reserve(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) operations.push_back(started(i));
  co_await asio::experimental::make_parallel_group(std::move(operations))
      .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  for (auto& outcome : outcomes) {
    if (!outcome) co_return std::unexpected(detail::cancelled());
    if (!*outcome) co_return std::move(*outcome);
  }
  co_return Result<void>{};
}

}  // namespace hansa::async
