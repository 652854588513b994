// SPDX-License-Identifier: Apache-2.0
#pragma once
// Usage records in force, page by page (broker/ports/usage_lines.hpp).

#include "broker/ports/usage_lines.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<std::vector<ports::UsageLine>> read_usage_lines(Connection& db, const ports::UsageLinesQuery& query);

}  // namespace hansa::store
