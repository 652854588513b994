// SPDX-License-Identifier: Apache-2.0
#pragma once
// The policies that `hansa simulate` compares: Hansa's own, and what it is measured against.

#include "policies/routing/binder.hpp"
#include "simulation/replay.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace hansa::simulation {

enum class Policy : std::uint8_t {
  hansa,           // policies/routing's Binder
  home,            // everybody stays at home
  random,          // any site, in proportion to its cores
  shortest_queue,  // the fewest waiting jobs for its cores, seen live
  earliest_start,  // the earliest predicted start, from snapshots; never moved
  redundant,       // everywhere at once; the first start cancels the others
  merged           // one site with all cores and one line: what no federation can have
};

std::string_view to_string(Policy policy);
std::optional<Policy> parse_policy(std::string_view name);

/// How often the broker looks at a site of which it hears nothing; it looks at once when a job of its own ends there.
inline constexpr std::int64_t kSnapshotPeriod = 60;

/// Not for `merged`, which is a matter of sites (see play()).
std::unique_ptr<Router> make_router(Policy policy, const std::vector<SimulatedSite>& sites, std::uint64_t seed,
                                    const routing::BindingOptions& options = {});

/// The cores of the sites as `policy` has them played: one site with all of them for `merged`.
std::vector<std::int64_t> played_cores(const std::vector<SimulatedSite>& sites, Policy policy);

/// One replay. `merged` makes one site of all; its fates all name site 0.
Outcome play(const Workload& workload, const std::vector<SimulatedSite>& sites, Policy policy, std::uint64_t seed,
             const routing::BindingOptions& options = {});

}  // namespace hansa::simulation
