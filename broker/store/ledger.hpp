// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger's tables: records and the tree over them, what is personal beside them, checkpoints and who signed them.
//
// There is one truth: reports sum the columns from which the hashed bytes of a record are written, so what a report counts is
// what the tree holds. Records of other kinds than those of runs are kept as those bytes.

#include "broker/ledger/record.hpp"
#include "broker/ports/ledger.hpp"
#include "broker/store/connection.hpp"
#include "broker/store/usage_sums.hpp"

#include <optional>
#include <set>
#include <string>

namespace hansa::store {

// No run's time (usage.cpp refuses what lies before 1970).
constexpr std::int64_t kNeverStarted = -1;  // a NULL would be distinct from every other NULL in the unique key

/// Hashes that a row of ledger_hashes may hold: as many as fit onto a page of the database.
constexpr std::size_t kHashesARow = 120;

/// Adds records and the hashes of the tree that they complete, within a transaction.
class LedgerAppender {
 public:
  /// Whoever adds many records has many hashes in a row, and calls finish().
  explicit LedgerAppender(Connection& db, std::size_t hashes_a_row = 1);

  /// Gives it the next place, and returns that. `job_row`: the job's short name in the database; `personal`: of usage records.
  std::int64_t add(ledger::UsageEntry entry, std::int64_t job_row, const ledger::Personal* personal);
  Result<std::int64_t> add(ledger::Kind kind, std::int64_t at_s, const Json& fields);
  /// In step 16, whose table lacks what later steps added.
  void carry_over(ledger::UsageEntry entry, std::int64_t job_row, const ledger::Personal& personal);
  /// Writes the hashes that no full row has taken, and what reports read. Before the transaction ends; a tree that lacks them is
  /// damaged. Whoever adds runs calls it.
  void finish();

 private:
  void add_leaf(std::string_view text);
  void write_hashes();
  void add_person(std::int64_t seq, const ledger::Personal& personal);

  [[nodiscard]] bool is_closed(const std::string& period);

  Connection& db_;
  std::size_t row_bytes_;
  ledger::Peaks tree_;
  std::int64_t place_;  // of the first of
  std::string hashes_;  // those that are not written yet
  Contexts contexts_{db_};
  UsageSums sums_;
  std::optional<std::set<std::string>> closed_;  // months, once one was asked for
};

/// Reads the tree; 32 zero bytes for a hash that is not there, which fits nothing, and then `whole` is false.
struct StoredHashes {
  Connection& db;
  bool whole = true;

  ledger::ReadHash reader();
  [[nodiscard]] Result<void> check() const;
};

/// Of what is drawn for a record's personal part.
inline constexpr std::size_t kSaltBytes = 16;
/// Of the system's.
std::string random_bytes(std::size_t count);
/// The key with which the owner's pseudonym in a period is made; drawn when there is none yet. One for each person: it can go
/// alone.
std::string person_key(Connection& db, const std::string& owner, const std::string& period);

/// Schema step 16: the usage records of before become the ledger's first.
void carry_usage_over(Connection& db, UtcTime now);

/// A record of a run; none: there is none of that number, or it is of another kind.
std::optional<ledger::UsageEntry> read_entry(Connection& db, std::int64_t seq);

/// How many records there are: their numbers begin at 0.
std::int64_t ledger_size(Connection& db);
/// What adjustments have added to a usage record so far.
ledger::Amounts adjustments_of(Connection& db, std::int64_t record);

Result<ports::LedgerHead> read_ledger_head(Connection& db);
Result<std::vector<ports::LedgerRecord>> read_ledger_records(Connection& db, std::int64_t from, std::size_t limit, bool personal);
Result<std::vector<std::int64_t>> read_ledger_records_of(Connection& db, JobId id);
Result<ports::LedgerProof> prove_record(Connection& db, std::int64_t seq, std::int64_t size);
Result<std::vector<Sha256>> prove_growth(Connection& db, std::int64_t from, std::int64_t to);
Result<Sha256> read_ledger_root(Connection& db, std::int64_t size);
Result<std::vector<std::pair<std::int64_t, std::string>>> read_ledger_keys(Connection& db);
Result<std::int64_t> append_record(Connection& db, const ports::LedgerAddition& addition);
Result<std::optional<ports::KeptCheckpoint>> read_last_checkpoint(Connection& db);
/// The smallest of at least that size.
Result<std::optional<ports::KeptCheckpoint>> read_first_checkpoint(Connection& db, std::int64_t size);
Result<void> keep_checkpoint(Connection& db, const ports::KeptCheckpoint& checkpoint);
Result<void> keep_cosignature(Connection& db, std::int64_t size, const ports::Cosignature& cosignature);
Result<std::vector<std::pair<std::int64_t, ports::Cosignature>>> read_last_cosignatures(Connection& db);
/// Of corrections among the first ?1 records, those of `which` (a condition, an order; from ?2 on): at_s, the run's ended_s,
/// kind, reason, project, site, site_job_id, job, seq of what is corrected, of the correction, and of the record that took its
/// place (or NULL); then of core, GPU and node seconds what the run amounted to before, earlier adjustments among it, and after.
std::string corrections_query(std::string_view which);
Result<std::vector<ports::Correction>> read_corrections(Connection& db, std::size_t limit);
Result<std::vector<ports::UsageRefusal>> read_usage_refusals(Connection& db);

}  // namespace hansa::store
