// SPDX-License-Identifier: Apache-2.0
#pragma once
// Resolves what is unknown (DESIGN section 4, steps 4 to 6): looks in the site's queue and history, adopts, sends again, or
// seals. What was bound and is in no listing any more is looked for in the same way; there is nothing to send, so the fence
// tells.
//
// Invariants: nothing is looked for before the submitting child is dead; absence needs two looks, apart, with queue and history
// both answering, past the visibility window; a job leaves for another site only after the seal of its fence has won.

#include "broker/engine/context.hpp"

#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace hansa::engine {

class Dispatch;

/// The code of what Reconciler::taken() says.
inline constexpr std::string_view kSiteJobTaken = "SITE_JOB_TAKEN";

class Reconciler {
 public:
  struct Look {
    MonotonicTime child_dead_at{};             // nothing the broker started for it is alive after this
    MonotonicTime sent_at{};                   // the last send
    bool refused = false;                      // the site said no: do not send again, seal and go elsewhere
    std::optional<MonotonicTime> absent_since; // first of the negative looks
  };

  explicit Reconciler(Context& context) : context_(context) {}
  void use(Dispatch& dispatch) { dispatch_ = &dispatch; }

  void look_for(const JobId& id, SiteDesk& desk, Look look);
  void forget(const JobId& id);

  /// Where each person is asked for themselves: why the attempt is not to be bound to that job of the site. It is that of another
  /// person's job, which would lose its usage with it, and only that person's end speaks for it. None: it may be bound.
  [[nodiscard]] std::optional<domain::Reason> taken(const SiteDesk& desk, const JobId& id, const SiteJobId& site_job_id) const;
  /// `holder` has the fence of the bound attempt, and `bound` has not: the attempt is the holder's from now on.
  async::Task<> bind_holder(SiteDesk& desk, JobId id, SiteJobId bound, SiteJobId holder);
  /// A site job that carries the tag of that attempt and is not the attempt's.
  async::Task<> quarantine(JobId id, std::int32_t attempt, SiteJobId site_job_id, domain::Reason reason);

  /// The desk's loop; ends by cancellation.
  async::Task<> run(SiteDesk& desk);

 private:
  async::Task<> look(SiteDesk& desk, std::vector<JobId> ids);
  async::Task<> look_in_site(SiteDesk& desk, std::vector<JobId> looked_for, std::vector<ports::SiteJob> wanted);
  async::Task<> judge(SiteDesk& desk, JobId id, std::vector<ports::Sighting> sightings, bool absence_counts);
  async::Task<> judge_unseen(SiteDesk& desk, JobId id, std::vector<ports::Sighting> sightings, bool absence_counts);
  async::Task<> end_unseen(SiteDesk& desk, JobId id, SiteJobId bound);
  async::Task<> adopt(SiteDesk& desk, JobId id, std::vector<ports::Sighting> ours);
  async::Task<> seal(SiteDesk& desk, JobId id, domain::Reason reason);
  [[nodiscard]] bool absent(Look& look) const;
  [[nodiscard]] std::vector<JobId> due(const SiteDesk& desk);

  Context& context_;
  Dispatch* dispatch_ = nullptr;
  std::map<JobId, Look> looks_;
  std::map<std::pair<JobId, SiteJobId>, std::string> quarantined_;  // and why
};

}  // namespace hansa::engine
