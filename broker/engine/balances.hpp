// SPDX-License-Identifier: Apache-2.0
#pragma once
// What sites that want an allocation tell of what is left to projects, by their schedulers' own limits: asked as often as one
// wants to know it, in what their load budgets leave, and kept as `hansa allocation import` would. While there is no answer what
// was told last stands, and ages. Strand: the engine's.

#include "broker/core/ulid.hpp"
#include "broker/engine/balance_reading.hpp"
#include "broker/engine/context.hpp"
#include "broker/ports/allocations.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hansa::engine {

class Balances {
 public:
  /// No store: nothing is allocated to anybody.
  Balances(Context& context, ports::AllocationStore* store, UlidSource& ids) : context_(context), store_(store), ids_(ids) {}

  /// Asks the site for ever; returns at once where no limit is anybody's balance.
  async::Task<> run(SiteDesk& desk);

  /// Null: the site is not asked.
  [[nodiscard]] const BalanceReading* reading(const SiteId& site) const;

 private:
  struct Asked {
    std::vector<ports::ProjectAccount> wanted;
    std::vector<std::string> nobodys;         // of several projects: what is left would be counted for each
  };
  /// An attempt of ours with runs that go on.
  struct OfOurs {
    JobId job;
    std::int32_t attempt = 1;
    ports::ProjectAccount of;
    std::map<std::int32_t, UtcTime> started;  // by task
  };
  /// One of those runs, seen again.
  struct StillRuns {
    JobId job;
    std::int32_t attempt = 1;
    ProjectId project;
    domain::Grant granted;
    std::chrono::minutes left{0};             // of its time limit, at least
  };

  static Asked asked_of(const domain::Site& site);
  async::Task<> read(SiteDesk& desk, Asked asked);
  [[nodiscard]] std::vector<OfOurs> running(const SiteDesk& desk, const std::vector<ports::ProjectAccount>& wanted) const;
  /// Those that ran before the site told its figures and run after it: only of them is it certain that the figures have them.
  async::Task<std::vector<StillRuns>> those_that_go_on(SiteDesk& desk, std::vector<OfOurs> ours);
  /// The site's figure has what they may use yet, and so has what is kept for them of the balance: one of the two is enough.
  async::Task<std::vector<ports::ProjectLimit>> count_once(SiteDesk& desk, std::vector<StillRuns> ours,
                                                           std::vector<ports::ProjectLimit> limits);
  async::Task<> keep(SiteDesk& desk, Asked asked, ports::AccountLimits answer, UtcTime as_of);

  Context& context_;
  ports::AllocationStore* store_;
  UlidSource& ids_;
  std::map<SiteId, BalanceReading> readings_;
};

}  // namespace hansa::engine
