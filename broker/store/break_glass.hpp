// SPDX-License-Identifier: Apache-2.0
#pragma once
// Break-glass (broker/ports/break_glass.hpp): each step in one transaction with the ledger's record of it.

#include "broker/ports/break_glass.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

/// Of the schema step: the ledger's table learns of records of this kind. Its rows stay as they are.
void let_ledger_hold_break_glass(Connection& db, UtcTime now);

Result<void> ask_break_glass(Connection& db, const domain::BreakGlass& glass, std::int64_t epoch);
Result<domain::BreakGlass> rule_break_glass(Connection& db, domain::BreakGlassId id, const ports::BreakGlassRuling& ruling,
                                            UtcTime at, std::int64_t epoch);
Result<void> use_break_glass(Connection& db, domain::BreakGlassId id, const ports::BreakGlassUse& use, UtcTime at,
                             std::int64_t epoch);
Result<void> see_break_glass(Connection& db, domain::BreakGlassId id, UtcTime at, std::int64_t epoch);
Result<domain::BreakGlass> end_break_glass(Connection& db, domain::BreakGlassId id, const Principal& by, const std::string& why,
                                           UtcTime at, std::int64_t epoch);
Result<ports::BreakGlassDetails> read_break_glass(Connection& db, domain::BreakGlassId id);
Result<std::vector<domain::BreakGlass>> read_break_glasses(Connection& db, const ports::BreakGlassQuery& query);

}  // namespace hansa::store
