// SPDX-License-Identifier: Apache-2.0
#pragma once
// Two coroutines side by side until one ends.

#include <boost/asio/awaitable.hpp>

namespace hansa::async {

/// Runs both on the caller's executor. When one ends, the other is cancelled; returns once both have ended. A
/// cancellation of the caller cancels both. An exception of either is thrown again, save the operation_aborted of a
/// cancelled one. What they found out they leave in objects of the caller, who outlives both.
boost::asio::awaitable<void> first_of(boost::asio::awaitable<void> a, boost::asio::awaitable<void> b);

}  // namespace hansa::async
