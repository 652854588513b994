// SPDX-License-Identifier: Apache-2.0
#pragma once
// Copies of the database: made while it is in use, read whole before they count, there whole or not at all.
//
// Thread: any, but one for each call; all of them block. STORAGE_FULL and BACKUP_* leave what was there before as it was.

#include "broker/core/digest.hpp"
#include "broker/store/connection.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace hansa::store {

/// What a database was seen to hold.
struct Holdings {
  std::string broker_id;
  std::int64_t epoch = 0;
  std::int64_t schema = 0;
  std::int64_t jobs = 0;
  std::int64_t last_event = 0;  // its number; it only grows
  std::int64_t ledger_size = 0;
  Sha256 ledger_root{};  // where the schema is ours
  friend bool operator==(const Holdings&, const Holdings&) = default;
};

/// Counts, without looking into everything. Of any schema that is not newer.
Result<Holdings> holdings(Connection& db);
/// The same of a file, which stays as it is. BACKUP_NOT_THERE, NOT_A_HANSA_STORE, SCHEMA_TOO_NEW, STORE_CORRUPT.
Result<Holdings> holdings_of(const std::filesystem::path& file);

/// Reads all of a database: pages and indexes, references, and the ledger's tree anew from its records. BACKUP_DAMAGED.
Result<Holdings> verify_database(const std::filesystem::path& file);

/// A copy of the moment, also while others write: one file (0600) without a log beside it, verified and durable before it has its
/// name. An earlier one of that name is replaced. BACKUP_NO_ROOM: with how much is needed.
Result<Holdings> copy_database(Connection& db, const std::filesystem::path& to);
/// The same from a file; from one that no broker has open, too.
Result<Holdings> copy_database(const std::filesystem::path& from, const std::filesystem::path& to);

/// Before the steps that are still to be taken: a copy in `folder`, named after the schema that the database has. None where there
/// is nothing to keep: a new database, or one that needs no step.
Result<void> keep_before_migration(Connection& db, const std::filesystem::path& folder);

/// Empties the log of a database that nobody has open into it, so that the file alone is the database.
Result<void> settle_log(const std::filesystem::path& file);

/// Name and content of a file, or of a folder's entries, on the disk.
Result<void> sync_path(const std::filesystem::path& path);

}  // namespace hansa::store
