// SPDX-License-Identifier: Apache-2.0
#pragma once
// A dataset's way from one site's folder of replicas to another's, as values; who moves it is ports/mover.hpp. Pure.

#include "broker/domain/dataset.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::domain {

using TransferId = Ulid;

/// Where a replica lies, or shall lie.
struct ReplicaPlace {
  SiteId site;
  RootName root;
  std::string path;                 // is_replica_path
  friend bool operator==(const ReplicaPlace&, const ReplicaPlace&) = default;
};

/// What a quota leaves beneath the destination's root; none: there is no quota.
struct Room {
  std::optional<Bytes> bytes;
  std::optional<std::int64_t> files;  // inodes: files and folders
  friend bool operator==(const Room&, const Room&) = default;
};

struct Transfer {
  TransferId id;
  DatasetId dataset;
  Content content;          // what must arrive: size, files, the manifest's hash (manifest.hpp)
  ReplicaPlace from;
  ReplicaPlace to;
  Room room;
  friend bool operator==(const Transfer&, const Transfer&) = default;
};

enum class TransferPhase {
  not_seen,     // this mover has no such transfer
  interrupted,  // begun, and nobody is at it: start() goes on with it
  queued,       // a job that is to move it waits for its turn at a site
  preparing,    // both ends are looked at
  copying,
  verifying,    // what arrived is read back; it is not visible yet
  ended,
};
std::string_view to_string(TransferPhase phase);
std::optional<TransferPhase> parse_transfer_phase(std::string_view text);

/// Rises while one process is at it; after a crash it begins at what had really arrived.
struct TransferProgress {
  Bytes bytes{0};                   // of the dataset, at the destination
  std::int64_t files = 0;           // whole ones there
  Bytes sent{0};                    // by the process that is at it, what it sent twice too; known once it has copied all
  Bytes verified{0};                // read back
  Bytes per_second{0};              // of `bytes`, on average since that process began to copy
  friend bool operator==(const TransferProgress&, const TransferProgress&) = default;
};

enum class TransferEnd {
  moved,               // the destination holds the dataset, and did at TransferOutcome::at
  checksum_mismatch,   // what arrived is not the dataset: nothing is visible, and it is gone
  source_missing,
  source_differs,      // another number of files or bytes than the register's: nothing was copied
  unsuitable_file,     // a link or a special file among the source's: nothing was copied
  destination_exists,  // something else is at the destination; it was not touched
  quota_bytes,         // more than Transfer::room: nothing was copied
  quota_files,
  no_space,            // full, or the file system's own quota; what had been copied is gone
  unreachable,         // an end cannot be reached; what was copied stays, hidden, for the next transfer
  access_refused,      // another host key than the pinned one, a login or a file that is not allowed
  moved_elsewhere,     // another mover has the destination
  cancelled,           // what had been copied is gone
  tool_failed,         // for a reason that we cannot name; what was copied stays, hidden
};
std::string_view to_string(TransferEnd end);  // "MOVED", "CHECKSUM_MISMATCH", ...: a reason's code
std::optional<TransferEnd> parse_transfer_end(std::string_view code);
/// Whether another transfer of the same may well succeed, though nobody changes anything.
bool is_worth_repeating(TransferEnd end);

struct TransferOutcome {
  TransferEnd end = TransferEnd::tool_failed;
  std::string message;              // for people
  std::string detail;               // for the log: the tool's own words
  UtcTime at{};                     // moved: when the replica was found whole (Verification::at)
  friend bool operator==(const TransferOutcome&, const TransferOutcome&) = default;
};

struct TransferStatus {
  TransferId id;
  TransferId moved_by;              // another one, whose dataset and destination are the same: the bytes go once
  TransferPhase phase = TransferPhase::not_seen;
  TransferProgress progress;
  std::optional<TransferOutcome> outcome;  // with phase ended
  friend bool operator==(const TransferStatus&, const TransferStatus&) = default;
};

// JSON, as a mover keeps and sends it.
Json to_json(const Transfer& transfer);
Json to_json(const TransferStatus& status);
Result<Transfer> transfer_from_json(const Json& json);
Result<TransferStatus> transfer_status_from_json(const Json& json);

}  // namespace hansa::domain
