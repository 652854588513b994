// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a queue can hold a job at all, and if not, what is missing: limits and node sizes, nothing that runs.

#include "broker/domain/decision.hpp"
#include "policies/routing/site_facts.hpp"

#include <optional>
#include <string>

namespace hansa::routing {

struct QueueFit {
  domain::Obstacle obstacle = domain::Obstacle::none;
  std::string code;                    // "" if it fits
  std::string message;                 // what was needed, what was seen
  int passed = 0;                      // checks passed before the obstacle: the higher, the nearer
  bool by_profile = false;             // not by what its scheduler says, but by what its operator lets jobs run in
  std::optional<UtcTime> found_at = std::nullopt;  // by what was found when the site was looked over
};

/// `resources` in GPUs as the site counts them.
QueueFit fit_queue(const SiteFacts& facts, const QueueFacts& queue, const domain::Resources& resources, Seconds time_limit);

}  // namespace hansa::routing
