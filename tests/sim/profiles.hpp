// SPDX-License-Identifier: Apache-2.0
#pragma once
// What each kind of connector can do wrong, as a profile of faults of the model and of the way to it. Each site of a plan has
// one.

#include "tests/sim/plan.hpp"

#include <array>
#include <string_view>

namespace hansa::sim {

inline constexpr std::array<std::string_view, 6> kProfiles{
    "slurm",        // an answer lost after the acceptance; history that is purged; tasks that it forgets
    "slurmrest",    // 504 after the acceptance; errors[] in a 200
    "pbs",          // no history; a document of which one record is malformed
    "agent",        // the cable cut between acceptance and answer; its own budget and rules
    "certificate",  // each person's credential, which ends in mid-flow
    "arrays",       // of which some tasks have started, and the rest waits
};

void draw_profiles(Plan& plan);

}  // namespace hansa::sim
