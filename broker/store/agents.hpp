// SPDX-License-Identifier: Apache-2.0
#pragma once
// The append-only logs of what became of sites' agents, and of people's.

#include "broker/ports/agents.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<std::int64_t> record_agent_event(Connection& db, const ports::AgentEvent& event);
Result<std::vector<ports::AgentEvent>> read_agent_events(Connection& db);
Result<std::int64_t> record_person_agent_event(Connection& db, const ports::PersonAgentEvent& event);
Result<std::vector<ports::PersonAgentEvent>> read_person_agent_events(Connection& db, UtcTime since);

}  // namespace hansa::store
