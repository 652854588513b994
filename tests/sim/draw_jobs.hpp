// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kinds of jobs that a plan may have, each with what goes wrong around it. Each throws dice of its own, which hang on the seed
// alone.

#include "tests/sim/draw.hpp"
#include "tests/sim/plan.hpp"

#include <string>

namespace hansa::sim {

/// Lines of `#model`: how long it runs and how it ends.
std::string draw_behaviour(Draw& draw);

/// What waits at one site is better off at another.
void draw_moves(Plan& plan);
/// Jobs that read what lies at one site only, and where they may not go, or not at once.
void draw_data(Plan& plan);
/// Jobs that come after others.
void draw_chains(Plan& plan);
/// Job arrays, and what goes wrong while they are sent and their tasks are seen.
void draw_arrays(Plan& plan);

/// What jobs ask for beside one core, what their sites make of that, and what is found at sites: draw_terms.cpp.
void draw_terms(Plan& plan);

}  // namespace hansa::sim
