// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sums of the ledger's usage by whatever it is grouped by: of each day's sums where they tell as much, otherwise of the records.

#include "broker/ports/reports.hpp"
#include "broker/store/connection.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::store {

/// Whole seconds are stored: a bound within a second is rounded up, so that "at or after" and "before" keep their meaning.
std::int64_t second_of(const std::optional<UtcTime>& time, std::int64_t otherwise);

struct Used {
  Wide runs = 0, with_energy = 0, elapsed_s = 0, core_seconds = 0, gpu_seconds = 0, node_seconds = 0, energy_j = 0;
  Used& operator+=(const Used& more);
  friend bool operator==(const Used&, const Used&) = default;
};

/// Of `more`: the principal; "" where the personal part is gone. For each_sum_of_records alone.
inline constexpr std::string_view kOwnerOfRun = "owner";

/// In the order of `by`, then of `more`, which are columns of ledger_contexts. Groups of which nothing is left (all reversed) are
/// left out; without any group there is one, of everything.
Result<void> each_sum(Connection& db, const ports::ReportQuery& query, const std::vector<std::string_view>& more,
                      const std::function<Result<void>(const std::vector<std::string>& keys, const Used& used)>& take);

/// Whether the sums of days answer it; for tests, which compare both ways.
bool is_of_days(Connection& db, const ports::ReportQuery& query);
/// Reads the records, whatever the sums could tell.
Result<void> each_sum_of_records(Connection& db, const ports::ReportQuery& query, const std::vector<std::string_view>& more,
                                 const std::function<Result<void>(const std::vector<std::string>& keys, const Used& used)>& take);

}  // namespace hansa::store
