// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/site_report.hpp"

#include "broker/async/scheduler.hpp"
#include "broker/engine/site_desk.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

SiteReport report_of(SiteDesk& desk, const async::Scheduler& scheduler) {
  SiteReport report{.site = desk.site(), .state = desk.state()};
  report.budget_use = desk.budget_use();
  if (desk.snapshot()) report.own_budget = desk.snapshot()->own_budget;
  report.quiet_until = desk.quiet_until();
  report.breaker = desk.breaker().state();
  report.failures_in_a_row = desk.breaker().failures();
  if (desk.breaker().open()) {
    const auto left = desk.breaker().next_probe() - scheduler.now_monotonic();
    report.next_probe = scheduler.now_utc() + std::max(Milliseconds{0}, left);
  }
  report.times_left_alone = desk.times_left_alone();
  report.our_live_jobs = static_cast<std::int64_t>(desk.live.size());
  report.our_waiting_jobs = static_cast<std::int64_t>(desk.waiting_there.size());
  report.calls = desk.calls().read();
  report.calls_made = desk.calls().all_begun();
  report.our_unknown_jobs = static_cast<std::int64_t>(desk.unknown.size());
  if (!desk.unknown.empty()) report.oldest_unknown = desk.unknown.begin()->first;
  for (const auto state : {JobState::submitting, JobState::queued, JobState::running, JobState::finishing})
    report.our_jobs_in.emplace_back(state, desk.jobs_in[static_cast<std::size_t>(state)]);
  if (!desk.snapshot()) return report;
  const auto& snapshot = *desk.snapshot();
  report.snapshot_at = snapshot.taken_at;
  report.scheduler = snapshot.scheduler;
  report.cluster = snapshot.cluster;
  report.running_jobs = std::ranges::count_if(snapshot.running, [](const auto& work) { return !work.id.empty(); });
  report.waiting_jobs = static_cast<std::int64_t>(snapshot.waiting.size());
  for (const auto& queue : snapshot.queues) report.queues.push_back(queue.name.str());
  for (const auto& node : snapshot.nodes) {
    ++report.nodes;
    report.cores += node.cores;
    report.gpus += node.gpus;
    if (!node.usable) continue;
    ++report.usable_nodes;
    report.free_cores += node.cores;
    report.free_gpus += node.gpus;
  }
  for (const auto& work : snapshot.running) {
    for (const auto& share : work.shares) {
      if (share.node >= snapshot.nodes.size() || !snapshot.nodes[share.node].usable) continue;
      report.free_cores -= share.cores;
      report.free_gpus -= share.gpus;
    }
  }
  report.free_cores = std::max<std::int64_t>(0, report.free_cores);
  report.free_gpus = std::max<std::int64_t>(0, report.free_gpus);
  return report;
}

}  // namespace hansa::engine
