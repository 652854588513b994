// SPDX-License-Identifier: Apache-2.0
#include "broker/async/on_thread.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hansa::async::detail {

namespace asio = boost::asio;

asio::awaitable<void> run_to_end_on_thread(asio::thread_pool& pool, StopFlag stop, std::function<void()> work) {
  auto initiate = [&pool](auto handler, StopFlag flag, std::function<void()> body) {
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
      slot.assign([flag](asio::cancellation_type) { flag->store(true); });
    }
    auto here = asio::make_work_guard(asio::get_associated_executor(handler));
    asio::post(pool, [handler = std::move(handler), here = std::move(here), body = std::move(body)]() mutable {
      body();
      const auto executor = here.get_executor();
      asio::post(executor, [handler = std::move(handler), here = std::move(here)]() mutable { std::move(handler)(); });
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(initiate), asio::use_awaitable, std::move(stop),
                                                                       std::move(work));
}

}  // namespace hansa::async::detail
