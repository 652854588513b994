// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a thread of the store back into a waiting coroutine, on the coroutine's own executor.

#include "broker/async/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <utility>

namespace hansa::store {

/// To be called once, by any thread.
template <typename T>
using Completion = std::move_only_function<void(Result<T>)>;

/// Suspends, calls start(Completion<T>) and ends with what the completion is given. The caller's executor is kept busy
/// meanwhile. A cancellation does not end the wait.
template <typename T, typename Start>
async::Task<T> until_completed(Start start) {
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(Result<T>)>(
      [start = std::move(start)](auto handler) mutable {
        auto work = boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
        // The coroutine, and this lambda with it, may be gone as soon as the completion was called.
        auto begin = std::move(start);
        begin(Completion<T>([handler = std::move(handler), work = std::move(work)](Result<T> result) mutable {
          const auto executor = work.get_executor();
          boost::asio::post(executor, [handler = std::move(handler), result = std::move(result)]() mutable {
            std::move(handler)(std::move(result));
          });
          work.reset();
        }));
      },
      boost::asio::use_awaitable);
}

}  // namespace hansa::store
