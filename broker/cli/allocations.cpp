// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/balance_files.hpp"
#include "broker/cli/changes.hpp"
#include "broker/cli/commands.hpp"
#include "broker/cli/files.hpp"
#include "broker/cli/sheet.hpp"
#include "broker/cli/submission.hpp"
#include "broker/domain/charge.hpp"

namespace hansa::cli {
namespace {

constexpr std::size_t kLongestFile = std::size_t{16} << 20;
constexpr std::size_t kBalancesAtATime = 500;

/// "12.500"; "" where there is none to tell.
std::string units(const Json& json, const char* key) {
  const auto amount = number(json, key);
  return amount ? domain::format_charge({*amount}) : std::string();
}

std::string site_text(const Json& allocation) {
  auto site = shown(allocation, "site");
  return site.empty() ? "any" : site;
}

/// Until when it counts, or since when it is known.
std::string time_text(const Json& allocation) {
  if (!raw_text(allocation, "revoked_at").empty()) return "revoked " + shown(allocation, "revoked_at");
  if (const auto age = number(allocation, "age_s")) return "told " + duration_text(Seconds{*age}) + " ago";
  const auto until = shown(allocation, "until");
  return until.empty() ? "no end" : "until " + until;
}

Cell left_cell(const Json& allocation) {
  const auto left = number(allocation, "left").value_or(0);
  return {units(allocation, "left"), left <= 0 ? Tint::bad : Tint::good};
}

std::string allocation_table(const Json& list, const Look& look) {
  Table table({{"ID"},
               {"KIND"},
               {"PROJECT", false, true},
               {"SITE"},
               {"UNIT"},
               {"GRANTED", true},
               {"RESERVED", true},
               {"USED", true},
               {"LEFT", true},
               {"A DAY", true},
               {"SPENT BY"},
               {"COUNTS", false, true}});
  for (const auto& one : list) {
    const auto& forecast = member(one, "forecast");
    table.add({shown(one, "id"), shown(one, "kind"), shown(one, "project"), site_text(one), shown(one, "unit"),
               units(one, "granted"), units(one, "reserved"), units(one, "used"), left_cell(one), units(forecast, "per_day"),
               shown(forecast, "spent_at"), time_text(one)});
  }
  return table.text(look);
}

std::string granted_line(const Json& allocation) {
  return shown(allocation, "project") + ": " + units(allocation, "granted") + " " + shown(allocation, "unit") + " at " +
         site_text(allocation) + (site_text(allocation) == "any" ? " site" : "");
}

std::string details_text(const Json& details, const Look& look) {
  const auto& one = member(details, "allocation");
  const auto& forecast = member(one, "forecast");
  const auto unit = " " + shown(one, "unit");
  Sheet sheet;
  sheet.line("id", shown(one, "id"));
  sheet.line("kind", shown(one, "kind") == "balance" ? "what the site says is left" : "a budget of this broker's");
  sheet.line("project", shown(one, "project"));
  sheet.line("site", site_text(one));
  sheet.line("granted", units(one, "granted") + unit);
  sheet.line("reserved", units(one, "reserved") + unit);
  sheet.line("used", units(one, "used") + unit);
  sheet.line("left", units(one, "left") + unit, number(one, "left").value_or(0) <= 0 ? Tint::bad : Tint::good);
  sheet.line("counts", "from " + shown(one, "from") + ", " + time_text(one));
  sheet.line("spends", units(forecast, "per_day") + unit + " a day of late");
  if (const auto by = shown(forecast, "spent_at"); !by.empty()) sheet.line("spent by", by);
  if (const auto left = units(forecast, "left_at_end"); !left.empty()) sheet.line("left at its end", left + unit);
  sheet.line("by", shown(one, "by") + ", " + shown(one, "at"));
  sheet.line("note", shown(one, "note"));
  auto text = sheet.text(look);
  if (const auto& kept = member(details, "reservations"); kept.is_array() && !kept.empty()) {
    Table table({{"JOB"}, {"ATTEMPT", true}, {"SITE"}, {"RESERVED", true}, {"USED", true}, {"SINCE"}});
    for (const auto& entry : kept)
      table.add({shown(entry, "job"), number_text(entry, "attempt"), shown(entry, "site"), units(entry, "reserved"),
                 units(entry, "used"), shown(entry, "at")});
    text += "\n" + table.text(look);
  }
  if (const auto& events = member(details, "events"); events.is_array() && !events.empty()) {
    Table table({{"AT"}, {"WHAT"}, {"AMOUNT", true}, {"BY"}, {"NOTE", false, true}});
    for (const auto& event : events)
      table.add({shown(event, "at"), shown(event, "name"), units(event, "amount"), shown(event, "by"), shown(event, "note")});
    text += "\n" + table.text(look);
  }
  return text;
}

Result<std::vector<std::pair<std::string, std::string>>> components_of(const Invocation& call) {
  std::vector<std::pair<std::string, std::string>> components;
  for (const auto text : call.values("--component")) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size())
      return fail(ErrorKind::invalid_argument, "USAGE", "--component takes NAME=UNIT, as gpu=GPU-hours");
    components.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return components;
}

}  // namespace

