// SPDX-License-Identifier: Apache-2.0
#pragma once
// What was last known of each site, and whether an operator has drained it.

#include "broker/ports/stores.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<void> record_site_state(Connection& db, const domain::SiteState& state);
Result<std::vector<domain::SiteState>> read_site_states(Connection& db);

}  // namespace hansa::store
