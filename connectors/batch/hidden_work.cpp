// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/hidden_work.hpp"

#include "connectors/batch/values.hpp"

#include <algorithm>

namespace hansa::connectors::batch {

namespace {

/// What the jobs that we see have, node by node.
std::vector<Allocated> seen_in(const domain::SiteSnapshot& snapshot) {
  std::vector<Allocated> seen(snapshot.nodes.size());
  for (const auto& work : snapshot.running) {
    for (const auto& share : work.shares) {
      auto& node = seen[share.node];
      node.cores += share.cores;
      node.memory.value += share.memory.value;
      node.gpus += share.gpus;
    }
  }
  return seen;
}

}  // namespace

void show_hidden_work(domain::SiteSnapshot& snapshot, const std::vector<Allocated>& allocated) {
  const auto seen = seen_in(snapshot);
  // The jobs that we see hold nine tenths at least of what is allocated: nothing is hidden from an operator's account. Not all of
  // it, because nodes and jobs are listed a moment apart.
  std::int64_t allocated_cores = 0;
  std::int64_t seen_cores = 0;
  for (std::size_t i = 0; i < allocated.size(); ++i) {
    allocated_cores += std::min<std::int64_t>(allocated[i].cores, snapshot.nodes[i].cores);
    seen_cores += seen[i].cores;
  }
  snapshot.sees_everyone = seen_cores >= allocated_cores - allocated_cores / 10;
  if (snapshot.sees_everyone) return;

  domain::RunningWork hidden{.id = {}, .queue = {}, .shares = {}, .expected_end = domain::hidden_until(snapshot.taken_at)};
  for (std::uint32_t i = 0; i < allocated.size(); ++i) {
    const auto& whole = snapshot.nodes[i];
    const auto rest = [](std::int64_t taken, std::int64_t ours, std::int64_t all) {
      return std::clamp<std::int64_t>(taken - ours, 0, std::max<std::int64_t>(all - ours, 0));
    };
    const domain::NodeShare share{.node = i,
                                  .cores = to_int32(rest(allocated[i].cores, seen[i].cores, whole.cores)),
                                  .memory = Mebibytes{rest(allocated[i].memory.value, seen[i].memory.value, whole.memory.value)},
                                  .gpus = to_int32(rest(allocated[i].gpus, seen[i].gpus, whole.gpus))};
    if (share.cores > 0 || share.memory.value > 0 || share.gpus > 0) hidden.shares.push_back(share);
  }
  if (!hidden.shares.empty()) snapshot.running.push_back(std::move(hidden));
}

}  // namespace hansa::connectors::batch
