// SPDX-License-Identifier: Apache-2.0
#pragma once
// What projects may spend, what is kept of it for attempts, and what runs were charged.
//
// Invariants: an allocation's `reserved` is the sum of its reservations', its `used` that of its charges (of a balance: of those
// since it was told). Both change only here and in charging.hpp, in the transaction that changes the job or books its usage. A
// charge is never changed: it is reversed, as of the same end.

#include "broker/ports/allocations.hpp"
#include "broker/ports/stores.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

/// For the job's last attempt, which was just intended. Has written nothing if it refuses: NOT_GRANTED, ALLOCATION_SPENT.
Result<void> reserve(Connection& db, std::int64_t job_row, const domain::Job& job, const domain::Hold& hold);
/// Lets go what the job, as it is now, cannot cost any more.
void keep_what_is_open(Connection& db, std::int64_t job_row, const domain::Job& job);

Result<void> record_grant(Connection& db, const domain::Allocation& allocation);
struct Revocation {
  domain::AllocationId id;
  Principal by;
  UtcTime at{};
  std::string why;
};
Result<domain::Allocation> revoke_allocation(Connection& db, const Revocation& revocation);
/// As AllocationStore::release.
Result<std::vector<ports::Reservation>> release_reservations(Connection& db, const ports::Release& release);
Result<std::size_t> tell_balances(Connection& db, const ports::BalanceReport& report,
                                  const std::vector<domain::AllocationId>& ids);

Result<std::vector<domain::Allocation>> read_allocations(Connection& db, const std::optional<ProjectId>& project, UtcTime since);
Result<domain::Allocation> read_allocation(Connection& db, const domain::AllocationId& id, UtcTime since);
Result<std::vector<ports::Reservation>> read_reservations(Connection& db, const domain::AllocationId& id, std::size_t limit);
Result<std::vector<ports::AllocationEvent>> read_allocation_events(Connection& db, const domain::AllocationId& id);

}  // namespace hansa::store
