// SPDX-License-Identifier: Apache-2.0
#pragma once
// What reports there are: their names, columns, and who may see them. One more report is
//  1. a declaration in report.cpp, or report_registers.cpp (name, title, what it may be grouped by, its figures);
//  2. a producer of its rows under the same name (broker/store/reports.cpp), which gives cells in the order of columns_of();
//  3. its golden files (tests/data/reports), each format.
// Everything else (query, right, period, formats, manifest, JSON Schema, command line) goes by the declaration. One more format
// is a ReportWriter (report_writer.hpp).

#include "broker/ports/reports.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::ledger {

enum class CellKind {
  text,
  count,    // a whole number
  seconds,  // named "..._seconds" or "..._s": in hours beside, three decimals (report_writer.hpp)
  joules,   // named "..._j": in kWh beside
  time,     // UTC seconds since 1970; written 2026-11-30T00:00:00Z
  units,    // 1/3,600,000 of an allocation's unit, named "..._exact": in units beside, three decimals
  grams,    // of CO2e, in 1/3.6e12 g: joules times thousandths of PUE times mg/kWh; written as grams alone, three decimals
  permille, // written as per cent, one decimal
};

struct Column {
  std::string_view name;
  CellKind kind = CellKind::text;
  bool summed = false;  // a total is shown of it
  std::string_view about = {};
};

/// Who may have a report: everybody's records are for operators and auditors; `own` also for a person, of their own alone.
/// `protection`: who may see how people's data are protected. Of a part: ReportKind::of_projects, of_sites.
enum class Audience { own, all, protection };

struct ReportKind {
  std::string_view name;   // in GET /v1/reports/{name} and hansa report NAME
  std::string_view title;
  Audience audience = Audience::all;
  std::vector<ports::Dimension> may_by;     // empty: its rows are as they are
  std::vector<ports::Dimension> usual_by;
  bool may_slice = false;                   // sums of runs, which can be cut at the bounds of a period
  bool may_withhold = false;                // groups of few persons, for a third party
  bool is_graded = false;                   // it sums usage, which sites vouch for
  bool is_log = false;                      // newest first; of one person, or the newest rows alone, if asked
  bool of_projects = false;                 // may be limited to some; so their leads have it
  bool of_sites = false;                    // the same of sites and their operators
  bool of_jobs = false;                     // a row is of one job, so of a person: who has others' is on record
  std::vector<Column> columns;              // behind those it is grouped by
  std::vector<std::string_view> formats = {"table", "csv", "json"};
};

std::span<const ReportKind> report_kinds();
const ReportKind* find_report(std::string_view name);

/// Why the figures of a row are not there: in its last column, of reports for third parties.
inline constexpr std::string_view kWithheld = "<5 people";

/// The columns of an answer: what it is grouped by, its own, and for a third party "withheld".
std::vector<Column> columns_of(const ReportKind& kind, const std::vector<ports::Dimension>& by, bool for_third_party = false);

/// Of what a run used between start and end that between from and to, by what it had used at each moment if it used it evenly, in
/// whole units: so the parts of any division of time add up to the amount exactly, and those of a reversal to what they take
/// back. A run without a duration used it all at its end.
std::int64_t part_of(std::int64_t amount, std::int64_t start, std::int64_t end, std::int64_t from, std::int64_t to);

/// What stands above the rows, and in the manifest.
struct ReportHead {
  const ReportKind* kind = nullptr;
  ports::ReportQuery query;
  std::vector<Column> columns;
  std::string root;  // of the tree of query.size records, base 64
  std::string grade;  // how far sites vouch for it, then each: "C: the broker's own jobs only (alpha=C beta=A)"; "": not said
  std::string origin;  // of the ledger
};

}  // namespace hansa::ledger
