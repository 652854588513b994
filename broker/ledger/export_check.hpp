// SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks an export of the ledger (docs/ledger.md) off line, a piece of the file at a time: every hash, the tree, the signatures
// and the chain of keys behind them, that no run is counted twice, that corrections are of what was booked, and the sums.
// Believes nothing of the file but what it holds against a signature.

#include "broker/ledger/close_statement.hpp"
#include "broker/ledger/note.hpp"
#include "broker/ledger/record.hpp"

#include <array>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hansa::ledger {

inline constexpr std::string_view kExportFormat = "hansa-ledger-export/1";

/// The first line of an export, without its newline. `witnesses`: the keys of all cosignatures in the note.
std::string export_header(const Note& checkpoint, const std::vector<Verifier>& witnesses, bool with_personal);
/// The line that follows a usage record in an export with personal parts; without them (erased): "-".
std::string personal_line(const Personal& personal);

class ExportCheck {
 public:
  struct Wanted {
    std::optional<Verifier> key;       // one that the ledger has, or had: whoever made the file did not make that up
    std::vector<Verifier> witnesses;   // each must have cosigned the checkpoint
    std::int64_t also_of = -1;         // Facts::also_root is the root of so many records
    std::function<void(const RecordFields&)> on_run = {};  // each record of runs, in their order
  };
  struct Sum {
    Amounts amounts;
    std::int64_t corrections = 0;      // reversals and adjustments among its records
  };
  /// Of a `decision` record: so many decisions, of those sequences, have this root.
  struct DecisionRoot {
    std::int64_t record = 0, first = 0, last = 0, decisions = 0;
    std::string root;  // hex
  };
  struct Facts {
    Checkpoint checkpoint;
    std::vector<Verifier> keys;        // of the log, oldest first; the last one signed
    std::vector<Signature> cosignatures;
    std::map<std::string, std::int64_t> kinds;                         // how many records of each
    std::map<std::pair<std::string, std::string>, Sum> sums;           // by project and site
    std::int64_t personal_parts = 0, erased = 0;
    std::int64_t buried = 0;                                           // records that tombstones tell of
    std::int64_t closes_not_kept = 0;                                  // of months: what they rest on was not kept then
    std::vector<DecisionRoot> decisions;
    std::optional<Hash> also_root;
  };

  explicit ExportCheck(Wanted wanted) : wanted_(std::move(wanted)) {}

  /// LEDGER_ALTERED: what is wrong, and in which line. Nothing is to be taken after an error.
  Result<void> take(std::string_view bytes);
  Result<Facts> finish();

 private:
  using Digest = std::array<std::uint8_t, 16>;  // of several fields: a million of them fit into memory
  struct FirstBytes {
    std::size_t operator()(const Digest& digest) const;
  };
  using Number = std::uint32_t;  // of a few texts that many records have in common
  struct Booked {
    Amounts amounts;
    std::optional<std::int64_t> energy_j = {};
    Digest whole{};     // all that a reversal repeats
    Number place = 0;   // project and site
    bool reversed = false;
  };
  struct Run {
    std::int64_t newest = 0;    // its usage record
    std::int64_t revision = 0;
    Number claim = 0;           // what no revision changes
  };
  Result<void> take_line(std::string_view line);
  Result<void> take_header(std::string_view line);
  Result<void> take_record(std::string_view line);
  Result<void> take_personal(std::string_view line);
  Result<void> take_close(std::string_view line);
  Result<void> take_amounts(Kind kind);
  Result<void> take_usage(const Amounts& amounts);
  Result<void> take_correction(Kind kind, const Amounts& amounts);
  void join(std::span<const std::string_view> fields);
  Digest digest_of(std::span<const std::string_view> fields);
  Number number_of(std::span<const std::string_view> fields);
  Result<void> take_key();
  Result<void> take_summary();
  Result<void> take_tombstone();
  Result<void> take_break_glass();
  Result<void> take_period(Kind kind);
  Result<void> check_month() const;
  [[nodiscard]] std::unexpected<Error> altered(const std::string& what) const;

  Wanted wanted_;
  Facts facts_;
  Note note_;
  std::vector<Verifier> witnesses_;
  bool with_personal_ = false;
  std::optional<std::string> expected_personal_;  // the commitment, in hex, of the record before
  std::optional<Close> expected_close_;           // the record before: what it rests on follows
  bool closes_are_kept_ = false;                  // since one was
  std::string rest_;                              // of a line that has not ended yet
  std::int64_t lines_ = 0;
  Peaks tree_;
  RecordFields fields_;
  std::string joined_;             // fields, each with its length: what digests and numbers are of
  std::unordered_map<std::string, Number> numbers_;
  std::unordered_map<Digest, Run, FirstBytes> runs_;  // by what names a run
  std::vector<Booked> booked_;     // by seq
  std::vector<std::int64_t> kinds_ = std::vector<std::int64_t>(kKinds.size());
  struct Month {
    Amounts sum;
    std::set<std::string, std::less<>> sites;  // that have records of runs in it
  };
  std::map<std::string, Month> periods_;
  std::map<std::string, bool, std::less<>> months_;  // that were opened, and whether they are closed
  struct Glass {
    std::optional<std::int64_t> until = {};  // none: not approved yet
    bool over = false;
  };
  std::map<std::string, Glass, std::less<>> glasses_;  // by id
  std::string summarised_;                           // the month of the record before, if that is a summary
};

}  // namespace hansa::ledger
