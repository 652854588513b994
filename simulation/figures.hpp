// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a replay was like for the people who waited.

#include "simulation/replay.hpp"

#include <cstdint>
#include <vector>

namespace hansa::simulation {

/// Bounded slowdown counts a job shorter than this as so long (Feitelson et al., "Theory and practice in parallel job
/// scheduling", JSSPP 1997): max(1, (wait + run) / max(run, tau)).
inline constexpr std::int64_t kTau = 10;

struct WaitFigures {
  std::int64_t jobs = 0;
  double mean_wait_s = 0;
  double median_wait_s = 0;
  double p99_wait_s = 0;               // nearest rank
  double mean_bounded_slowdown = 0;
};

struct Figures {
  WaitFigures all;
  WaitFigures broker;                  // jobs that came through the broker
  WaitFigures local;                   // jobs that did not
  WaitFigures wide;                    // more cores than a quarter of the widest site
  std::vector<WaitFigures> kinds;      // of Workload::kinds
  std::int64_t violations = 0;         // jobs of the broker that ran where the rules, asked once more, do not let them
  std::int64_t makespan_s = 0;         // from the first submit to the last end
  std::vector<double> utilisation;     // per site: core-seconds used over what it had between the first submit and the last
  double messages_per_job = 0;         // submits and cancels, per job of the broker
  std::int64_t moves = 0;
};

/// `cores` of the sites that were played. Every job has started.
Figures figures_of(const Workload& workload, const Outcome& outcome, const std::vector<std::int64_t>& cores);

/// The middle one, or the mean of the middle two; 0 of none.
double median(std::vector<double> values);

}  // namespace hansa::simulation
