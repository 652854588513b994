// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger's months, amounts that are added by hand, and what the ledger keeps of decisions.

#include "broker/ports/periods.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<std::vector<ports::Month>> read_months(Connection& db);
Result<std::int64_t> open_month(Connection& db, const std::string& period, UtcTime at);
Result<std::pair<std::int64_t, std::int64_t>> count_unseen(Connection& db, const std::string& period);
Result<std::int64_t> close_month(Connection& db, const ports::MonthClose& close);
/// What a month's close rests on; "-": the record is none, or was written before that was kept.
std::string read_close(Connection& db, std::int64_t record);
Result<ports::MonthSums> sum_month(Connection& db, const std::string& period, ports::MonthSums sums, std::size_t limit);
Result<std::vector<SiteId>> read_sites_in(Connection& db, const std::string& period);
Result<void> propose_adjustment(Connection& db, const ports::Adjustment& adjustment);
Result<std::vector<ports::Adjustment>> read_adjustments(Connection& db, const std::optional<std::string>& id, std::size_t limit);
Result<ports::Adjustment> rule_on_adjustment(Connection& db, const std::string& id, const ports::Adjustment::Ruling& ruling);
Result<std::string> read_newest_record(Connection& db, const std::string& kind);
Result<std::vector<ports::DecisionLeaf>> read_decision_leaves(Connection& db, std::int64_t from, std::size_t limit, bool anew);

}  // namespace hansa::store
