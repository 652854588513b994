// SPDX-License-Identifier: Apache-2.0
#pragma once
// APEL's messages: individual job records (v0.3), summaries of a month (v0.2) and sync records (v0.1), as
// https://docs.egi.eu/internal/accounting/record-and-message-formats/grid-accounting has them and apel 2.5 reads them. Lines of
// "Key: value", a record ends with "%%", a message holds at most 1,000 and begins with its header. docs/exchange-formats.md says
// what becomes which field.
//
// Its server knows a job by site, LocalJobId and EndTime, and one message that it cannot read is refused whole: what it would
// refuse is left out here, with a code that says why, alike in all three kinds, so that sync records count what was sent.

#include "broker/core/clock.hpp"
#include "broker/ledger/exchange.hpp"

#include <functional>
#include <set>
#include <span>
#include <utility>

namespace hansa::ledger {

enum class ApelKind { individual, summary, sync };

inline constexpr std::size_t kApelRecords = 1'000;  // in a message

/// A UTC month.
struct Month {
  std::int64_t year = 0, month = 0;
};

/// As a value of a message: everything but printable ASCII, '%', spaces at an end, and what APEL takes for no value ("none",
/// "null") percent-encoded (RFC 3986, 2.1). What is read back and decoded is the text again.
std::string apel_value(std::string_view text);

struct ApelMessage {
  std::string text;
  std::size_t records = 0;
  /// Of individual records, in their order: each one's place in the ledger and the hash of what stands there.
  std::vector<std::pair<std::int64_t, Hash>> runs;
};

class ApelWriter {
 public:
  struct Options {
    ApelKind kind = ApelKind::individual;
    Month month;             // that all runs ended in
    Persons persons = Persons::hidden;
    UtcTime now{};           // what ends later than a day from now is no run that ended
  };
  /// Takes each message whole. An Error from it ends the writing.
  using Sink = std::function<Result<void>(const ApelMessage& message)>;

  ApelWriter(Options options, Sink sink);

  /// Runs by their ends. Answers why it is left out, or "": NEVER_STARTED, ENDS_BEFORE_START, ENDS_IN_THE_FUTURE,
  /// NEGATIVE_AMOUNT, TEXT_TOO_LONG (for a column of APEL's server), SAME_KEY (as a run that came before it).
  Result<std::string_view> take(const ExchangeRun& run, const ApelSite& site);
  /// Of all sites that were asked for: one without runs has a sync record all the same, of 0 jobs.
  Result<void> finish(std::span<const ApelSite> sites);

 private:
  struct Sum {
    std::int64_t earliest_s = 0, latest_s = 0;
    Amounts amounts;
  };

  [[nodiscard]] std::string_view fault_of(const ExchangeRun& run) const;
  /// Not that of a run before; "" if there is none left.
  std::string job_id_of(const ExchangeRun& run, const ApelSite& site);
  void put_person(std::string& out, const ExchangeRun& run) const;
  [[nodiscard]] std::string individual(const ExchangeRun& run, const ApelSite& site, std::string_view job_id) const;
  /// Of what a summary is the sum: its fields, which are its key at the server.
  [[nodiscard]] std::string summary_head(const ExchangeRun& run, const ApelSite& site) const;
  Result<void> add(std::string_view record);
  Result<void> send();

  Options options_;
  Sink sink_;
  ApelMessage message_;
  std::int64_t ended_s_ = -1;       // of the run before
  std::set<std::string> same_end_;  // keys of runs that ended then
  std::map<std::string, Sum> sums_;
  std::map<std::pair<std::string, std::string>, std::int64_t> counts_;  // by site and submit host
};

}  // namespace hansa::ledger
