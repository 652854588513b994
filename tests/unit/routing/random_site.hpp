// SPDX-License-Identifier: Apache-2.0
#pragma once
// Random small snapshots for properties: shared nodes, GPUs of two models, two overlapping queues, maintenance, late jobs.

#include "tests/unit/routing/sites.hpp"

#include <rapidcheck.h>

namespace hansa::routing::test {

inline std::int32_t pick(std::int32_t from, std::int32_t to) { return *rc::gen::inRange(from, to + 1); }

inline domain::Resources random_request(std::int32_t most_nodes) {
  auto request = want(pick(1, most_nodes), pick(1, 4), pick(0, 3) == 0 ? pick(1, 8) : 0, pick(0, 3) == 0 ? pick(1, 2) : 0,
              std::vector<std::string>{"", "a100", "h100"}[static_cast<std::size_t>(pick(0, 2))]);
  request.exclusive = pick(0, 4) == 0;
  return request;
}

inline domain::SiteSnapshot random_site(std::int32_t most_waiting = 9) {
  SiteMaker maker;
  const auto nodes = pick(1, 4);
  for (std::int32_t i = 0; i < nodes; ++i) {
    maker.nodes(1, pick(1, 4), pick(2, 8), pick(0, 2), pick(0, 1) == 0 ? "a100" : "h100", pick(0, 7) != 0);
  }
  maker.queue("main");
  if (pick(0, 1) == 1) {  // shares node 0, and may go first
    maker.queue("short", {0});
    maker.get().queues.back().priority_tier = pick(1, 2);
  }
  // Running work never takes more than there is.
  for (std::uint32_t n = 0; n < static_cast<std::uint32_t>(nodes); ++n) {
    const auto& node = maker.get().nodes[n];
    if (pick(0, 2) > 0) maker.running({n}, pick(1, node.cores), pick(-5, 40), pick(0, 2), pick(0, node.gpus));
  }
  if (pick(0, 2) == 0) {
    const auto from = pick(-5, 40);
    std::vector<std::uint32_t> on{0};
    if (nodes > 1 && pick(0, 1) == 1) on.push_back(1);
    maker.reservation(from, from + pick(1, 30), on);
  }
  const auto waiting = pick(0, most_waiting);
  for (std::int32_t i = 0; i < waiting; ++i) {
    const bool is_short = maker.get().queues.size() > 1 && pick(0, 3) == 0;
    maker.waiting(random_request(is_short ? 1 : nodes), pick(1, 30), pick(0, 2), is_short ? "short" : "main");
    auto& work = maker.get().waiting.back();
    if (pick(0, 7) == 0) work.eligible = false;
    if (pick(0, 7) == 0) work.eligible_at = at(pick(-5, 30));
  }
  return maker.get();
}

}  // namespace hansa::routing::test
