// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

namespace hansa::api {

using identity::Action;

namespace {

constexpr std::string_view kRoles[] = {"user", "operator", "auditor"};

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
  BodyReader body(exchange.request);
  const auto user = body.required("user");
  const auto role_text = body.text("role");
  auto note = body.text("note");
  const auto expires = body.text("expires_at");
  auto principal = identity::local_principal(user);
  if (!user.empty() && !principal) body.fault("user", principal.error().message);
  const auto role = identity::parse_role(role_text.empty() ? "user" : role_text);
  if (!role) body.fault("role", no_such("role", role_text, kRoles));
  std::optional<UtcTime> expires_at;
  if (!expires.empty()) {
    const auto time = parse_utc(expires);
    if (!time)
      body.fault("expires_at", time.error().message);
    else if (*time <= exchange.api.parts().scheduler.now_utc())
      body.fault("expires_at", "lies in the past: such a token would open nothing");
    else
      expires_at = *time;
  }
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto made = co_await exchange.api.parts().tokens.create(std::move(*principal), *role, std::move(note), expires_at);
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
