// SPDX-License-Identifier: Apache-2.0
#pragma once
// hansad backup and hansad restore: a verified copy of the database beside a running broker, and back again.
//
// A backup is two files: the database, and FILE.json, which says what it holds, its SHA-256, and what was signed last
// (ledger.signed) before it was made. The keys are in neither. The statement is there first: where the database has its name,
// both are whole.

#include "broker/core/clock.hpp"
#include "broker/store/backup.hpp"
#include "config/broker_config.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace hansa::app {

struct Backup {
  std::filesystem::path file;
  store::Holdings holds;
};

/// `to`: none is a file of broker.state_dir/backups, named after the time. BACKUP_EXISTS: it is never replaced.
Result<Backup> back_up(const config::BrokerConfig& config, std::optional<std::filesystem::path> to, UtcTime now);

struct Restored {
  store::Holdings holds;
  std::filesystem::path aside;       // where the database went that was there; "": there was none
  bool signs_nothing = false;        // ledger.signed is ahead of what was restored (docs/ledger.md)
};

/// Takes the place of the database of a broker that is stopped; that one is kept beside it. STATE_LOCKED: it runs. BACKUP_OLDER:
/// what is there, or what was signed last, has more than the backup, and `over_newer` was not said.
Result<Restored> restore(const config::BrokerConfig& config, const std::filesystem::path& backup, bool over_newer, UtcTime now);

/// "3 jobs, 12 records of the ledger, schema 16, broker hansa".
std::string told(const store::Holdings& holdings);

}  // namespace hansa::app
