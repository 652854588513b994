// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `hansa report apel` and `hansa report waldur` ask for, and the runs that they are made of.

#include "broker/cli/command_line.hpp"
#include "broker/cli/ledger_link.hpp"
#include "broker/ledger/apel.hpp"
#include "broker/ledger/report_manifest.hpp"

namespace hansa::cli {

struct WantedRuns {
  std::string month_text;  // "2026-11"
  ledger::Month month;
  UtcTime from{}, to{};
  std::optional<std::string> site;
  ledger::Persons persons = ledger::Persons::hidden;
  std::string output;
};
/// --month, --site, --pseudonyms, --personal and --output.
Result<WantedRuns> wanted_runs(const Invocation& call, UtcTime now);

/// What sites are called elsewhere, of those that are wanted. not_found, NO_SUCH_SITE.
Result<std::vector<ledger::ExchangeSite>> exchange_sites(Session& session, const WantedRuns& wanted);

/// The runs of the month that the ledger's first `size` records have in force, by their ends, adjusted. Holds one page.
Result<void> stream_runs(Session& session, const WantedRuns& wanted, std::int64_t size,
                         const std::function<Result<void>(const ledger::ExchangeRun& run)>& take);

/// Of a report of such runs; its file's own fields are the caller's.
ledger::ReportManifest manifest_of(const WantedRuns& wanted, std::string report, const ledger::Note& checkpoint, UtcTime now);

}  // namespace hansa::cli
