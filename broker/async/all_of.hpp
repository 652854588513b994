// SPDX-License-Identifier: Apache-2.0
#pragma once
// Many tasks side by side until all have ended.

#include "broker/async/task.hpp"

#include <vector>

namespace hansa::async {

/// Runs all on the caller's executor and returns once all have ended: with the first error in their order, if any. A
/// cancellation of the caller cancels all. Exceptions become errors.
Task<> all_of(std::vector<Task<>> tasks);

}  // namespace hansa::async
