// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/usage_report.hpp"

#include "broker/cli/commands.hpp"
#include "broker/cli/report.hpp"

#include <algorithm>
#include <array>

namespace hansa::cli {
namespace {

constexpr const char* kFigures[] = {"runs", "elapsed_s", "core_seconds", "gpu_seconds", "node_seconds"};

}  // namespace

std::string usage_csv(const Json& report) { return report_csv(report, kFigures); }

std::string usage_table(const Json& report, const Look& look) {
  const auto keys = grouped_by(report);
  std::vector<std::string> titles;
  for (const auto& key : keys) titles.push_back(title_of(key));
  std::vector<Column> columns;
  for (const auto& title : titles) columns.push_back({title, false, true});
  for (const auto* title : {"RUNS", "ELAPSED", "CORE-SECONDS", "GPU-SECONDS", "NODE-SECONDS"}) columns.push_back({title, true});
  Table table(columns);
  std::array<std::int64_t, std::size(kFigures)> total{};
  const auto figures = [](std::vector<Cell>& row, const std::array<std::int64_t, std::size(kFigures)>& values, Tint tint) {
    for (std::size_t i = 0; i < values.size(); ++i)
      row.emplace_back(i == 1 ? duration_text(Seconds{values[i]}) : std::to_string(values[i]), tint);
  };
  const auto& rows = member(report, "rows");
  if (!rows.is_array() || rows.empty()) return {};
  for (const auto& entry : rows) {
    std::vector<Cell> row;
    for (const auto& key : keys) row.emplace_back(shown(entry, key.c_str()));
    std::array<std::int64_t, std::size(kFigures)> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = number(entry, kFigures[i]).value_or(0);
      total[i] = std::clamp(total[i] + values[i], -kMostExact, kMostExact);
    }
    figures(row, values, Tint::none);
    table.add(std::move(row));
  }
  if (rows.size() > 1) {
    std::vector<Cell> row;
    for (std::size_t i = 0; i < keys.size(); ++i) row.emplace_back(i == 0 ? "total" : "", Tint::strong);
    figures(row, total, Tint::strong);
    table.add(std::move(row));
  }
  return table.text(look);
}

Result<ExitStatus> report_usage(Session& session, const Invocation& call) {
  return print_report(session, call,
                      {.path = "/v1/reports/usage",
                       .moments = {"--from", "--to"},
                       .csv = usage_csv,
                       .table = usage_table,
                       .nothing = "no usage in that time; it is recorded once a job's site has accounted for it"});
}

}  // namespace hansa::cli
