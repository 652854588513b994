// SPDX-License-Identifier: Apache-2.0
#pragma once
// Pictures of a comparison, as SVG: plain text, no script, nothing fetched. Of the first seed.

#include "simulation/comparison.hpp"

#include <string>
#include <vector>

namespace hansa::simulation {

/// waits.svg: for each policy, the share of jobs that waited no longer than so long (logarithmic).
std::string waits_plot(const Comparison& comparison);
/// queue.svg: jobs waiting over time.
std::string queue_plot(const Comparison& comparison);
/// sites.svg: how much of each site was used.
std::string sites_plot(const Comparison& comparison, const std::vector<SimulatedSite>& sites);

struct Plot {
  std::string file;                    // "waits.svg"
  std::string svg;
};
std::vector<Plot> plots_of(const Comparison& comparison, const std::vector<SimulatedSite>& sites);

}  // namespace hansa::simulation
