// SPDX-License-Identifier: Apache-2.0
#pragma once
// Resolves what is unknown (DESIGN section 4, steps 4 to 6): looks in the site's queue and history, adopts, sends again, or
// seals.
//
// Invariants: nothing is looked for before the submitting child is dead; absence needs two looks, apart, with queue and history
// both answering, past the visibility window; a job leaves for another site only after the seal of its fence has won.

#include "broker/engine/context.hpp"

#include <map>
#include <set>

namespace hansa::engine {

class Dispatch;

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

  /// The desk's loop; ends by cancellation.
  async::Task<> run(SiteDesk& desk);

 private:
  async::Task<> look(SiteDesk& desk, std::vector<JobId> ids);
  async::Task<> judge(SiteDesk& desk, JobId id, std::vector<ports::Sighting> sightings, bool absence_counts);
  async::Task<> adopt(SiteDesk& desk, JobId id, std::vector<ports::Sighting> ours);
  async::Task<> seal(SiteDesk& desk, JobId id, domain::Reason reason);
  async::Task<> quarantine(JobId id, std::int32_t attempt, SiteJobId site_job_id, domain::Reason reason);
  [[nodiscard]] std::vector<JobId> due(const SiteDesk& desk) const;

  Context& context_;
  Dispatch* dispatch_ = nullptr;
  std::map<JobId, Look> looks_;
  std::set<std::pair<JobId, SiteJobId>> quarantined_;
};

}  // namespace hansa::engine
