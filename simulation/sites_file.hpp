// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sites of a simulation, as a file:
//
//   [[site]]
//   id = "alpha"          # [a-z0-9-], at most 32; required
//   processors = 128      # 1 to 10,000,000; required
//   country = "FI"        # ISO 3166-1 alpha-2
//   local_share = 0.3     # 0 to 1: of the jobs of people whose home is this site, those that do not come through the broker
//   hidden = true         # shows a broker no jobs but its own, as Slurm's PrivateData=jobs; false
//   facts = {status = "member"}  # what rules ask of it, as in hansad.toml
//   [given]               # what they ask of every job, and of the data that jobs read
//   user.assurance = "medium"
//
// Of `facts` and [given] nothing is read here: rules::parse_sites and rules::parse_given_facts do.

#include "simulation/workload.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hansa::simulation {

inline constexpr std::size_t kMostSites = 1000;

/// Codes TOML_SYNTAX; BAD_SITES with every fault, where = "file:line: key".
Result<std::vector<SimulatedSite>> parse_sites(std::string_view text, const std::string& file);

}  // namespace hansa::simulation
