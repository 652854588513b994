// SPDX-License-Identifier: Apache-2.0
#pragma once
// What projects are granted, and what sites say is left to them. Who may ask at all is the caller's question (identity). Jobs
// that wait are looked at again. Callable from any thread; returns on the caller's executor.

#include "broker/engine/catalogue.hpp"
#include "broker/engine/engine.hpp"
#include "broker/ports/allocations.hpp"

namespace hansa::engine {

/// What a budget of Hansa's own is to be.
struct WantedGrant {
  ProjectId project;
  SiteId site;                         // empty: any
  std::string unit;
  domain::Charge amount;
  std::optional<UtcTime> from;         // none: now
  std::optional<UtcTime> until;
};

class AllocationRegister {
 public:
  AllocationRegister(const Clock& clock, UlidSource& ids, ports::AllocationStore& store, Engine& engine, ports::Log& log)
      : clock_(clock), ids_(ids), store_(store), engine_(engine), log_(log) {}

  /// invalid_argument, BAD_GRANT: an end that is over, or before its beginning.
  async::Task<domain::Allocation> grant(Asking asking, WantedGrant wanted);
  async::Task<domain::Allocation> revoke(Asking asking, domain::AllocationId id);
  /// As AllocationStore::release.
  async::Task<std::vector<ports::Reservation>> release(Asking asking, JobId job, std::optional<std::int32_t> attempt);
  /// How many were news. invalid_argument, BAD_BALANCE: told for a time that has not come.
  async::Task<std::size_t> tell(Asking asking, std::vector<ports::ToldBalance> balances);

  [[nodiscard]] ports::AllocationStore& store() const { return store_; }

 private:
  const Clock& clock_;
  UlidSource& ids_;
  ports::AllocationStore& store_;
  Engine& engine_;
  ports::Log& log_;
};

}  // namespace hansa::engine
