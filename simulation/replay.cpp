// SPDX-License-Identifier: Apache-2.0
#include "simulation/replay.hpp"

#include <algorithm>
#include <functional>

namespace hansa::simulation {

Replay::Replay(const Workload& workload, std::span<const std::int64_t> cores)
    : workload_(workload), sites_(cores.begin(), cores.end()), touched_(cores.size(), false) {
  ours_.reserve(workload.jobs.size());
  for (const auto& job : workload.jobs) ours_.push_back(!job.local);
  outcome_.fates.resize(workload.jobs.size());
}

void Replay::touch(SiteIndex site) {
  touched_[site] = true;
  any_touched_ = true;
}

void Replay::submit(JobIndex job, SiteIndex site) {
  const auto& what = workload_.jobs[job];
  sites_[site].submit(job, what.cores, what.limit);
  if (ours_[job]) ++outcome_.submits;
  touch(site);
}

bool Replay::withdraw(JobIndex job, SiteIndex site) {
  ++outcome_.cancels;
  if (!sites_[site].withdraw(job)) return false;
  touch(site);
  return true;
}

void Replay::settle(Router& router) {
  while (any_touched_) {
    any_touched_ = false;
    for (SiteIndex site = 0; site < sites_.size(); ++site) {
      if (!touched_[site]) continue;
      touched_[site] = false;
      started_.clear();
      sites_[site].pass(now_, started_);
      for (const auto job : started_) {
        outcome_.fates[job] = {now_, site};
        ends_.push_back({now_ + workload_.jobs[job].run, job});
        std::ranges::push_heap(ends_, std::greater<>{});
        if (ours_[job])
          router.started(*this, job, site);
        else
          router.changed(*this, site);
      }
    }
  }
}

Outcome Replay::run(Router& router) {
  const auto& jobs = workload_.jobs;
  JobIndex next = 0;
  std::vector<JobIndex> over;
  while (true) {
    now_ = router.next_act();
    if (next < jobs.size()) now_ = std::min(now_, jobs[next].submit);
    if (!ends_.empty()) now_ = std::min(now_, ends_.front().at);
    if (now_ == routing::kForever) break;

    over.clear();
    while (!ends_.empty() && ends_.front().at == now_) {
      const auto job = ends_.front().job;
      std::ranges::pop_heap(ends_, std::greater<>{});
      ends_.pop_back();
      const auto site = outcome_.fates[job].site;
      sites_[site].end(job);
      touch(site);
      over.push_back(job);
      if (!ours_[job]) router.changed(*this, site);
    }
    const auto first = next;
    for (; next < jobs.size() && jobs[next].submit == now_; ++next) {
      if (ours_[next]) continue;
      submit(next, jobs[next].home);
      router.changed(*this, jobs[next].home);
    }
    settle(router);
    for (const auto job : over) {
      if (ours_[job]) router.ended(*this, job, outcome_.fates[job].site);
    }
    for (auto job = first; job < next; ++job) {
      if (ours_[job]) router.arrived(*this, job);
    }
    settle(router);
    router.act(*this);
    settle(router);
  }
  return std::move(outcome_);
}

}  // namespace hansa::simulation
