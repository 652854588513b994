// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long jobs have waited at each site against what was predicted, and what the sites' schedulers say of ours that wait there:
// what an estimate is corrected by. Scores are durable with the start that they are of; what is here follows from them, and is
// read again at start.
// Strand: the engine's.

#include "broker/engine/site_desk.hpp"
#include "broker/ports/estimates.hpp"
#include "policies/routing/estimate.hpp"

#include <map>
#include <unordered_map>

namespace hansa::engine {

class JobBook;

class Forecasts {
 public:
  /// No store: nothing is known, and nothing learned.
  Forecasts(const JobBook& book, ports::JobStore& jobs, ports::EstimateStore* store) : book_(book), jobs_(jobs), store_(store) {}

  /// At start, before anybody asks.
  async::Task<> resume(SiteId site);

  /// For a job that may go there, now.
  [[nodiscard]] routing::Outlook outlook(const SiteDesk& desk, const domain::JobSpec& spec, UtcTime now) const;

  /// The start that the site's scheduler plans for a job of ours that waits there; none: it does not say.
  [[nodiscard]] std::optional<UtcTime> planned(const JobId& id) const;

  /// What a site says of a job of ours.
  void heard(const JobId& id, const ports::JobStatus& status);
  void forget(const JobId& id) { planned_.erase(id); }

  /// The attempt that has its first start by this word; null: it tells none.
  static const domain::Attempt* starting(const domain::Job* job, const ports::JobStatus& status);
  /// If the status tells the first start of the job's live attempt: what became of the estimate that it was sent there with, to
  /// be recorded with the start. None also where the decision cannot be read: it is one start of many.
  async::Task<std::optional<domain::WaitScore>> score(JobId id, ports::JobStatus status) const;
  /// It is recorded.
  void learn(const domain::WaitScore& score);

 private:
  const JobBook& book_;
  ports::JobStore& jobs_;
  ports::EstimateStore* store_;
  std::map<SiteId, routing::WaitHistory> histories_;
  std::unordered_map<JobId, UtcTime> planned_;  // starts, by the schedulers' own plans
};

}  // namespace hansa::engine
