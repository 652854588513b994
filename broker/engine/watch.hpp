// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loops that look at a site: its snapshot, the state of our jobs there, its accounting. Cost to the site is constant in the
// number of jobs. Each ends by cancellation.

#include "broker/engine/context.hpp"

#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

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
  struct Look {  // at one person's jobs
    Look(MonotonicTime d, Milliseconds p, MonotonicTime now) : due(d), pause(p), last_answer(now) {}
    MonotonicTime due;
    Milliseconds pause;
    MonotonicTime last_answer;
    bool under_way = false;
  };
  async::Task<> states_by_person(SiteDesk& desk);
  using Whose = std::optional<std::pair<Principal, LocalAccount>>;  // none: everybody's
  using ShortestRun = std::optional<Milliseconds>;  // of those whose end was heard of; none: no end was
  async::Task<ShortestRun> look_at_states(SiteDesk& desk, Whose whose);
  async::Task<> look_at_person(SiteDesk& desk, Whose whose, std::shared_ptr<Look> look);
  async::Task<ShortestRun> look_or_mark(SiteDesk& desk, Whose whose, MonotonicTime& last_answer);
  /// Twice as long as the last, but what came and went fast will do so again.
  [[nodiscard]] Milliseconds next_pause(Milliseconds pause, const Result<ShortestRun>& heard, Milliseconds interval) const;
  async::Task<> apply(JobId id, ports::JobStatus status);
  async::Task<> mark_unseen(SiteDesk& desk, Whose whose, domain::Reason reason);
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
