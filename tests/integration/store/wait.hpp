// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "broker/async/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace hansa::store {

/// Runs `task` to its end on this thread.
template <typename T>
Result<T> wait(async::Task<T> task) {
  boost::asio::io_context context;
  std::optional<Result<T>> outcome;
  boost::asio::co_spawn(context, std::move(task),
                        [&](const std::exception_ptr&, Result<T> result) { outcome = std::move(result); });
  context.run();
  return std::move(outcome.value());
}

}  // namespace hansa::store
