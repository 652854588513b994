// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is left to projects at the sites that want an allocation, as Placement sees it: the store's word of a moment ago, with
// what has been taken since. The store has the last word, in the commit that intends an attempt (ports/allocations.hpp): that
// this is behind costs a second look, never an allocation. Strand: the engine's.

#include "broker/domain/site.hpp"
#include "broker/engine/site_desk.hpp"
#include "broker/ports/allocations.hpp"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace hansa::engine {

using Desks = std::map<SiteId, std::unique_ptr<SiteDesk>>;

class Budgets {
 public:
  /// No store: nothing is allocated to anybody.
  Budgets(async::Scheduler& scheduler, ports::AllocationStore* store, const Desks& desks)
      : scheduler_(scheduler), store_(store), desks_(desks) {}

  /// Something may be otherwise than it was read.
  void stale() { stale_ = true; }
  /// What is known may not be true any more, and some site goes by it.
  [[nodiscard]] bool is_behind() const;
  void job_changed(const domain::Job& after);
  /// Reads what is stale. True: somebody has more left than before.
  async::Task<bool> refresh();

  /// What the job needs there, in that queue and as that variant; none: the site wants no allocation. Error: NO_CHARGE_RULE.
  [[nodiscard]] Result<std::optional<domain::Hold>> need(const domain::Site& site, const QueueName& queue,
                                                         const domain::JobSpec& spec, std::string_view variant,
                                                         const domain::TaskArray& array) const;
  /// Why the project may not have that at the site now.
  [[nodiscard]] std::optional<domain::Reason> lacking(const domain::Site& site, const QueueName& queue,
                                                      const domain::JobSpec& spec, std::string_view variant,
                                                      const domain::TaskArray& array) const;
  /// The same for any of the site's queues and any variant: none if one of them would do.
  [[nodiscard]] std::optional<domain::Reason> lacking_everywhere(const SiteDesk& desk, const domain::JobSpec& spec,
                                                                 const domain::TaskArray& array) const;
  /// It is reserved.
  void taken(const ProjectId& project, const SiteId& site, const domain::Hold& hold);

 private:
  async::Scheduler& scheduler_;
  ports::AllocationStore* store_;
  const Desks& desks_;
  std::map<ProjectId, std::vector<domain::Allocation>> known_;
  bool stale_ = true;
};

}  // namespace hansa::engine
