// SPDX-License-Identifier: Apache-2.0
#pragma once
// From configuration to the engine's sites.

#include "broker/engine/engine.hpp"
#include "config/broker_config.hpp"
#include "connectors/assembly/assembly.hpp"

#include <vector>

namespace hansa::app {

/// Every fault of every site at once. Before the strand runs. What was built before a fault is in `sites` all the same: the
/// closers are to be run before it goes.
Result<void> build_sites(const config::BrokerConfig& config, connectors::assembly::Ground& ground,
                         std::vector<engine::SiteSetup>& sites);

}  // namespace hansa::app
