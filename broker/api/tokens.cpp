// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

namespace hansa::api {

using identity::Action;

namespace {

Json token_view(const ports::ApiToken& token) {
  const auto time = [](const std::optional<UtcTime>& t) { return t ? Json(format_utc(*t)) : Json(); };
  return {{"id", token.id},
          {"principal", token.principal.str()},
          {"role", identity::to_string(token.role)},
          {"note", token.note},
          {"created_at", format_utc(token.created_at)},
          {"expires_at", time(token.expires_at)},
          {"revoked_at", time(token.revoked_at)}};
}

Result<void> may_manage(const Exchange& exchange) {
  return identity::authorize(exchange.caller, Action::manage_tokens, exchange.caller.principal);
}

}  // namespace

async::Task<http::Response> create_token(Exchange exchange) {
  if (auto allowed = may_manage(exchange); !allowed) co_return std::unexpected(allowed.error());
  auto body = read_body(exchange.request, {"user", "role", "note", "expires_at"});
  if (!body) co_return std::unexpected(body.error());
  auto user = text_field(*body, "user", true);
  auto role_text = text_field(*body, "role", false);
  auto note = text_field(*body, "note", false);
  auto expires = text_field(*body, "expires_at", false);
  for (const auto* field : {&user, &role_text, &note, &expires}) {
    if (!*field) co_return std::unexpected(field->error());
  }
  auto principal = identity::local_principal(*user);
  if (!principal) co_return std::unexpected(principal.error());
  const auto role = identity::parse_role(role_text->empty() ? "user" : *role_text);
  if (!role) co_return fail(ErrorKind::invalid_argument, "BAD_REQUEST", "/role: must be user, operator or auditor");
  std::optional<UtcTime> expires_at;
  if (!expires->empty()) {
    auto time = parse_utc(*expires);
    if (!time) co_return fail(ErrorKind::invalid_argument, "BAD_REQUEST", "/expires_at: " + time.error().message);
    expires_at = *time;
  }
  auto made = co_await exchange.api.parts().tokens.create(std::move(*principal), *role, std::move(*note), expires_at);
  if (!made) co_return std::unexpected(made.error());
  auto view = token_view(made->record);
  view["token"] = std::string(made->token.reveal());
  auto answer = json_answer(201, view);
  answer.headers.emplace_back("Cache-Control", "no-store");
  co_return answer;
}

async::Task<http::Response> list_tokens(Exchange exchange) {
  if (auto allowed = may_manage(exchange); !allowed) co_return std::unexpected(allowed.error());
  Json list = Json::array();
  for (const auto& token : exchange.api.parts().tokens.list()) list.push_back(token_view(token));
  co_return json_answer(200, {{"tokens", std::move(list)}});
}

async::Task<http::Response> revoke_token(Exchange exchange) {
  if (auto allowed = may_manage(exchange); !allowed) co_return std::unexpected(allowed.error());
  auto revoked = co_await exchange.api.parts().tokens.revoke(exchange.path.at("id"));
  if (!revoked) co_return std::unexpected(revoked.error());
  co_return json_answer(200, token_view(*revoked));
}

}  // namespace hansa::api
