// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the registers say of places, projects and people, and the append-only log of what was changed about it and who said so.

#include "broker/ports/facts.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<void> record_fact(Connection& db, const ports::FactStep& step);
Result<domain::RegisteredFact> read_fact(Connection& db, const domain::FactKey& key);
Result<std::vector<domain::RegisteredFact>> read_facts(Connection& db);
Result<domain::FactChange> read_fact_change(Connection& db, domain::ChangeId id);
Result<std::vector<domain::FactChange>> read_fact_changes(Connection& db, const ports::FactChangeQuery& query);

}  // namespace hansa::store
