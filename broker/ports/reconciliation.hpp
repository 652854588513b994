// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger held against what sites' own accounting says when it is asked anew, and what became of the differences. As with the
// other stores (stores.hpp): a write returns when it is durable; callable from any strand.

#include "broker/async/task.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/core/digest.hpp"
#include "broker/domain/usage.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::ports {

enum class DifferenceKind {
  missing_at_broker,  // the site has it, and it could not be booked; also a run that bears a tag of ours and is not ours
  missing_at_site,    // the ledger has it
  field_mismatch,     // both have it, and do not say the same
  duplicate,          // the site has two for one run, of which one counts
  late,               // the site has it, and it was booked only now
};
inline constexpr std::array<std::string_view, 5> kDifferenceKinds{"missing_at_broker", "missing_at_site", "field_mismatch",
                                                                  "duplicate", "late"};
inline std::string_view to_string(DifferenceKind kind) { return kDifferenceKinds[static_cast<std::size_t>(kind)]; }

/// An operator's words about a difference.
struct Explanation {
  std::string reason;
  Principal by;
  UtcTime at{};
};

struct Difference {
  DifferenceKind kind = DifferenceKind::late;
  std::string key;       // names it at its site; the same whenever it is seen again: 16 hex digits
  std::string cluster;
  std::string site_job_id;
  UtcTime submitted_at{};
  std::optional<UtcTime> started_at;
  UtcTime ended_at{};
  std::optional<std::int64_t> record;  // of the ledger: that stands for the run after it
  std::string fields;    // what differs: JSON, {"core_seconds": ["ledger's", "site's"]}; "": nothing
  std::string outcome;   // "booked", "corrected", a refusal's code, or "left"
  std::optional<Explanation> explanation;
};

/// Of the kind, what names the run, and what differs.
inline std::string key_of(const Difference& difference) {
  const auto seconds = [](UtcTime time) { return Json(to_unix_seconds(time)); };
  return sha256_hex(canonical_json({to_string(difference.kind), difference.cluster, difference.site_job_id,
                                    seconds(difference.submitted_at),
                                    difference.started_at ? seconds(*difference.started_at) : Json(), difference.fields}))
      .substr(0, 16);
}

/// What one reconciliation saw of one site. A run belongs to it by its end.
struct Reconciliation {
  std::string id;
  SiteId site;
  UtcTime from{}, to{};   // not itself
  UtcTime begun_at{}, at{};
  Principal by;           // "broker:daily": on its own
  std::int64_t ledger_size = 0;  // records when it ended
  Seconds tolerance{0};
  std::int64_t matched = 0;
  std::array<std::int64_t, kDifferenceKinds.size()> differences{};  // by DifferenceKind
  std::int64_t listed = 0;       // of them, that are kept
  std::int64_t unexplained = 0;  // of them, or not even listed; as it is now
  std::optional<std::int64_t> others;  // runs that are not the broker's; none: the site hides them

  [[nodiscard]] std::int64_t differing() const {
    std::int64_t all = 0;
    for (const auto count : differences) all += count;
    return all;
  }
};
/// So many differences of one reconciliation are kept; beyond them it can be explained by none.
inline constexpr std::size_t kMostDifferences = 1'000;

/// A page of a site's accounting held against the ledger.
struct Compared {
  std::vector<std::int64_t> matched;   // records of the ledger
  std::vector<Difference> differences;
  std::int64_t others = 0;             // whose names only look like tags of ours
  std::vector<JobId> booked;           // jobs of which something was booked by it
};

/// A usage record that stands: nothing has taken it back.
struct StandingRun {
  std::int64_t record = 0;
  std::string cluster, site_job_id;
  UtcTime submitted_at{};
  std::optional<UtcTime> started_at;
  UtcTime ended_at{};
};

struct ReconciliationQuery {
  std::optional<SiteId> site;
  std::optional<std::string> id;
  UtcTime from{}, to{from_unix_seconds(253'402'300'799)};  // of which any part was asked about
  std::size_t limit = 100;
};

class ReconciliationStore {
 public:
  virtual ~ReconciliationStore() = default;

  /// What is missing is booked, what the site has changed is corrected, in the same commit; the usage cursor stays. Numbers that
  /// differ by `tolerance` at most count as equal.
  virtual async::Task<Compared> compare_usage(SiteId site, std::vector<domain::UsageRecord> records, Seconds tolerance,
                                              UtcTime at) = 0;
  /// Of the site, by end, of those that ended in that time; after that one.
  virtual async::Task<std::vector<StandingRun>> standing_runs(SiteId site, UtcTime from, UtcTime to,
                                                              std::optional<StandingRun> after, std::size_t limit) = 0;
  /// With its differences, as a whole, once.
  virtual async::Task<> keep_reconciliation(Reconciliation reconciliation, std::vector<Difference> differences) = 0;
  virtual async::Task<std::vector<Reconciliation>> reconciliations(ReconciliationQuery query) = 0;  // newest first
  virtual async::Task<std::vector<Difference>> differences(std::string reconciliation) = 0;
  /// Whenever it is seen. `key`: of a difference, or a month ("2026-11"): then of the site as a whole. not_found,
  /// NO_SUCH_DIFFERENCE; conflict, EXPLAINED: it is already.
  virtual async::Task<> explain(SiteId site, std::string key, Explanation explanation) = 0;
  virtual async::Task<std::optional<Explanation>> explanation(SiteId site, std::string key) = 0;
};

}  // namespace hansa::ports
