// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger as the store keeps it: records in their order, the tree over them, and what was signed. What a record's bytes are
// and what a signature says is broker/ledger's; here both are text. Hashes are those of its tree.

#include "broker/async/task.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/core/digest.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/ulid.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::ports {

struct LedgerHead {
  std::int64_t size = 0;
  Sha256 root{};
  std::string key;  // that the newest key record names; "": none yet
};

struct LedgerRecord {
  std::int64_t seq = 0;
  std::string text;  // what is hashed
  bool of_person = false;  // a personal part belongs to it
  std::string personal;  // that part as exports have it, if it was asked for and is still there
  std::string rests_on = {};  // of a month's close: what it rests on, as exports have it
};

/// A record of another kind than those of runs, which the store books by itself.
struct LedgerAddition {
  std::string kind;
  UtcTime at{};
  Json fields;
  std::optional<std::string> after_key;  // refused (conflict, KEY_CHANGED) unless the newest key record names this one
};

struct LedgerProof {
  LedgerRecord record;
  std::int64_t size = 0;
  std::vector<Sha256> path;
};

struct Cosignature {
  std::string witness;
  std::string line;  // of the note
  UtcTime at{};  // when it came
};
struct KeptCheckpoint {
  std::int64_t size = 0;
  std::string note;  // with the ledger's own signature alone
  UtcTime at{};
  std::vector<Cosignature> cosignatures;
};

/// A usage record that was taken back, and the one that took its place, if one did.
struct Correction {
  std::int64_t reversed = 0, reversal = 0;
  std::optional<std::int64_t> replaced_by;
  UtcTime at{};
  std::string reason;
  SiteId site;
  SiteJobId site_job_id;
  ProjectId project;
  CoreSeconds before{0}, after{0};
  GpuSeconds gpu_before{0}, gpu_after{0};
};

/// Records of a site that were not booked, by reason.
struct UsageRefusal {
  SiteId site;
  std::string reason;
  std::int64_t records = 0;
  UtcTime last_at{};
  std::string last_site_job_id;
};

/// A page of records is not much longer than this, by the longest record at most (half a MiB).
inline constexpr std::size_t kLedgerPageBytes = std::size_t{4} << 20;

class LedgerStore {
 public:
  virtual ~LedgerStore() = default;
  virtual async::Task<LedgerHead> ledger_head() = 0;
  /// From `from` on, at most `limit`, and no more once they come to kLedgerPageBytes; none only behind the last.
  virtual async::Task<std::vector<LedgerRecord>> ledger_records(std::int64_t from, std::size_t limit, bool personal) = 0;
  /// The job's records, corrections among them, oldest first.
  virtual async::Task<std::vector<std::int64_t>> ledger_records_of(JobId id) = 0;
  /// That record `seq` is in the tree of the first `size`. not_found, NO_SUCH_RECORD.
  virtual async::Task<LedgerProof> prove_record(std::int64_t seq, std::int64_t size) = 0;
  /// That the tree of the first `from` is the beginning of that of the first `to`. not_found, NO_SUCH_TREE.
  virtual async::Task<std::vector<Sha256>> prove_growth(std::int64_t from, std::int64_t to) = 0;
  virtual async::Task<Sha256> ledger_root(std::int64_t size) = 0;
  /// Keys that the ledger had, oldest first, each with the place of its record.
  virtual async::Task<std::vector<std::pair<std::int64_t, std::string>>> ledger_keys() = 0;
  /// Its place. invalid_argument, BAD_RECORD: the kind needs other fields.
  virtual async::Task<std::int64_t> append_record(LedgerAddition addition) = 0;

  virtual async::Task<std::optional<KeptCheckpoint>> last_checkpoint() = 0;
  /// Refused (conflict, CHECKPOINT_EXISTS) if another note of this size was kept.
  virtual async::Task<> keep_checkpoint(KeptCheckpoint checkpoint) = 0;
  /// Of a checkpoint that was kept; a witness's later word about it is not needed, and left out. not_found, NO_SUCH_CHECKPOINT.
  virtual async::Task<> keep_cosignature(std::int64_t size, Cosignature cosignature) = 0;
  /// The newest of each witness, with the size that it signed.
  virtual async::Task<std::vector<std::pair<std::int64_t, Cosignature>>> last_cosignatures() = 0;

  virtual async::Task<std::vector<Correction>> corrections(std::size_t limit) = 0;  // newest first
  virtual async::Task<std::vector<UsageRefusal>> usage_refusals() = 0;
};

}  // namespace hansa::ports
