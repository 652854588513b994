// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/report.hpp"

#include "broker/cli/submission.hpp"
#include "broker/core/time_text.hpp"

namespace hansa::cli {

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

std::string report_csv(const Json& report, std::span<const char* const> figures) {
  const auto keys = grouped_by(report);
  std::string out;
  const auto field = [&](std::string_view text, bool first) { out += (first ? "" : ",") + csv_field(text); };
  for (const auto& key : keys) field(key, &key == keys.data());
  for (const auto* figure : figures) field(figure, out.empty());
  out += "\r\n";
  const auto& rows = member(report, "rows");
  if (!rows.is_array()) return out;
  for (const auto& row : rows) {
    for (const auto& key : keys) field(raw_text(row, key.c_str()), &key == keys.data());
    for (const auto* figure : figures) {
      out += figure == figures[0] && keys.empty() ? "" : ",";
      if (number(row, figure)) out += number_text(row, figure);
    }
    out += "\r\n";
  }
  return out;
}

void add_limits(Target& target, const Invocation& call) {
  for (const auto option : {"--project", "--site"}) {
    for (const auto id : call.values(option)) target.add(std::string_view(option).substr(2), id);
  }
}

Result<ExitStatus> print_report(Session& session, const Invocation& call, const ReportKind& kind) {
  const auto format = call.has("--json") ? std::string_view("json") : call.value("--format").value_or("table");
  if (format != "table" && format != "csv" && format != "json") {
    return fail(ErrorKind::invalid_argument, "USAGE", "--format must be table, csv or json");
  }
  Target target{std::string(kind.path)};
  std::string by;
  for (const auto key : call.values("--by")) by += (by.empty() ? "" : ",") + std::string(key);
  if (!by.empty()) target.add("by", by);
  add_limits(target, call);
  for (const auto option : kind.moments) {
    const auto text = call.value(option);
    if (!text) continue;
    const auto moment = parse_moment(option, *text, session.now(), Direction::back);
    if (!moment) return std::unexpected(moment.error());
    target.add(option.substr(2), format_utc(*moment));
  }
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  if (format == "json") {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto report = Session::read(*answer);
  if (!report) return std::unexpected(report.error());
  const auto text = format == "csv" ? kind.csv(*report) : kind.table(*report, session.look());
  if (text.empty())
    session.note(std::string(kind.nothing));
  else
    session.print(text);
  return ExitStatus::done;
}

}  // namespace hansa::cli
