// SPDX-License-Identifier: Apache-2.0
#include "broker/async/all_of.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hansa::async::detail {

namespace asio = boost::asio;

asio::awaitable<void> run_all(std::vector<asio::awaitable<void>> works) {
  if (works.empty()) co_return;
  const auto executor = co_await asio::this_coro::executor;
  const auto started = [&](asio::awaitable<void> work) { return asio::co_spawn(executor, std::move(work), asio::deferred); };
  std::vector<decltype(started(asio::awaitable<void>()))> operations;
  operations.reserve(works.size());
  for (auto& work : works) operations.push_back(started(std::move(work)));
  co_await asio::experimental::make_parallel_group(std::move(operations))
      .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
}

}  // namespace hansa::async::detail
