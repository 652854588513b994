// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a site hides other people's jobs, its nodes still tell how much of them is taken (docs/adr/0031).

#include "broker/domain/snapshot.hpp"

#include <cstdint>
#include <vector>

namespace hansa::connectors::batch {

/// Of one node, to whomever.
struct Allocated {
  std::int64_t cores = 0;
  Mebibytes memory{0};
  std::int64_t gpus = 0;
};

/// The site may hide jobs from us: says in `snapshot` whether it does, and if so adds what is allocated and no job that is seen
/// has, as work without an id. `allocated` has one entry for each node of the snapshot. `snapshot.taken_at` and its running work
/// are known already.
void show_hidden_work(domain::SiteSnapshot& snapshot, const std::vector<Allocated>& allocated);

}  // namespace hansa::connectors::batch