Result<ExitStatus> allocation_list(Session& session, const Invocation& call) {
  Target target("/v1/allocations");
  if (const auto project = call.value("--project")) target.add("project", *project);
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto json = Session::read(*answer);
  if (!json) return std::unexpected(json.error());
  const auto& list = member(*json, "allocations");
  if (!list.is_array() || list.empty())
    session.note("no project of yours has an allocation; sites that want none take jobs without");
  else
    session.print(allocation_table(list, session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> allocation_show(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", "/v1/allocations/" + percent_encoded(call.operands()[0]));
  if (!answer) return std::unexpected(answer.error());
  const auto details = Session::read(*answer);
  if (!details) return std::unexpected(details.error());
  session.print(call.has("--json") ? answer->body : details_text(*details, session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> allocation_grant(Session& session, const Invocation& call) {
  const auto unit = call.value("--unit");
  if (!unit)
    return fail(ErrorKind::invalid_argument, "USAGE",
                "hansa allocation grant needs --unit: what sites charge in, as core-hours; see: hansa allocation grant --help");
  Json request{{"project", call.operands()[0]}, {"amount", call.operands()[1]}, {"unit", *unit}};
  put_text(request, "site", call.value("--site"));
  for (const auto& [option, field] : {std::pair("--from", "from"), std::pair("--until", "until")}) {
    const auto text = call.value(option);
    if (!text) continue;
    const auto moment = parse_moment(option, *text, session.now(), Direction::forward);
    if (!moment) return std::unexpected(moment.error());
    request[field] = format_utc(*moment);
  }
  put_text(request, "reason", call.value("--reason"));
  const auto answer = session.send("POST", "/v1/allocations", dumped(request));
  if (!answer) return std::unexpected(answer.error());
  const auto granted = Session::read(*answer);
  if (!granted) return std::unexpected(granted.error());
  session.print(call.has("--json") ? answer->body : shown(*granted, "id") + "\n");
  if (!call.has("--json")) session.note("granted to " + granted_line(*granted) + ", " + time_text(*granted));
  return ExitStatus::done;
}

Result<ExitStatus> allocation_revoke(Session& session, const Invocation& call) {
  Json request = Json::object();
  put_text(request, "reason", call.value("--reason"));
  const auto answer = session.send("POST", "/v1/allocations/" + percent_encoded(call.operands()[0]) + "/revoke", dumped(request));
  if (!answer) return std::unexpected(answer.error());
  const auto revoked = Session::read(*answer);
  if (!revoked) return std::unexpected(revoked.error());
  session.print(call.has("--json")
                    ? answer->body
                    : shown(*revoked, "id") + " is revoked; what was kept of it for jobs (" + units(*revoked, "reserved") + " " +
                          shown(*revoked, "unit") + ") stays until they end\n");
  return ExitStatus::done;
}

Result<ExitStatus> allocation_release(Session& session, const Invocation& call) {
  const auto reason = call.value("--reason");
  if (!reason)
    return fail(ErrorKind::invalid_argument, "USAGE", "hansa allocation release needs --reason: why nobody will ever tell that usage");
  const Json request{{"job", call.operands()[0]}, {"reason", *reason}};
  const auto answer = session.send("POST", "/v1/allocations/release", dumped(request));
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto json = Session::read(*answer);
  if (!json) return std::unexpected(json.error());
  for (const auto& one : member(*json, "released"))
    session.print("attempt " + number_text(one, "attempt") + " at " + shown(one, "site") + ": " + units(one, "reserved") + " " +
                  shown(one, "unit") + " let go\n");
  return ExitStatus::done;
}

Result<ExitStatus> allocation_import(Session& session, const Invocation& call) {
  const std::string file(call.operands()[0]);
  Result<std::string> text = std::string();
  if (file == "-") {
    text = session.outside().in(kLongestFile);
    if (text && text->size() > kLongestFile)
      return fail(ErrorKind::invalid_argument, "USAGE", "standard input is longer than 16 MiB: import it in pieces");
  } else {
    auto read = read_file(file, kLongestFile);
    text = read ? Result<std::string>(std::move(read->text)) : std::unexpected(read.error());
  }
  if (!text) return std::unexpected(text.error());
  BalanceOptions options;
  if (const auto site = call.value("--site")) options.site = *site;
  auto components = components_of(call);
  if (!components) return std::unexpected(components.error());
  options.components = std::move(*components);
  const auto list = balances_in(*text, options);
  if (!list) return std::unexpected(list.error());
  std::int64_t taken = 0, older = 0;
  for (std::size_t from = 0; from < list->size(); from += kBalancesAtATime) {
    Json request{{"balances", Json::array()}};
    put_text(request, "reason", call.value("--reason"));
    for (auto i = from; i < std::min(from + kBalancesAtATime, list->size()); ++i) request["balances"].push_back((*list)[i]);
    const auto answer = session.send("POST", "/v1/allocations/balances", dumped(request));
    if (!answer) return std::unexpected(answer.error());
    const auto told = Session::read(*answer);
    if (!told) return std::unexpected(told.error());
    taken += number(*told, "taken").value_or(0);
    older += number(*told, "older").value_or(0);
  }
  if (call.has("--json"))
    session.print(dumped({{"taken", taken}, {"older", older}}) + "\n");
  else
    session.print(std::to_string(taken) + " balances taken" +
                  (older > 0 ? ", " + std::to_string(older) + " left out: something younger is known" : "") + "\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
