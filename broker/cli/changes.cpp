// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/changes.hpp"

#include "broker/cli/pages.hpp"
#include "broker/cli/submission.hpp"

namespace hansa::cli {
namespace {

/// The broker's faults, their places in the words of the command line.
Error in_words(Error error, const Register& of) {
  for (auto& [where, message] : error.faults) {
    for (const auto& [pointer, word] : of.words) {
      if (where == pointer || where.starts_with(std::string(pointer) + "/")) {
        where = word;
        break;
      }
    }
  }
  if (error.faults.size() == 1 && !error.faults[0].where.empty())
    error.message = error.faults[0].where + ": " + error.faults[0].message;
  if (error.faults.size() > 1)
    error.message = "the broker does not take this; " + std::to_string(error.faults.size()) + " things are wrong:";
  return error;
}

Tint change_tint(std::string_view state) { return state == "pending" ? Tint::odd : state == "rejected" ? Tint::bad : Tint::none; }

Result<ExitStatus> tell_outcome(Session& session, const Invocation& call, const Register& of, const Answer& answer) {
  const auto outcome = Session::read(answer);
  if (!outcome) return std::unexpected(outcome.error());
  const auto& changes = member(*outcome, "changes");
  if (!changes.is_array())
    return fail(ErrorKind::internal, "BAD_ANSWER", "what answers there is no Hansa broker; check the address");
  if (call.has("--json"))
    session.print(answer.body);
  else if (!changes.empty())
    session.print(change_table(of, changes, session.look()));
  if (changes.empty()) session.note("nothing to change: it is so already");
  for (const auto& change : changes) {
    if (raw_text(change, "state") == "pending") {
      session.note("waits for a second person, an operator: hansa " + std::string(of.group) + " approve " + shown(change, "id"));
    }
  }
  return ExitStatus::done;
}

}  // namespace

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

void put_text(Json& request, const char* field, const std::optional<std::string_view>& value) {
  if (value) request[field] = *value;
}

std::string change_table(const Register& of, const Json& changes, const Look& look) {
  Table table(
      {{"CHANGE"}, {of.heading}, {"STATE"}, {"AT"}, {"BY"}, {"WHAT", false, true}, {"REASON", false, true}, {"RULED BY"}});
  for (const auto& change : changes) {
    const auto state = shown(change, "state");
    const bool is_fact = !raw_text(change, "subject").empty();
    table.add({shown(change, "id"), shown(change, is_fact ? "subject" : "dataset"), Cell(state, change_tint(state)),
               shown(change, "at"), shown(change, "by"), is_fact ? fact_change_text(change) : dataset_change_text(change),
               shown(change, "reason"), shown(member(change, "ruling"), "by")});
  }
  return table.text(look);
}

Result<ExitStatus> ask(Session& session, const Invocation& call, const Register& of, std::string_view method,
                       const std::string& target, const std::string& body) {
  auto answer = session.send(method, target, body);
  if (!answer) return std::unexpected(in_words(std::move(answer.error()), of));
  return tell_outcome(session, call, of, *answer);
}

Result<ExitStatus> list_changes(Session& session, const Invocation& call, const Register& of) {
  const auto count = wanted_count(call);
  if (!count) return std::unexpected(count.error());
  Target filtered("/v1/changes");
  filtered.add("register", of.name);
  if (!call.operands().empty()) filtered.add(of.filter, call.operands()[0]);
  if (const auto state = call.value("--state")) filtered.add("state", *state);
  auto pages = read_pages(session, filtered, "changes", *count);
  if (!pages) return std::unexpected(pages.error());
  if (call.has("--json")) {
    session.print(pages_document("changes", std::move(*pages)));
    return ExitStatus::done;
  }
  if (pages->list.empty()) {
    session.note("no changes" + std::string(filtered.str().contains('&') ? " like that" : ""));
    return ExitStatus::done;
  }
  session.print(change_table(of, pages->list, session.look()));
  if (pages->next_cursor.is_string() && !call.has("--limit")) {
    session.note("these are the newest " + std::to_string(kUsualCount) + "; see all with: hansa " + std::string(of.group) +
                 " changes --all");
  }
  return ExitStatus::done;
}

Result<ExitStatus> rule_on_change(Session& session, const Invocation& call, const Register& of, std::string_view word) {
  Json request = Json::object();
  put_text(request, "reason", call.value("--reason"));
  return ask(session, call, of, "POST", "/v1/changes/" + percent_encoded(call.operands()[0]) + "/" + std::string(word),
             dumped(request));
}

}  // namespace hansa::cli
