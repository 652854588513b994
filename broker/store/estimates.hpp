// SPDX-License-Identifier: Apache-2.0
#pragma once
// What became of predicted waits, as SQL: a row for an attempt that has started.

#include "broker/ports/estimates.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

/// Of each site; older ones go as newer ones come.
inline constexpr std::int64_t kWaitsKept = 10'000;

void put_wait(Connection& db, std::int64_t job, const Principal& owner, const domain::WaitScore& score);

Result<std::vector<domain::WaitScore>> read_recent_waits(Connection& db, const SiteId& site, std::size_t limit);
Result<std::vector<ports::EstimateRow>> read_estimate_report(Connection& db, const ports::EstimateQuery& query);

}  // namespace hansa::store
