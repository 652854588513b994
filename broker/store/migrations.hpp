// SPDX-License-Identifier: Apache-2.0
#pragma once
// The schema, as numbered steps that only go forward. A step that was released is never edited: its SHA-256 is recorded
// in every database that took it, and a database whose record differs is refused.

#include "broker/store/connection.hpp"

#include <span>
#include <string_view>

namespace hansa::store {

struct Migration {
  int version = 0;
  std::string_view name;
  std::string_view sql;
  void (*then)(Connection& db, UtcTime now) = nullptr;  // what SQL cannot do, in the same transaction
};

/// Version 1, 2, 3, ... in order.
std::span<const Migration> migrations();

/// The last step that the database took; 0: it is new. Refuses what migrate() refuses.
Result<std::size_t> schema_version(Connection& db, std::span<const Migration> steps);

/// Brings the database to the last version, one transaction a step. NOT_A_HANSA_STORE: another program's file.
/// SCHEMA_TOO_NEW: written by a later hansad. SCHEMA_ALTERED: a recorded step is not the one we know.
Result<void> migrate(Connection& db, std::span<const Migration> steps, UtcTime now);

/// Gives a new database its broker's id; returns the stored one.
Result<std::string> establish_broker_id(Connection& db, const std::string& proposed);

/// The number of this life of the broker: one more than the last.
Result<std::int64_t> advance_epoch(Connection& db);

/// Of the life that writes now. Inside a transaction.
std::int64_t current_epoch(Connection& db);
/// The refusal of a process that was replaced.
std::unexpected<Error> stale_epoch(std::int64_t writer, std::int64_t current);

}  // namespace hansa::store
