// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loops that look at a site: its snapshot, the state of our jobs there, its accounting. Cost to the site is constant in the
// number of jobs. Each ends by cancellation.

#include "broker/engine/context.hpp"

#include <unordered_set>

namespace hansa::engine {

class Moves;
class Reconciler;

class Watch {
 public:
  using OnSnapshot = std::function<void(SiteDesk&)>;
  Watch(Context& context, Reconciler& reconciler, Moves& moves, OnSnapshot on_snapshot)
      : context_(context), reconciler_(reconciler), moves_(moves), on_snapshot_(std::move(on_snapshot)) {}

  async::Task<> snapshots(SiteDesk& desk);
  async::Task<> states(SiteDesk& desk);
  async::Task<> settle(SiteDesk& desk);

 private:
  async::Task<> look_at_states(SiteDesk& desk);
  async::Task<> apply(JobId id, ports::JobStatus status);
  async::Task<> mark_unseen(SiteDesk& desk, domain::Reason reason);
  async::Task<bool> book_page(SiteDesk& desk);
  async::Task<> note_twins(SiteDesk& desk, const std::vector<domain::UsageRecord>& records);
  [[nodiscard]] bool awaits_binding(const SiteDesk& desk, const domain::UsageRecord& record) const;

  Context& context_;
  Reconciler& reconciler_;
  Moves& moves_;
  std::unordered_set<JobId> observing_;  // a change is under way: the next look tells the same again
  OnSnapshot on_snapshot_;
};

}  // namespace hansa::engine
