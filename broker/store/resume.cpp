// SPDX-License-Identifier: Apache-2.0
#include "broker/store/resume.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace hansa::store {

async::Task<> until_settled(std::move_only_function<void(Settle)> start) {
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(Result<void>)>(
      [start = std::move(start)](auto handler) mutable {
        auto work = boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
        // The coroutine, and this lambda with it, may be gone as soon as it was settled.
        auto begin = std::move(start);
        begin([handler = std::move(handler), work = std::move(work)](Result<void> end) mutable {
          const auto executor = work.get_executor();
          boost::asio::post(
              executor, [handler = std::move(handler), end = std::move(end)]() mutable { std::move(handler)(std::move(end)); });
          work.reset();
        });
      },
      boost::asio::use_awaitable);
}

}  // namespace hansa::store
