// SPDX-License-Identifier: Apache-2.0
#include "broker/async/first_of.hpp"

#include "broker/async/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hansa::async {

namespace asio = boost::asio;

asio::awaitable<void> first_of(asio::awaitable<void> a, asio::awaitable<void> b) {
  const auto executor = co_await asio::this_coro::executor;
  const auto [order, failure_a, failure_b] =
      co_await asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(a), asio::deferred),
                                                       asio::co_spawn(executor, std::move(b), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  for (const auto& failure : {failure_a, failure_b}) {
    if (failure && to_error(failure).kind != ErrorKind::cancelled) std::rethrow_exception(failure);
  }
}

}  // namespace hansa::async
