// SPDX-License-Identifier: Apache-2.0
#pragma once
// The four answers of a site, put together.

#include "broker/domain/snapshot.hpp"
#include "connectors/pbs/inventory.hpp"
#include "connectors/pbs/job_listing.hpp"

namespace hansa::connectors::pbs {

struct SiteRecords {
  Settings settings;
  Listing<NodeRecord> nodes;
  Listing<JobRow> jobs;  // with those of arrays one by one
  std::string only_user = {};  // all jobs of ours are this one's: a queue that does not take them is not up; "": they have many
};

/// A routing queue has the nodes and the longest time of where it leads. Queues of reservations are left out, and so are nodes
/// without a core. What a job has on nodes that are not told is left out.
domain::SiteSnapshot build_snapshot(const SiteRecords& site, UtcTime taken_at);

}  // namespace hansa::connectors::pbs
