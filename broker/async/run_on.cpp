// SPDX-License-Identifier: Apache-2.0
#include "broker/async/run_on.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>

namespace hansa::async::detail {

namespace asio = boost::asio;

// co_spawn alone would do, were its cancellation safe between strands: in Boost 1.81 it posts a pointer into the caller's
// slot, which is freed when the work ends first. So the signal is ours, shared, and touched on the work's strand only.
asio::awaitable<void> run_to_end_on(asio::any_io_executor executor, asio::awaitable<void> work) {
  auto initiate = [](auto handler, asio::any_io_executor there, asio::awaitable<void> body) {
    const auto here = asio::get_associated_executor(handler);
    const auto signal = std::make_shared<asio::cancellation_signal>();
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
      slot.assign([signal, there](asio::cancellation_type type) { asio::post(there, [signal, type] { signal->emit(type); }); });
    }
    // `body` throws nothing (keep) but what Asio throws into a cancelled coroutine that never began.
    auto done = [handler = std::move(handler), signal, work_here = asio::make_work_guard(here)](
                    const std::exception_ptr&) mutable { asio::post(work_here.get_executor(), std::move(handler)); };
    asio::co_spawn(there, std::move(body), asio::bind_cancellation_slot(signal->slot(), std::move(done)));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(initiate), asio::use_awaitable,
                                                                       std::move(executor), std::move(work));
}

}  // namespace hansa::async::detail
