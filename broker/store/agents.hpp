// SPDX-License-Identifier: Apache-2.0
#pragma once
// The append-only log of what became of sites' agents.

#include "broker/ports/agents.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<std::int64_t> record_agent_event(Connection& db, const ports::AgentEvent& event);
Result<std::vector<ports::AgentEvent>> read_agent_events(Connection& db);

}  // namespace hansa::store
