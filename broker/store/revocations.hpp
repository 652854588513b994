// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whom operators have shut out, and what issuers said last of people.

#include "broker/ports/revocations.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<std::int64_t> record_revocation(Connection& db, const ports::Revocation& revocation);
/// not_found, NOT_REVOKED, for one that is lifted already.
Result<void> lift_revocation(Connection& db, std::int64_t number, const Principal& by, UtcTime at);
Result<std::vector<ports::Revocation>> read_revocations(Connection& db);
Result<void> keep_membership(Connection& db, const ports::Membership& membership);
Result<std::vector<ports::Membership>> read_memberships(Connection& db);

}  // namespace hansa::store
