// SPDX-License-Identifier: Apache-2.0
#pragma once
// What was last known of each site, whether an operator has drained it, and what was asked of it lately.

#include "broker/ports/stores.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<void> record_site_state(Connection& db, const domain::SiteState& state);
Result<std::vector<domain::SiteState>> read_site_states(Connection& db);

Result<void> record_call(Connection& db, const ports::SiteCall& call, const std::string& boot);
Result<std::vector<ports::SiteCall>> recent_calls(Connection& db, MonotonicTime now, const std::string& boot);

}  // namespace hansa::store
