// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the ledger holds, and the bytes of each record that are hashed: canonical JSON of text and integers, one flat object
// (docs/ledger.md has them byte by byte). A form once released is never changed: a new one gets another "v".
//
// Of a run a record says in public what was used, where and for which project. Whose run it was stands beside the tree: the
// record holds SHA-256(salt || personal part), so that a person can be forgotten and every hash and sum stays as it was.

#include "broker/core/canonical_json.hpp"
#include "broker/core/ulid.hpp"
#include "broker/domain/usage.hpp"
#include "broker/ledger/merkle.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::ledger {

enum class Kind { usage, reversal, adjustment, summary, decision, policy, key, period_open, period_close, tombstone, breakglass };
inline constexpr std::array<std::string_view, 11> kKinds{"usage",        "reversal",  "adjustment", "summary",
                                                         "decision",     "policy",    "key",        "period_open",
                                                         "period_close", "tombstone", "breakglass"};
inline std::string_view to_string(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::optional<Kind> kind_of(std::string_view name);
/// Whether it changes sums.
inline bool has_amounts(Kind kind) { return kind <= Kind::adjustment; }

/// What is summed.
struct Amounts {
  std::int64_t runs = 0;  // 1 of a usage record, -1 of its reversal
  std::int64_t elapsed_s = 0;
  std::int64_t core_seconds = 0;
  std::int64_t gpu_seconds = 0;
  std::int64_t node_seconds = 0;

  [[nodiscard]] Amounts negated() const { return {-runs, -elapsed_s, -core_seconds, -gpu_seconds, -node_seconds}; }
  friend bool operator==(const Amounts&, const Amounts&) = default;
};

/// What a run was for and at whose: the same for many runs. "" and 0: not told, and left out of the record.
struct UsageContext {
  std::string home, home_country;          // the centre of the project's people, and its country
  std::string funding_body, call;
  std::string centre;                      // that runs the site
  std::string allocation;                  // the id of what it was charged to
  std::string label;                       // what the job's data were, labels in their order joined by "+"
  std::string resource;                    // "cpu", "gpu", or the model of GPU that was asked for
  std::string energy_method;               // "ipmi", "rapl", "pm_counters", "gpu", "unstated"; "model": not measured
  std::string energy_scope;                // "exclusive", "shared" (its nodes were others' too), "estimated"
  std::string carbon_source;
  std::int64_t pue_milli = 0, carbon_mg_per_kwh = 0;
  friend auto operator<=>(const UsageContext&, const UsageContext&) = default;
};

/// A record of kind usage, reversal or adjustment, without what is personal.
struct UsageEntry {
  std::int64_t seq = 0;  // its place in the ledger, counted from 0
  Kind kind = Kind::usage;
  std::int64_t at_s = 0;                    // when it was booked; UTC seconds, as all times here
  std::optional<std::int64_t> refers_to;    // of a reversal or an adjustment: the record that it corrects
  std::string reason;                       // why: a code, or of an adjustment its operators' words
  JobId job;
  std::int32_t attempt = 0;
  std::int64_t revision = 0;                // of the run's record: those before it were reversed
  std::string site, country, cluster, site_job_id;
  std::int64_t submitted_s = 0;
  std::optional<std::int64_t> started_s;    // none: never started
  std::int64_t ended_s = 0;
  std::string site_state;
  std::optional<std::int32_t> exit_code;
  std::string project, queue, scheduler_account;
  std::int32_t nodes = 0, cores = 0, gpus = 0;
  Amounts amounts;
  std::string original_period;              // that of `ended_s`, which was closed when this was booked; "": it was not
  UsageContext context;
  std::optional<std::int64_t> energy_j;     // negated as amounts are; none: not known
  std::optional<Hash> personal;             // a usage record has it
};
std::string record_text(const UsageEntry& entry);

/// The personal part of a usage record.
struct Personal {
  std::string salt;         // 16 random bytes
  std::string owner;        // the principal
  std::string pseudonym;    // of the owner, in the month that the run ended in
  std::string account;      // at the site
  std::string source_line;  // the site's own words
};
/// What is hashed of it behind the salt: its own canonical JSON, which has the SHA-256 of the source line.
std::string personal_text(const Personal& personal);
Hash commitment(std::string_view salt, std::string_view personal_text);
/// HMAC-SHA-256 of the principal under the period's key, its first 16 bytes in hex.
std::string pseudonym_of(std::string_view owner, std::string_view period_key);

/// A record of any other kind. Error BAD_RECORD: a field that its kind must have is missing or of another type.
Result<std::string> record_text(std::int64_t seq, Kind kind, std::int64_t at_s, Json fields);

/// A record read back. Views are into the text that was parsed, or into this.
class RecordFields {
 public:
  /// BAD_RECORD: not a flat object of text and integers in its canonical form.
  Result<void> parse(std::string_view text);

  [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const;
  /// What a record of this kind must have and may not lack; the name of the first that is missing or of the wrong type, or "".
  [[nodiscard]] std::string_view missing_for(Kind kind) const;

 private:
  struct Field {
    std::string_view name;
    std::string_view text = {};
    std::int64_t integer = 0;
    bool is_text = false;
    std::size_t unescaped = 0;  // 1 + its place in there, or 0
  };
  [[nodiscard]] const Field* find(std::string_view name) const;

  std::vector<Field> fields_;
  std::vector<std::string> unescaped_;
};

/// "2026-11": a UTC month, which is a period of the ledger.
std::string period_of(std::int64_t unix_seconds);
/// The first second of such a month, and the first after it; none: it is written otherwise.
struct MonthSpan {
  std::int64_t from_s = 0, to_s = 0;
};
std::optional<MonthSpan> span_of(std::string_view period);
/// The same for who asked by that name: invalid_argument, BAD_PERIOD.
Result<MonthSpan> month_named(std::string_view period);

}  // namespace hansa::ledger
