// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/estimate_report.hpp"

#include "broker/cli/commands.hpp"
#include "broker/cli/report.hpp"

#include <algorithm>

namespace hansa::cli {
namespace {

constexpr const char* kEstimateFigures[] = {"starts",     "estimated",   "within_p50", "ranged",
                                            "within_p90", "predicted_s", "actual_s",   "error_s"};

std::string duration_of(const Json& row, const char* key) {
  const auto seconds = number(row, key);
  return seconds ? duration_text(Seconds{*seconds}) : std::string("-");
}

std::string share(const Json& row, const char* part, const char* whole) {
  const auto of = number(row, whole).value_or(0);
  if (of <= 0) return "-";
  const auto some = std::clamp<std::int64_t>(number(row, part).value_or(0), 0, of);
  // A server may say anything: no product of what it said.
  const auto percent = of < kMostExact / 200 ? (some * 100 + of / 2) / of : some / (of / 100);
  return std::to_string(percent) + " %";
}

}  // namespace

std::string estimates_csv(const Json& report) { return report_csv(report, kEstimateFigures); }

std::string estimates_table(const Json& report, const Look& look) {
  const auto keys = grouped_by(report);
  const auto& rows = member(report, "rows");
  if (!rows.is_array() || rows.empty()) return {};
  std::vector<std::string> titles;
  for (const auto& key : keys) titles.push_back(title_of(key));
  std::vector<Column> columns;
  for (const auto& title : titles) columns.push_back({title, false, true});
  for (const auto* title : {"STARTS", "PREDICTED", "WAITED", "WITHIN P50", "WITHIN P90", "OFF BY"})
    columns.push_back({title, true});
  Table table(columns);
  for (const auto& entry : rows) {
    std::vector<Cell> row;
    for (const auto& key : keys) row.emplace_back(shown(entry, key.c_str()));
    row.emplace_back(number_text(entry, "starts"));
    row.emplace_back(duration_of(entry, "predicted_s"));
    row.emplace_back(duration_of(entry, "actual_s"));
    row.emplace_back(share(entry, "within_p50", "estimated"));
    row.emplace_back(share(entry, "within_p90", "ranged"));
    row.emplace_back(duration_of(entry, "error_s"));
    table.add(std::move(row));
  }
  return table.text(look);
}

Result<ExitStatus> report_estimates(Session& session, const Invocation& call) {
  return print_report(session, call,
                      {.path = "/v1/reports/estimates",
                       .moments = {"--since"},
                       .csv = estimates_csv,
                       .table = estimates_table,
                       .nothing = "no job has started in that time"});
}

}  // namespace hansa::cli
