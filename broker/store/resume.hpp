// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a thread of the store back into a waiting coroutine, on the coroutine's own executor.

#include "broker/async/task.hpp"

#include <functional>

namespace hansa::store {

/// To be called once, by any thread.
using Settle = std::move_only_function<void(Result<void>)>;

/// Suspends, calls `start` and ends with what it is told. The caller's executor is kept busy meanwhile. A cancellation does not
/// end the wait.
async::Task<> until_settled(std::move_only_function<void(Settle)> start);

}  // namespace hansa::store
