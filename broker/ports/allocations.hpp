// SPDX-License-Identifier: Apache-2.0
#pragma once
// What projects may spend. As with the other stores (stores.hpp): a write returns when it is durable; callable from any strand.
//
// What is kept free for attempts is written with their jobs (JobChange::hold, and every later change of the job), what runs cost
// with their usage (UsageStore::book_usage), each in the same commit. Promise: of no allocation more is reserved and used than it
// has, but by what runs cost beyond what was kept for them (a site that lets them overrun, or starts them again; memory that was
// not asked for), and but for balances that a site lowers. Every `reserved` and `used` is the sum of its records.

#include "broker/async/task.hpp"
#include "broker/domain/allocation.hpp"

#include <string>
#include <vector>

namespace hansa::ports {

/// What is kept for an attempt.
struct Reservation {
  JobId job;
  std::int32_t attempt = 1;
  SiteId site;
  std::string unit;
  std::optional<domain::AllocationId> grant;  // none: within a balance alone, or without any
  domain::Charge of_run;  // the most that one may cost
  domain::Charge reserved;
  domain::Charge used;
  UtcTime at{};  // when the attempt was intended
  friend bool operator==(const Reservation&, const Reservation&) = default;
};

/// What the site, or whoever grants there, says was left to a project at a moment.
struct ToldBalance {
  ProjectId project;
  SiteId site;
  std::string unit;
  domain::Charge left;
  UtcTime as_of{};
};
struct BalanceReport {
  std::vector<ToldBalance> balances;
  Principal by;
  UtcTime at{};
  std::string note;  // where it is from
  bool by_itself = false;  // read by the broker, again and again
};

struct AllocationEvent {
  domain::AllocationId allocation;
  std::string name;  // "granted", "revoked", "told", "released"
  Principal by;
  UtcTime at{};
  domain::Charge amount;
  std::string note;
  friend bool operator==(const AllocationEvent&, const AllocationEvent&) = default;
};

/// Of reservations that nothing else will settle.
struct Release {
  JobId job;
  std::optional<std::int32_t> attempt;  // none: all of the job's
  Principal by;
  UtcTime at{};
  std::string why;
};

class AllocationStore {
 public:
  virtual ~AllocationStore() = default;

  /// Conflict: ALLOCATION_EXISTS.
  virtual async::Task<> grant(domain::Allocation allocation) = 0;
  /// From now on nothing is kept of it; what is, stays until it is settled. not_found: ALLOCATION_NOT_FOUND; conflict:
  /// ALREADY_REVOKED, NOT_A_GRANT.
  virtual async::Task<domain::Allocation> revoke(domain::AllocationId id, Principal by, UtcTime at, std::string why) = 0;
  /// Each takes the place of what was told before; `ids` are for those of which nothing was, one for each of the report. Those
  /// that are older than what is known are left out. How many were taken. An event is made of it but where whoever told it last
  /// says the same again, or is the broker by itself both times, whatever the figure: these would crowd out what people did.
  virtual async::Task<std::size_t> tell_balances(BalanceReport report, std::vector<domain::AllocationId> ids) = 0;

  /// Of `project` everything; of all projects what something is kept of, or what is neither revoked nor was over by `since`; by
  /// project, site, unit, id. `lately` is of runs that ended at or after `since`.
  virtual async::Task<std::vector<domain::Allocation>> allocations(std::optional<ProjectId> project, UtcTime since) = 0;
  virtual async::Task<domain::Allocation> allocation(domain::AllocationId id, UtcTime since) = 0;  // not_found
  /// Those of its project, site and unit of which something is kept, oldest first.
  virtual async::Task<std::vector<Reservation>> reservations(domain::AllocationId id, std::size_t limit) = 0;
  virtual async::Task<std::vector<AllocationEvent>> allocation_events(
      domain::AllocationId id) = 0;  // the newest 500, oldest first
  /// What is kept for runs that are over and of which no accounting has told; recorded with the allocations that it was kept of.
  /// Told later, they are charged all the same. Answers what was kept. not_found: JOB_NOT_FOUND, NOTHING_RESERVED; conflict:
  /// RUNS_NOT_OVER.
  virtual async::Task<std::vector<Reservation>> release(Release release) = 0;
};

}  // namespace hansa::ports
