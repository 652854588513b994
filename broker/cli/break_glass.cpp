// SPDX-License-Identifier: Apache-2.0
// What is a job's owner's alone, opened to an operator in an incident; and what a job was given.
#include "broker/cli/commands.hpp"
#include "broker/cli/show_answer.hpp"

#include <algorithm>

namespace hansa::cli {
namespace {

std::string glass_path(const Invocation& call, const char* end = "") {
  return "/v1/break-glass/" + percent_encoded(call.operands()[0]) + end;
}

std::string glass_text(const Json& glass) {
  const auto state = raw_text(glass, "state"), id = shown(glass, "id");
  auto text = id + " is " + shown(glass, "state") + ", " + shown(glass, "scope");
  if (state == "pending")
    text += ": another operator says yes with: hansa break-glass approve " + id;
  else if (state == "open")
    text += " for " + shown(glass, "by") + ", until " + shown(glass, "until") + "; before that: hansa break-glass end " + id;
  else if (state == "ended")
    text += " (" + shown(glass, "why") + "), used " + number_text(glass, "uses") + " times";
  return text + "\n";
}

Result<ExitStatus> glass_step(Session& session, const Invocation& call, const char* name) {
  return show_answer(session, call, "POST", glass_path(call, name), Json::object(), glass_text);
}

std::string glass_details(const Json& glass, const Look& look) {
  auto text = glass_text(glass);
  text += "asked for by " + or_nobody(glass, "by") + " at " + shown(glass, "at") + ": " + shown(glass, "reason") + "\n";
  if (!raw_text(glass, "ruled_by").empty())
    text += (raw_text(glass, "until").empty() ? "rejected by " : "approved by ") + shown(glass, "ruled_by") + " at " +
            shown(glass, "ruled_at") + "\n";
  Table used({{"JOB"}, {"DONE", false, true}, {"FIRST"}, {"LAST"}, {"TIMES", true}});
  for (const auto& one : member(glass, "used"))
    used.add({raw_text(one, "job").empty() ? "all" : shown(one, "job"), shown(one, "operation"), shown(one, "first_at"),
              shown(one, "last_at"), number_text(one, "times")});
  Table steps({{"RECORD", true}, {"STEP"}, {"AT"}});
  for (const auto& one : member(glass, "steps")) steps.add({number_text(one, "record"), shown(one, "event"), shown(one, "at")});
  if (!used.empty()) text += used.text(look);
  return text + (steps.empty() ? "" : "in the ledger:\n" + steps.text(look));
}

/// Somebody else's lines: nothing in them moves the cursor.
std::string fit_for_terminal(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines += printable(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

Result<ExitStatus> break_glass_request(Session& session, const Invocation& call) {
  Error wrong{.kind = ErrorKind::invalid_argument, .code = "USAGE", .message = {}};
  for (const auto* option : {"--scope", "--for", "--reason"}) {
    if (!call.value(option)) wrong.faults.push_back({.where = option, .message = "is needed"});
  }
  const auto lasts = parse_duration(call.value("--for").value_or("1h"));
  if (!lasts) wrong.faults.push_back({.where = "--for", .message = lasts.error().message});
  if (!wrong.faults.empty()) {
    wrong.message =
        "hansa break-glass request wants --scope job:ID or person:NAME, --for 1h, and --reason, which whose data it is "
        "can read";
    return std::unexpected(std::move(wrong));
  }
  return show_answer(session, call, "POST", "/v1/break-glass",
                     {{"scope", *call.value("--scope")}, {"reason", *call.value("--reason")}, {"lasts_s", lasts->count()}},
                     glass_text);
}

Result<ExitStatus> break_glass_approve(Session& session, const Invocation& call) { return glass_step(session, call, "/approve"); }
Result<ExitStatus> break_glass_reject(Session& session, const Invocation& call) { return glass_step(session, call, "/reject"); }
Result<ExitStatus> break_glass_end(Session& session, const Invocation& call) { return glass_step(session, call, "/end"); }

Result<ExitStatus> break_glass_show(Session& session, const Invocation& call) {
  return show_answer(session, call, "GET", glass_path(call), {},
                     [&](const Json& glass) { return glass_details(glass, session.look()); });
}

Result<ExitStatus> break_glass_list(Session& session, const Invocation& call) {
  Target target("/v1/break-glass");
  for (const auto* option : {"--state", "--limit"}) {
    if (const auto value = call.value(option)) target.add(option + 2, *value);
  }
  return show_answer(session, call, "GET", target.str(), {}, [&](const Json& answer) {
    Table table({{"ID"},
                 {"STATE"},
                 {"SCOPE"},
                 {"WHOSE"},
                 {"ASKED"},
                 {"BY"},
                 {"RULED BY"},
                 {"UNTIL"},
                 {"ENDED"},
                 {"USES", true},
                 {"REASON", false, true}});
    for (const auto& one : member(answer, "break_glass")) {
      table.add({shown(one, "id"), Cell(shown(one, "state"), tint_of(raw_text(one, "state"))), shown(one, "scope"),
                 or_nobody(one, "person"), shown(one, "at"), or_nobody(one, "by"), or_nobody(one, "ruled_by"),
                 shown(one, "until"), shown(one, "ended_at"), number_text(one, "uses"), shown(one, "reason")});
    }
    if (table.empty()) session.note("nothing was opened or asked for");
    return table.empty() ? std::string() : table.text(session.look());
  });
}

Result<ExitStatus> script(Session& session, const Invocation& call) {
  return show_answer(session, call, "GET", "/v1/jobs/" + percent_encoded(call.operands()[0]) + "/script", {},
                     [&](const Json& given) {
                       const auto text = raw_text(given, "script");
                       return session.look().width > 0 ? fit_for_terminal(text) : text;
                     });
}

}  // namespace hansa::cli
