// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server's own word on its settings means for us: findings without source and time. Pure.

#include "broker/domain/doctor_report.hpp"
#include "connectors/pbs/inventory.hpp"

#include <vector>

namespace hansa::connectors::pbs {

/// VERSION, HISTORY, COMMENTS, JOB_IDS, ARRAYS, PRIVATE_DATA, and CLOCK and TIME_ZONE, which PBS tells nobody.
std::vector<domain::Finding> judge_server(const ServerRecord& server);
domain::Finding judge_gpus(const std::vector<NodeRecord>& nodes);

}  // namespace hansa::connectors::pbs
