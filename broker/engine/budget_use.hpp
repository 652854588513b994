// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is told of a site's load budget.

#include <cstdint>
#include <string_view>

namespace hansa::engine {

/// One line of it, as it is now.
struct BudgetUse {
  std::string_view kind;          // "queries", "submits", "cancels", "concurrent_calls", "waiting_jobs"
  std::int64_t used = 0;          // in the last minute; of the last two: at this moment
  std::int64_t limit = 0;
  std::int64_t held_back = 0;     // calls that had to wait for it, since the start
};

}  // namespace hansa::engine
