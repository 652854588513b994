// SPDX-License-Identifier: Apache-2.0
#pragma once
// Copies of the whole database that the broker itself has put aside: whoever was erased since is still in them.

#include "broker/async/task.hpp"
#include "broker/core/clock.hpp"

#include <string>
#include <vector>

namespace hansa::ports {

struct OldCopy {
  std::string path;
  UtcTime at{};  // when it was made
};

/// Callable from any strand.
class OldCopies {
 public:
  virtual ~OldCopies() = default;
  virtual async::Task<std::vector<OldCopy>> copies() = 0;  // oldest first
  /// Deletes those that were made before that, and tells which.
  virtual async::Task<std::vector<OldCopy>> end(UtcTime before) = 0;
};

}  // namespace hansa::ports
