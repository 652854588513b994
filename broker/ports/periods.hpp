// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger's months, opened and closed; amounts that are added by hand; decisions as the ledger vouches for them. As with the
// other stores (stores.hpp): a write returns when it is durable; callable from any strand.

#include "broker/async/task.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "broker/ports/ledger.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::ports {

/// A month as the ledger has it.
struct Month {
  std::string period;
  std::int64_t opened = 0;               // record
  std::optional<std::int64_t> summary, closed;
  UtcTime opened_at{}, closed_at{};
  std::string sites;                     // of the close: "alpha=B beta=C"
  std::string reconciliations;           // SHA-256 of what it rests on, hex
  Seconds apart{0};
};

/// The sums of a month's records among the first `size` of the ledger, read a part at a time in the order of the runs' ends.
struct MonthSums {
  std::int64_t runs = 0, elapsed_s = 0, core_seconds = 0, gpu_seconds = 0, node_seconds = 0;
  std::int64_t size = 0;                 // 0: nothing was read yet
  std::int64_t ended_s = 0, seq = -1;    // the last that was read
  bool whole = false;                    // nothing is left to read
};

struct MonthClose {
  std::string period;
  UtcTime at{};
  std::string sites;
  std::string rests_on;                  // ledger::close_text(): the ledger has its SHA-256, exports have it
  Seconds apart{0};
  std::int64_t looked_at = 0;            // how many records the ledger had when it was found closable
  MonthSums sums;                        // whole
  std::vector<std::pair<SiteId, std::string>> newest{};  // of each site, the newest reconciliation of it then; "": none
};

/// Amounts that are to be added to a record, once a second person agrees.
struct Adjustment {
  std::string id;
  std::int64_t record = 0;
  CoreSeconds core_seconds{0};
  GpuSeconds gpu_seconds{0};
  NodeSeconds node_seconds{0};
  std::string reason;                    // the ledger has its SHA-256
  Principal by;
  UtcTime at{};
  struct Ruling {
    bool approved = false;
    Principal by;
    std::string reason;
    UtcTime at{};
    std::optional<std::int64_t> record;  // of the ledger, if approved
  };
  std::optional<Ruling> ruling;
};

/// What the ledger keeps of one decision: its bytes are a leaf of the tree that a `decision` record has the root of.
struct DecisionLeaf {
  std::int64_t sequence = 0;
  std::string text;
  bool erased = false;  // a name was taken out of what was decided: its hash is the one from before, and cannot be made again
};

class PeriodStore {
 public:
  virtual ~PeriodStore() = default;

  virtual async::Task<std::vector<Month>> months() = 0;  // oldest first
  /// Again: nothing more. Its record.
  virtual async::Task<std::int64_t> open_month(std::string period, UtcTime at) = 0;
  /// How many records of runs that ended in it no reconciliation has seen, and how many records there are.
  virtual async::Task<std::pair<std::int64_t, std::int64_t>> unseen_records(std::string period) = 0;
  /// Goes on with the sums of a month, by `limit` records at most. So the writer never waits for a month to be read. Sums that
  /// are whole go on with what was booked since, of any month: `size` grows by so many. internal, SUM_TOO_LARGE.
  virtual async::Task<MonthSums> sum_month(std::string period, MonthSums so_far, std::size_t limit) = 0;
  /// Its summary and its close, in one short commit that reads only what was booked since the sums were; again: nothing more.
  /// conflict, LEDGER_MOVED: something was booked into it since, or much into the ledger, or a site was reconciled since;
  /// not_found, NOT_OPENED.
  virtual async::Task<std::int64_t> close_month(MonthClose close) = 0;
  /// The first that signs the record, with who vouched for it; none: it was not signed yet.
  virtual async::Task<std::optional<KeptCheckpoint>> checkpoint_of(std::int64_t record) = 0;
  /// Sites that have records of runs that ended in it.
  virtual async::Task<std::vector<SiteId>> sites_in(std::string period) = 0;

  /// not_found, NO_SUCH_RECORD: no usage record that stands.
  virtual async::Task<> propose_adjustment(Adjustment adjustment) = 0;
  /// Newest first; none: all.
  virtual async::Task<std::vector<Adjustment>> adjustments(std::optional<std::string> id, std::size_t limit) = 0;
  /// conflict: NOT_PENDING; BELOW_ZERO, the run would have used less than nothing; permission_denied: OWN_CHANGE. Approved, its
  /// record is booked in the same commit.
  virtual async::Task<Adjustment> rule_on_adjustment(std::string id, Adjustment::Ruling ruling) = 0;

  /// The newest record of a kind that is not of runs, as it is hashed; "": none.
  virtual async::Task<std::string> newest_record(std::string kind) = 0;
  /// Of the decisions from that sequence on. `anew`: the hashes of those that are not erased are made from what is
  /// stored now.
  virtual async::Task<std::vector<DecisionLeaf>> decision_leaves(std::int64_t from, std::size_t limit, bool anew) = 0;
};

}  // namespace hansa::ports
