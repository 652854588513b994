// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `hansa simulate` prints.

#include "broker/cli/text.hpp"
#include "simulation/comparison.hpp"

#include <string>

namespace hansa::cli {

/// Borrowed for the call.
struct SimulationReport {
  std::string trace_file;
  std::int64_t left_out = 0;           // jobs of the trace that never ran
  const std::vector<simulation::SimulatedSite>& sites;
  const simulation::Comparison& comparison;
};

/// For people: medians over the seeds, what became of each kind of job, the sites, ratios, then seed by seed.
std::string simulation_text(const SimulationReport& report, const Look& look);

/// One JSON document with a final newline; docs/simulating.md says what stands in it.
std::string simulation_json(const SimulationReport& report);

}  // namespace hansa::cli
