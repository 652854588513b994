// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::api {

namespace {

constexpr std::string_view kRoles[] = {"user", "operator", "policy-officer", "auditor"};

Json token_view(const ports::ApiToken& token) {
  Json sites = Json::array();
  for (const auto& site : token.sites) sites.push_back(site.str());
  const auto time = [](const std::optional<UtcTime>& t) { return t ? Json(format_utc(*t)) : Json(); };
  return {{"id", token.id},
          {"principal", token.principal.str()},
          {"role", identity::to_string(token.role)},
          {"sites", std::move(sites)},
          {"note", token.note},
          {"created_at", format_utc(token.created_at)},
          {"expires_at", time(token.expires_at)},
          {"revoked_at", time(token.revoked_at)}};
}

}  // namespace

async::Task<http::Response> create_token(Exchange exchange) {
  BodyReader body(exchange.request);
  const auto user = body.required("user");
  const auto role_text = body.text("role");
  auto note = body.text("note");
  const auto expires = body.text("expires_at");
  auto principal = identity::local_principal(user);
  if (!user.empty() && !principal) body.fault("user", principal.error().message);
  const auto role = identity::parse_role(role_text.empty() ? "user" : role_text);
  if (!role) body.fault("role", no_such("role", role_text, kRoles));
  std::vector<SiteId> sites;
  const auto known = exchange.api.sites();
  for (auto& site : body.texts("sites")) {
    if (std::ranges::find(known, site) == known.end())
      body.fault("sites", no_such("site", site, known));
    else if (std::ranges::find(sites, site, &SiteId::str) == sites.end())
      sites.emplace_back(std::move(site));
  }
  if (!sites.empty() && role && *role != ports::Role::operator_) body.fault("sites", "are an operator's: other roles have none");
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
  auto made = co_await exchange.api.parts().tokens.create(std::move(*principal), *role, std::move(note), expires_at,
                                                          std::move(sites), exchange.caller);
  if (!made) co_return std::unexpected(made.error());
  auto view = token_view(made->record);
  view["token"] = std::string(made->token.reveal());
  auto answer = json_answer(201, view);
  answer.headers.emplace_back("Cache-Control", "no-store");
  co_return answer;
}

async::Task<http::Response> list_tokens(Exchange exchange) {
  Json list = Json::array();
  for (const auto& token : exchange.api.parts().tokens.list()) list.push_back(token_view(token));
  co_return json_answer(200, {{"tokens", std::move(list)}});
}

async::Task<http::Response> revoke_token(Exchange exchange) {
  auto revoked = co_await exchange.api.parts().tokens.revoke(exchange.path.at("id"));
  if (!revoked) co_return std::unexpected(revoked.error());
  co_return json_answer(200, token_view(*revoked));
}

}  // namespace hansa::api
