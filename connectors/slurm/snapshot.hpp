// SPDX-License-Identifier: Apache-2.0
#pragma once
// The two answers of a site, put together.

#include "broker/domain/snapshot.hpp"
#include "connectors/slurm/inventory.hpp"
#include "connectors/slurm/queue_listing.hpp"

namespace hansa::connectors::slurm {

/// `jobs` in the site's own order. A job on nodes that are not in the inventory keeps its other shares.
///
/// squeue tells a running job's nodes and its totals, not its share of each node: the totals are spread evenly, unless they
/// are all there is on its nodes.
domain::SiteSnapshot build_snapshot(const Inventory& inventory, const Configuration& configuration, const Listing<QueueRow>& jobs,
                                    UtcTime taken_at);

}  // namespace hansa::connectors::slurm
