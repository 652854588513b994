// SPDX-License-Identifier: Apache-2.0
// People's own agents at sites that they serve: a token for one, who is connected, and an end to it.
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::api {

namespace {

Json connection_view(const identity::PersonAgentState& state, UtcTime now) {
  Json view{{"person", state.person.str()},
            {"connected", state.connection.has_value()},
            {"session_until", state.session_until > now ? Json(format_utc(state.session_until)) : Json()},
            {"connection", nullptr},
            {"last_failure", nullptr}};
  if (const auto& c = state.connection)
    view["connection"] = {{"since", format_utc(c->since)}, {"from", c->peer}, {"name", c->name}};
  if (const auto& f = state.last_failure)
    view["last_failure"] = {{"at", format_utc(f->at)}, {"from", f->peer}, {"code", f->code}, {"message", f->message}};
  return view;
}

}  // namespace

Json people_view(const Exchange& exchange, const SiteId& site) {
  const auto& people = exchange.api.parts().person_agents;
  const auto at = people.sites().find(site);
  if (at == people.sites().end()) return nullptr;
  const auto now = exchange.api.parts().scheduler.now_utc();
  Json view{{"terms", to_string(at->second.terms)},
            {"longest_session_s", at->second.longest.count()},
            {"connected", people.connections(site)},
            {"you", nullptr}};
  if (const auto own = people.state(site, exchange.caller.principal)) view["you"] = connection_view(*own, now);
  return view;
}

async::Task<http::Response> connect_to_site(Exchange exchange) {
  const auto& parts = exchange.api.parts();
  BodyReader body(exchange.request);
  const auto wish = body.integer("for_s");
  if (wish && *wish <= 0) body.fault("for_s", "must be a positive number of seconds");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  const SiteId site{exchange.path.at("id")};
  const auto& person = exchange.caller.principal;
  const auto berth = co_await parts.person_agents.invite(
      site, person, wish ? std::optional(Seconds{std::min<std::int64_t>(*wish, 10'000'000)}) : std::nullopt);
  if (!berth) co_return std::unexpected(berth.error());
  parts.log.write(ports::LogLevel::info, "a token for a person's own agent was made",
                  {{"site", site.str()}, {"person", person.str()}, {"session_until", format_utc(berth->session_until)}});
  const auto& place = parts.person_agents.sites().at(site);
  auto answer = json_answer(201, {{"site", site.str()},
                                  {"person", person.str()},
                                  {"token", std::string(berth->token.reveal())},
                                  {"token_until", format_utc(berth->token_until)},
                                  {"session_until", format_utc(berth->session_until)},
                                  {"broker", exchange.api.facts().agents_address},
                                  {"pin", exchange.api.facts().agents_key ? exchange.api.facts().agents_key() : ""},
                                  {"terms", to_string(place.terms)},
                                  {"login", place.login.empty() ? Json() : Json(place.login)},
                                  {"agent", place.agent.empty() ? Json() : Json(place.agent)}});
  answer.headers.emplace_back("Cache-Control", "no-store");
  co_return answer;
}

async::Task<http::Response> list_connections(Exchange exchange) {
  const auto& parts = exchange.api.parts();
  const SiteId site{exchange.path.at("id")};
  if (!parts.person_agents.knows(site)) {
    co_return fail(ErrorKind::not_found, "NO_PERSON_AGENTS",
                   "there is no site \"" + site.str().substr(0, 40) +
                       "\" here that people's own agents serve: in hansad.toml it has run_as = \"person\"");
  }
  const auto now = parts.scheduler.now_utc();
  Json all = Json::array();
  for (const auto& state : parts.person_agents.states(site)) {
    if (may(exchange, {.owner = state.person, .sites = {site}})) all.push_back(connection_view(state, now));
  }
  co_return json_answer(200, {{"site", site.str()}, {"connections", std::move(all)}});
}

async::Task<http::Response> disconnect_from_site(Exchange exchange) {
  const auto& parts = exchange.api.parts();
  BodyReader body(exchange.request);
  const auto named = body.text("person");
  const auto reason = body.text("reason");
  if (reason.size() > kMostReason) body.fault("reason", "is longer than 500 bytes");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  const SiteId site{exchange.path.at("id")};
  const auto& caller = exchange.caller.principal;
  auto person = caller;
  if (!named.empty()) person = Principal(named.contains(':') ? named : "local:" + named);
  if (auto allowed = may(exchange, {.owner = person, .sites = {site}}); !allowed) co_return std::unexpected(allowed.error());
  const auto ended = co_await parts.person_agents.end(site, person, caller, reason);
  if (!ended) co_return std::unexpected(ended.error());
  parts.log.write(ports::LogLevel::info, "a person's sessions at a site were ended",
                  {{"site", site.str()},
                   {"person", person.str()},
                   {"by", caller.str()},
                   {"sessions", std::to_string(*ended)},
                   {"reason", reason}});
  co_return json_answer(200, {{"site", site.str()}, {"person", person.str()}, {"ended", *ended}});
}

}  // namespace hansa::api
