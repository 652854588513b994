// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server's own word on its settings means for us: findings without source and time. Pure.

#include "broker/domain/doctor_report.hpp"
#include "connectors/pbs/access.hpp"
#include "connectors/pbs/inventory.hpp"
#include "connectors/pbs/job_listing.hpp"

#include <vector>

namespace hansa::connectors::pbs {

/// VERSION, HISTORY, COMMENTS, JOB_IDS, ARRAYS, PRIVATE_DATA, and CLOCK and TIME_ZONE, which PBS tells nobody.
std::vector<domain::Finding> judge_server(const ServerRecord& server);
/// RERUNS: whether usage tells the runs before a requeue, by what became of a look into the accounting log.
domain::Finding judge_reruns(const std::string& folder, const Result<Listing<JobRow>>& looked);
/// QUEUES: which of them take this account's jobs. Bars if none does.
domain::Finding judge_queues(const Settings& settings, const Applicant& who);
domain::Finding judge_gpus(const std::vector<NodeRecord>& nodes);

}  // namespace hansa::connectors::pbs
