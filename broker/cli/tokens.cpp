// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/submission.hpp"

namespace hansa::cli {
namespace {

/// "operator of alpha, beta".
std::string role_of(const Json& token) {
  const auto sites = listed(member(token, "sites"));
  return shown(token, "role") + (sites.empty() ? "" : " of " + sites);
}

}  // namespace

Result<ExitStatus> token_create(Session& session, const Invocation& call) {
  const auto user = call.value("--user");
  if (!user)
    return fail(ErrorKind::invalid_argument, "USAGE",
                "hansa token create needs --user: whose token it is; see: hansa token create --help");
  Json request{{"user", *user}};
  if (const auto role = call.value("--role")) request["role"] = *role;
  for (const auto site : call.values("--site")) request["sites"].push_back(site);
  if (request.contains("sites") && call.value("--role").value_or("") != "operator")
    return fail(ErrorKind::invalid_argument, "USAGE", "--site says which sites an operator is for: it goes with --role operator");
  if (const auto note = call.value("--note")) request["note"] = *note;
  if (const auto expires = call.value("--expires")) {
    const auto moment = parse_moment("--expires", *expires, session.now(), Direction::forward);
    if (!moment) return std::unexpected(moment.error());
    if (*moment <= session.now())
      return fail(ErrorKind::invalid_argument, "USAGE", "--expires lies in the past: such a token would open nothing");
    request["expires_at"] = format_utc(*moment);
  }
  const auto answer = session.send("POST", "/v1/tokens", request.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto token = Session::read(*answer);
  if (!token) return std::unexpected(token.error());
  session.print(shown(*token, "token") + "\n");
  const auto expires = shown(*token, "expires_at");
  session.note("a token of " + shown(*token, "principal") + " (" + role_of(*token) + "), id " + shown(*token, "id") + ", " +
               (expires.empty() ? "without an end" : "until " + expires) +
               "; it is shown this once: keep it in a file that only its owner can read");
  return ExitStatus::done;
}

Result<ExitStatus> token_list(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", "/v1/tokens");
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto list = Session::read(*answer);
  if (!list) return std::unexpected(list.error());
  Table table({{"ID"}, {"PRINCIPAL"}, {"ROLE"}, {"CREATED"}, {"EXPIRES"}, {"REVOKED"}, {"NOTE", false, true}});
  if (const auto& tokens = member(*list, "tokens"); tokens.is_array()) {
    for (const auto& token : tokens) {
      const bool revoked = !raw_text(token, "revoked_at").empty();
      table.add({shown(token, "id"), shown(token, "principal"), role_of(token), shown(token, "created_at"),
                 shown(token, "expires_at"), Cell(shown(token, "revoked_at"), revoked ? Tint::odd : Tint::none),
                 shown(token, "note")});
    }
  }
  session.print(table.text(session.look()));
  return ExitStatus::done;
}

namespace {

/// Options of `hansa token revoke`, and what the API calls what they name.
constexpr std::pair<const char*, const char*> kRevoked[] = {
    {"--person", "person"}, {"--issued", "token"}, {"--signed-by", "key"}, {"--issuer", "issuer"}};

}  // namespace

Result<ExitStatus> token_revoke(Session& session, const Invocation& call) {
  Json request = Json::object();
  std::size_t given = call.operands().size();
  for (const auto& [option, what] : kRevoked) {
    const auto value = call.value(option);
    if (!value) continue;
    ++given;
    request["what"] = what;
    request["value"] = *value;
  }
  if (given != 1)
    return fail(ErrorKind::invalid_argument, "USAGE",
                "hansa token revoke wants one of: an API token's ID, --person, --issued, --signed-by, --issuer");
  if (!call.operands().empty()) {
    if (call.has("--reason")) return fail(ErrorKind::invalid_argument, "USAGE", "an API token is revoked without a --reason");
    const auto answer = session.send("DELETE", "/v1/tokens/" + percent_encoded(call.operands()[0]));
    if (!answer) return std::unexpected(answer.error());
    const auto token = Session::read(*answer);
    if (!token) return std::unexpected(token.error());
    session.print(call.has("--json") ? answer->body
                                     : shown(*token, "id") + " of " + shown(*token, "principal") + " is revoked\n");
    return ExitStatus::done;
  }
  if (const auto reason = call.value("--reason")) request["reason"] = *reason;
  const auto answer = session.send("POST", "/v1/revocations", request.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!answer) return std::unexpected(answer.error());
  const auto made = Session::read(*answer);
  if (!made) return std::unexpected(made.error());
  session.print(call.has("--json") ? answer->body
                                   : shown(*made, "what") + " " + shown(*made, "value") + " is shut out (hansa token restore " +
                                         number_text(*made, "number") + " takes it back)\n");
  return ExitStatus::done;
}

Result<ExitStatus> token_revocations(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", "/v1/revocations");
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto list = Session::read(*answer);
  if (!list) return std::unexpected(list.error());
  Table table({{"NUMBER"}, {"WHAT"}, {"VALUE"}, {"SINCE"}, {"BY"}, {"RESTORED"}, {"REASON", false, true}});
  if (const auto& all = member(*list, "revocations"); all.is_array()) {
    for (const auto& one : all) {
      table.add({number_text(one, "number"), shown(one, "what"), shown(one, "value"), shown(one, "at"), shown(one, "by"),
                 shown(one, "lifted_at"), shown(one, "reason")});
    }
  }
  session.print(table.text(session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> token_restore(Session& session, const Invocation& call) {
  const auto answer = session.send("DELETE", "/v1/revocations/" + percent_encoded(call.operands()[0]));
  if (!answer) return std::unexpected(answer.error());
  const auto one = Session::read(*answer);
  if (!one) return std::unexpected(one.error());
  session.print(call.has("--json") ? answer->body : shown(*one, "what") + " " + shown(*one, "value") + " is let in again\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
