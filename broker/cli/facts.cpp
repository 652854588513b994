// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/changes.hpp"
#include "broker/cli/commands.hpp"
#include "broker/cli/pages.hpp"
#include "broker/cli/submission.hpp"
#include "policies/rules/vocabulary.hpp"

#include <charconv>

namespace hansa::cli {
namespace {

constexpr std::pair<std::string_view, std::string_view> kFactWords[] = {
    {"/subject", "SUBJECT"}, {"/attribute", "ATTRIBUTE"}, {"/value", "VALUE"},     {"/as_of", "--as-of"},
    {"/until", "--until"},   {"/evidence", "--evidence"}, {"/reason", "--reason"},
};

/// As the attribute's type has it. What cannot be read so is sent as it stands: the broker says what is allowed.
Json value_of(std::string_view attribute, std::string_view text) {
  const auto* record = rules::find_attribute(attribute);
  if (record == nullptr) return text;
  if (rules::is_several(record->type)) {
    Json list = Json::array();
    while (!text.empty()) {
      const auto comma = text.find(',');
      list.push_back(text.substr(0, comma));
      text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    }
    return list;
  }
  if (record->type == rules::Type::boolean && (text == "true" || text == "false")) return text == "true";
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (record->type == rules::Type::integer && error == std::errc{} && end == text.data() + text.size()) return number;
  return text;
}

std::string value_text(const Json& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  if (value.is_array()) return value.empty() ? "none" : listed(value);
  return value.is_primitive() && !value.is_null() ? value.dump() : std::string();
}

std::string statement_text(const Json& said) {
  if (!said.is_object()) return "unknown";
  auto text = value_text(member(said, "value"));
  if (const auto as_of = shown(said, "as_of"); !as_of.empty()) text += ", as of " + as_of;
  if (const auto until = shown(said, "until"); !until.empty()) text += ", until " + until;
  if (const auto evidence = shown(said, "evidence"); !evidence.empty()) text += " (" + evidence + ")";
  return text;
}

std::string fact_table(const Json& list, const Look& look) {
  Table table({{"ATTRIBUTE"}, {"VALUE", false, true}, {"STATE"}, {"SOURCE"}, {"AS OF"}, {"UNTIL"}, {"EVIDENCE", false, true}});
  for (const auto& fact : list) {
    const auto state = shown(fact, "state");
    const auto change = shown(fact, "change");
    table.add({shown(fact, "attribute"), shown(fact, "value"),
               Cell(state, state == "known"     ? Tint::good
                           : state == "missing" ? Tint::none
                                                : Tint::bad),
               change.empty() ? shown(fact, "source") : "change " + change, shown(fact, "as_of"), shown(fact, "until"),
               shown(fact, "evidence")});
  }
  return table.text(look);
}

}  // namespace

const Register& facts() {
  static constexpr Register kFacts{
      .group = "facts", .name = "facts", .filter = "subject", .heading = "SUBJECT", .words = kFactWords};
  return kFacts;
}

std::string fact_change_text(const Json& change) {
  const auto& details = member(change, "details");
  return shown(change, "attribute") + ": " + statement_text(member(details, "before")) + " -> " +
         statement_text(member(details, "after"));
}

Result<ExitStatus> facts_show(Session& session, const Invocation& call) {
  Target of("/v1/facts");
  of.add("subject", call.operands()[0]);
  const auto answer = session.send("GET", of.str());
  if (!answer) return std::unexpected(answer.error());
  const auto json = Session::read(*answer);
  if (!json) return std::unexpected(json.error());
  const auto& list = member(*json, "facts");
  if (!list.is_array())
    return fail(ErrorKind::internal, "BAD_ANSWER", "what answers there is no Hansa broker; check the address");
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  session.print(fact_table(list, session.look()));
  // Changes are for operators and auditors: others see what is so.
  Target waiting("/v1/changes");
  waiting.add("subject", call.operands()[0]).add("state", "pending");
  const auto pages = read_pages(session, waiting, "changes", kUsualCount);
  if (!pages && pages.error().kind != ErrorKind::permission_denied) return std::unexpected(pages.error());
  if (pages && !pages->list.empty()) session.print("\n" + change_table(facts(), pages->list, session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> facts_set(Session& session, const Invocation& call) {
  const std::string_view what = call.operands()[1];
  const auto equals = what.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return fail(ErrorKind::invalid_argument, "USAGE",
                "say what is so as ATTRIBUTE=VALUE: site.operator_country=FI, project.labels=internal,health");
  }
  const auto attribute = what.substr(0, equals);
  Json request{
      {"subject", call.operands()[0]}, {"attribute", attribute}, {"value", value_of(attribute, what.substr(equals + 1))}};
  for (const auto& [option, field, direction] :
       {std::tuple("--as-of", "as_of", Direction::back), std::tuple("--until", "until", Direction::forward)}) {
    const auto text = call.value(option);
    if (!text) continue;
    const auto moment = parse_moment(option, *text, session.now(), direction);
    if (!moment) return std::unexpected(moment.error());
    request[field] = format_utc(*moment);
  }
  put_text(request, "evidence", call.value("--evidence"));
  put_text(request, "reason", call.value("--reason"));
  return ask(session, call, facts(), "POST", "/v1/facts", dumped(request));
}

Result<ExitStatus> facts_withdraw(Session& session, const Invocation& call) {
  Json request{{"subject", call.operands()[0]}, {"attribute", call.operands()[1]}, {"value", nullptr}};
  put_text(request, "reason", call.value("--reason"));
  return ask(session, call, facts(), "POST", "/v1/facts", dumped(request));
}

Result<ExitStatus> facts_changes(Session& session, const Invocation& call) { return list_changes(session, call, facts()); }
Result<ExitStatus> facts_approve(Session& session, const Invocation& call) {
  return rule_on_change(session, call, facts(), "approve");
}
Result<ExitStatus> facts_reject(Session& session, const Invocation& call) {
  return rule_on_change(session, call, facts(), "reject");
}

}  // namespace hansa::cli
