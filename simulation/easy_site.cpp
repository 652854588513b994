// SPDX-License-Identifier: Apache-2.0
#include "simulation/easy_site.hpp"

#include <algorithm>

namespace hansa::simulation {

void EasySite::submit(JobIndex job, std::int64_t cores, std::int64_t limit) { waiting_.push_back({job, cores, limit}); }

bool EasySite::withdraw(JobIndex job) {
  const auto at = std::ranges::find(waiting_, job, &Waiting::job);
  if (at == waiting_.end()) return false;
  waiting_.erase(at);
  return true;
}

void EasySite::end(JobIndex job) {
  const auto at = std::ranges::find(running_, job, &Running::job);
  free_ += at->cores;
  running_.erase(at);
}

void EasySite::start(const Waiting& job, Instant now, std::vector<JobIndex>& started) {
  const Running running{job.job, job.cores, now + job.limit};
  running_.insert(std::ranges::upper_bound(running_, running.ends, {}, &Running::ends), running);
  free_ -= job.cores;
  started.push_back(job.job);
}

void EasySite::pass(Instant now, std::vector<JobIndex>& started) {
  std::size_t first = 0;
  while (first < waiting_.size() && waiting_[first].cores <= free_) start(waiting_[first++], now, started);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(first));
  if (free_ == 0 || waiting_.size() < 2) return;

  // The reservation of the first in line: jobs end at their limits, all that end at one time together.
  const auto need = waiting_.front().cores;
  auto spare = free_;
  std::size_t next = 0;
  while (spare < need) spare += running_[next++].cores;
  const auto shadow = running_[next - 1].ends;
  for (; next < running_.size() && running_[next].ends == shadow; ++next) spare += running_[next].cores;
  spare -= need;

  std::size_t kept = 1;
  for (std::size_t i = 1; i < waiting_.size(); ++i) {
    const auto job = waiting_[i];
    const bool ends_before = now + job.limit <= shadow;
    if (job.cores <= free_ && (ends_before || job.cores <= spare)) {
      if (!ends_before) spare -= job.cores;
      start(job, now, started);
    } else {
      waiting_[kept++] = job;
    }
  }
  waiting_.resize(kept);
}

void EasySite::describe(const std::vector<bool>& ours, Instant now, routing::PoolSnapshot& snapshot) const {
  const auto id = [&](JobIndex job) { return ours[job] ? routing::BoundId{job} + 1 : routing::kNotOurs; };
  snapshot.taken_at = now;
  snapshot.running.clear();
  snapshot.waiting.clear();
  snapshot.sees_everyone = true;
  snapshot.hidden_cores = 0;
  for (const auto& job : running_) snapshot.running.push_back({id(job.job), job.cores, job.ends});
  for (const auto& job : waiting_) snapshot.waiting.push_back({.id = id(job.job), .demand = {job.cores, job.limit}});
}

void EasySite::describe_private(const std::vector<bool>& ours, Instant now, routing::PoolSnapshot& snapshot) const {
  describe(ours, now, snapshot);
  if (std::ranges::any_of(waiting_, [&](const Waiting& job) { return ours[job.job]; })) {
    routing::PoolView plan(cores_);
    plan.observe(snapshot);
    for (std::size_t place = 0; place < waiting_.size(); ++place)
      snapshot.waiting[place].planned = plan.predicted_start_in_line(place, now);
  }
  std::erase_if(snapshot.running, [](const routing::PoolRunning& job) { return job.id == routing::kNotOurs; });
  std::erase_if(snapshot.waiting, [](const routing::PoolWaiting& job) { return job.id == routing::kNotOurs; });
  std::int64_t seen = 0;
  for (const auto& job : snapshot.running) seen += job.cores;
  const auto allocated = cores_ - free_;
  snapshot.hidden_cores = allocated - seen;
  snapshot.sees_everyone = seen >= allocated - allocated / 10;
}

std::size_t EasySite::waiting_of(const std::vector<bool>& ours) const {
  return static_cast<std::size_t>(std::ranges::count_if(waiting_, [&](const Waiting& job) { return ours[job.job]; }));
}

}  // namespace hansa::simulation
