// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/estimate_report.hpp"

#include "broker/cli/commands.hpp"
#include "broker/cli/submission.hpp"
#include "broker/cli/usage_report.hpp"

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

std::string estimates_csv(const Json& report) {
  const auto keys = grouped_by(report);
  std::string out;
  const auto field = [&](std::string_view text, bool first) { out += (first ? "" : ",") + csv_field(text); };
  for (const auto& key : keys) field(key, &key == keys.data());
  for (const auto* figure : kEstimateFigures) field(figure, out.empty());
  out += "\r\n";
  const auto& rows = member(report, "rows");
  if (!rows.is_array()) return out;
  for (const auto& row : rows) {
    for (const auto& key : keys) field(raw_text(row, key.c_str()), &key == keys.data());
    for (const auto* figure : kEstimateFigures) {
      out += figure == kEstimateFigures[0] && keys.empty() ? "" : ",";
      if (number(row, figure)) out += number_text(row, figure);  // "" where there is none to tell
    }
    out += "\r\n";
  }
  return out;
}

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
  const auto format = call.has("--json") ? std::string_view("json") : call.value("--format").value_or("table");
  if (format != "table" && format != "csv" && format != "json") {
    return fail(ErrorKind::invalid_argument, "USAGE", "--format must be table, csv or json");
  }
  Target target("/v1/reports/estimates");
  std::string by;
  for (const auto key : call.values("--by")) by += (by.empty() ? "" : ",") + std::string(key);
  if (!by.empty()) target.add("by", by);
  if (const auto since = call.value("--since")) {
    const auto moment = parse_moment("--since", *since, session.now(), Direction::back);
    if (!moment) return std::unexpected(moment.error());
    target.add("since", format_utc(*moment));
  }
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  if (format == "json") {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto report = Session::read(*answer);
  if (!report) return std::unexpected(report.error());
  const auto text = format == "csv" ? estimates_csv(*report) : estimates_table(*report, session.look());
  if (text.empty())
    session.note("no job has started in that time");
  else
    session.print(text);
  return ExitStatus::done;
}

}  // namespace hansa::cli
