// SPDX-License-Identifier: Apache-2.0
// Whose tokens are taken, who the caller is, and whom operators have shut out.
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::api {

namespace {

constexpr std::string_view kWhat[] = {"person", "token", "key", "issuer"};

Json revocation_view(const ports::Revocation& one) {
  return {{"number", one.number},
          {"what", identity::to_string(one.what)},
          {"value", one.value},
          {"reason", one.reason},
          {"by", one.by.str()},
          {"at", format_utc(one.at)},
          {"lifted_by", one.lifted_by ? Json(one.lifted_by->str()) : Json()},
          {"lifted_at", one.lifted_at ? Json(format_utc(*one.lifted_at)) : Json()}};
}

template <typename Id>
Json list_of(const std::vector<Id>& ids) {
  Json list = Json::array();
  for (const auto& id : ids) {
    if (std::ranges::find(list, Json(id.str())) == list.end()) list.push_back(id.str());
  }
  return list;
}

}  // namespace

async::Task<http::Response> list_issuers(Exchange exchange) {
  Json list = Json::array();
  for (const auto& issuer : exchange.api.parts().authenticator.issuers()) {
    list.push_back({{"id", issuer.terms.id},
                    {"name", issuer.name},
                    {"url", issuer.terms.url},
                    {"audience", issuer.terms.audience},
                    {"client_id", issuer.login_client},
                    {"scopes", issuer.scopes},
                    {"resource", issuer.resource}});
  }
  co_return json_answer(200, {{"issuers", std::move(list)}});
}

async::Task<http::Response> get_me(Exchange exchange) {
  const auto& caller = exchange.caller;
  Json me{{"principal", caller.principal.str()},
          {"role", identity::to_string(caller.role)},
          {"sites", list_of(caller.sites)},
          {"projects", list_of(caller.projects)},
          {"leads", list_of(caller.leads)}};
  const auto word = [](const std::string& told) { return told.empty() ? Json() : Json(told); };
  if (const auto heard = exchange.api.parts().authenticator.heard_of(caller.principal))
    me["vouched"] = {{"assurance", word(heard->assurance)},
                     {"authentication", word(heard->authentication)},
                     {"at", format_utc(heard->seen_at)}};
  co_return json_answer(200, me);
}

async::Task<http::Response> list_revocations(Exchange exchange) {
  Json list = Json::array();
  for (const auto& one : exchange.api.parts().authenticator.revocations().list()) list.push_back(revocation_view(one));
  co_return json_answer(200, {{"revocations", std::move(list)}});
}

async::Task<http::Response> revoke(Exchange exchange) {
  auto& authenticator = exchange.api.parts().authenticator;
  BodyReader body(exchange.request);
  const auto word = body.required("what");
  auto value = body.required("value");
  auto reason = body.text("reason");
  const auto what = identity::parse_revocation(word);
  if (!word.empty() && !what) body.fault("what", no_such("kind", word, kWhat));
  if (what && !value.empty()) {
    const auto id = value.substr(0, value.find(':'));
    const bool named = value.size() > id.size() + 1;
    const bool known = std::ranges::any_of(authenticator.issuers(), [&](const auto& issuer) { return issuer.terms.id == id; });
    const bool of_person = *what == ports::Revocation::What::person;
    if (*what == ports::Revocation::What::issuer ? value != id : !named)
      body.fault("value", *what == ports::Revocation::What::issuer
                              ? "is an issuer's id alone, as \"egi\""
                              : "is an issuer's id, a colon and what it calls it, as \"egi:28c5353b\"");
    else if (!known && !(of_person && id == "local"))
      body.fault("value", "\"" + id + "\" is no issuer of this broker");
    if (value == exchange.caller.principal.str()) body.fault("value", "is yourself: another operator may do that");
  }
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto made = co_await authenticator.revocations().revoke(*what, std::move(value), std::move(reason), exchange.caller.principal);
  if (!made) co_return std::unexpected(made.error());
  exchange.api.parts().log.write(ports::LogLevel::info, "revoked",
                                 {{"what", word}, {"value", made->value}, {"by", made->by.str()}, {"reason", made->reason}});
  if (made->what == ports::Revocation::What::person) {  // their own agents, too; whoever asks again has what failed done again
    auto& people = exchange.api.parts().person_agents;
    for (const auto& [site, terms] : people.sites()) {
      auto ended = co_await people.end(site, Principal(made->value), made->by, made->reason);
      if (!ended) co_return std::unexpected(ended.error());
    }
  }
  if (auto* glasses = exchange.api.parts().break_glass;
      glasses != nullptr && (made->what == ports::Revocation::What::person || made->what == ports::Revocation::What::issuer)) {
    if (auto over = co_await glasses->end_those_of(made->value, made->by); !over) co_return std::unexpected(over.error());
  }
  co_return json_answer(201, revocation_view(*made));
}

async::Task<http::Response> lift_revocation(Exchange exchange) {
  const auto& text = exchange.path.at("number");
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) number = 0;  // nothing has it
  auto lifted = co_await exchange.api.parts().authenticator.revocations().lift(number, exchange.caller.principal);
  if (!lifted) co_return std::unexpected(lifted.error());
  exchange.api.parts().log.write(ports::LogLevel::info, "revocation lifted",
                                 {{"value", lifted->value}, {"by", exchange.caller.principal.str()}});
  co_return json_answer(200, revocation_view(*lifted));
}

}  // namespace hansa::api
