// SPDX-License-Identifier: Apache-2.0
#pragma once
// The engine's cadences and patience. hansad sets all of them from its configuration (config/reference.md); the values here are
// what a test gets that sets none.

#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace hansa::engine {

struct EngineOptions {
  std::string broker_id;                       // stands on every job
  std::int64_t epoch = 1;                      // of this process, from the store
  Milliseconds status_interval{30'000};        // per site, while it has jobs of ours; sooner after something happened
  Milliseconds snapshot_interval{60'000};      // per site
  Milliseconds usage_interval{300'000};        // per site; sooner after a job ended
  Milliseconds balance_interval{1'800'000};    // per site that is asked what its projects have left
  Milliseconds snapshot_freshness{300'000};    // an older snapshot places nothing
  Milliseconds call_timeout{60'000};           // any call to a site but submit
  Milliseconds submit_timeout{60'000};         // then the submitting child is dead
  Milliseconds visibility_window{180'000};     // a submission not seen for so long after it can be taken as absent
  Milliseconds second_look_after{30'000};      // between the two negative looks that absence needs
  Milliseconds clock_skew{120'000};            // tolerated between a site's clock and ours
  Milliseconds first_poll_after{500};          // first status poll after a submission; doubles up to status_interval
  Milliseconds transfer_interval{10'000};      // between two questions to a mover; sooner at first
  Milliseconds transfer_linger{600'000};       // a transfer whose site takes no jobs just now goes on for so long
  std::int32_t breaker_failures = 5;           // in a row: then a site is left alone
  Milliseconds first_probe_after{30'000};      // then one call, twice as long after each without an answer
  Milliseconds longest_probe_after{120'000};
  std::int32_t max_sends = 3;                  // of one attempt, under its one tag
  std::int32_t max_attempts = 20;              // of one job
  // Late binding and moves (ADR 0010, 0017); the measured values.
  std::int32_t place_percent = 15;             // of a site's cores: so wide a job takes its place among other people at once
  Seconds place_after{7200};                   // every job does
  Seconds move_gain{3600};                     // a move must win so much
  std::int32_t moves_per_thousand = 95;        // jobs accepted; 0: none
  Seconds fair_share_half_life{0};             // of what projects have used; 0: it counts for no turn
  std::int64_t gpu_as_cores = 16;              // a GPU's, in that
  std::map<ProjectId, std::int64_t> shares = {};  // of each project
  std::size_t active_jobs = 1'000'000;         // more are refused at intake
  std::map<std::string, std::int64_t> teraflops = {};  // of each model of GPU; none: training compute is not counted
};

}  // namespace hansa::engine
