// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/usage_report.hpp"

#include "broker/cli/commands.hpp"
#include "broker/cli/submission.hpp"

#include <algorithm>
#include <array>

namespace hansa::cli {
namespace {

constexpr const char* kFigures[] = {"runs", "elapsed_s", "core_seconds", "gpu_seconds", "node_seconds"};

}  // namespace

std::vector<std::string> grouped_by(const Json& report) {
  std::vector<std::string> keys;
  if (const auto& by = member(report, "by"); by.is_array()) {
    for (const auto& key : by) {
      if (key.is_string()) keys.push_back(key.get<std::string>());
    }
  }
  return keys;
}

std::string title_of(std::string_view key) {
  auto text = printable(key);
  for (auto& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string usage_csv(const Json& report) {
  const auto keys = grouped_by(report);
  std::string out;
  const auto field = [&](std::string_view text, bool first) { out += (first ? "" : ",") + csv_field(text); };
  for (const auto& key : keys) field(key, &key == keys.data());
  for (const auto* figure : kFigures) field(figure, out.empty());
  out += "\r\n";
  const auto& rows = member(report, "rows");
  if (!rows.is_array()) return out;
  for (const auto& row : rows) {
    for (const auto& key : keys) field(raw_text(row, key.c_str()), &key == keys.data());
    for (const auto* figure : kFigures) out += (figure == kFigures[0] && keys.empty() ? "" : ",") + number_text(row, figure);
    out += "\r\n";
  }
  return out;
}

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
  const auto format = call.has("--json") ? std::string_view("json") : call.value("--format").value_or("table");
  if (format != "table" && format != "csv" && format != "json") {
    return fail(ErrorKind::invalid_argument, "USAGE", "--format must be table, csv or json");
  }
  Target target("/v1/reports/usage");
  std::string by;
  for (const auto key : call.values("--by")) by += (by.empty() ? "" : ",") + std::string(key);
  if (!by.empty()) target.add("by", by);
  for (const auto& [option, parameter] : {std::pair("--from", "from"), std::pair("--to", "to")}) {
    const auto text = call.value(option);
    if (!text) continue;
    const auto moment = parse_moment(option, *text, session.now(), Direction::back);
    if (!moment) return std::unexpected(moment.error());
    target.add(parameter, format_utc(*moment));
  }
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  if (format == "json") {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto report = Session::read(*answer);
  if (!report) return std::unexpected(report.error());
  const auto text = format == "csv" ? usage_csv(*report) : usage_table(*report, session.look());
  if (text.empty())
    session.note("no usage in that time; it is recorded once a job's site has accounted for it");
  else
    session.print(text);
  return ExitStatus::done;
}

}  // namespace hansa::cli
