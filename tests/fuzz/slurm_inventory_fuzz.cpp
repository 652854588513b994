// SPDX-License-Identifier: Apache-2.0
// Any bytes are an answer of scontrol. The snapshot made of it refers to nodes that it has, once each and in order.

#include "connectors/slurm/snapshot.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::connectors::slurm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  const auto inventory = parse_inventory(text);
  const auto snapshot =
      build_snapshot(inventory, inventory.configuration, parse_squeue(text, "|"), from_unix_seconds(1'800'000'000));
  const auto check = [&](const std::vector<std::uint32_t>& nodes) {
    require(std::ranges::is_sorted(nodes) && std::ranges::adjacent_find(nodes) == nodes.end());
    require(nodes.empty() || nodes.back() < snapshot.nodes.size());
  };
  for (const auto& queue : snapshot.queues) check(queue.nodes);
  for (const auto& reservation : snapshot.reservations) check(reservation.nodes);
  for (const auto& node : snapshot.nodes) require(node.cores >= 0 && node.memory.value >= 0 && node.gpus >= 0);
  for (const auto& work : snapshot.running) {
    for (const auto& share : work.shares) {
      require(share.node < snapshot.nodes.size() && share.cores >= 0 && share.cores <= snapshot.nodes[share.node].cores);
      require(share.memory.value >= 0 && share.gpus >= 0);
    }
  }
  for (const auto& work : snapshot.waiting) require(work.resources.nodes >= 1 && work.resources.tasks >= work.resources.nodes);
  return 0;
}
