// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is known of a site, for whoever asks.

#include "broker/core/clock.hpp"
#include "broker/domain/job.hpp"
#include "broker/domain/site.hpp"
#include "broker/engine/balance_reading.hpp"
#include "broker/engine/breaker.hpp"
#include "broker/engine/budget_use.hpp"
#include "broker/engine/call_figures.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::async {
class Scheduler;
}

namespace hansa::engine {

class SiteDesk;

/// What `hansa sites` shows.
struct SiteReport {
  domain::Site site;
  domain::SiteState state;
  std::optional<UtcTime> snapshot_at;
  std::string scheduler;               // "slurm 22.05.8"
  std::string cluster;
  std::int32_t nodes = 0, usable_nodes = 0;
  std::int64_t cores = 0, free_cores = 0, gpus = 0, free_gpus = 0;
  std::int64_t running_jobs = 0, waiting_jobs = 0;   // everybody's, as far as the site lets us see
  std::int64_t our_live_jobs = 0, our_waiting_jobs = 0, our_unknown_jobs = 0;
  std::vector<std::string> queues;
  std::optional<UtcTime> oldest_unknown;             // of the last of these: since when the first is
  std::vector<std::pair<domain::JobState, std::int64_t>> our_jobs_in;  // of the live ones, by state
  std::int64_t calls_made = 0;         // since the broker started, as the next
  CallFigures::Reading calls;
  std::vector<BudgetUse> budget_use;
  std::vector<domain::BudgetShare> own_budget;  // of the site's own end, as of its snapshot
  std::optional<UtcTime> quiet_until;
  Breaker::State breaker = Breaker::State::closed;
  std::int64_t failures_in_a_row = 0;
  std::optional<UtcTime> next_probe;   // while the breaker is open
  std::int64_t times_left_alone = 0;   // since the broker started, as the next
  std::int64_t drifted = 0;            // findings of the doctor's that were other ones than before
  std::optional<BalanceReading> balances;  // none: it is not asked for them
};

/// As of now, but for `drifted` and `balances`, which others know. On the engine's strand.
SiteReport report_of(SiteDesk& desk, const async::Scheduler& scheduler);

}  // namespace hansa::engine
