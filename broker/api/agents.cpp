// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

namespace hansa::api {

namespace {

constexpr Seconds kUsualInvitation{24 * 3'600};
constexpr Seconds kLongestInvitation{30 * 24 * 3'600};

Json state_view(const identity::AgentState& state) {
  Json view{{"key", state.key.empty() ? Json() : Json(state.key)},
            {"enrolled_at", time_or_none(state.enrolled_at)},
            {"invited_until", time_or_none(state.invited_until)},
            {"connection", nullptr},
            {"last_failure", nullptr}};
  if (const auto& c = state.connection)
    view["connection"] = {{"since", format_utc(c->since)}, {"from", c->peer}, {"name", c->name}};
  if (const auto& f = state.last_failure)
    view["last_failure"] = {{"at", format_utc(f->at)}, {"from", f->peer}, {"code", f->code}, {"message", f->message}};
  return view;
}

Json event_view(const ports::AgentEvent& event) {
  using What = ports::AgentEvent::What;
  Json view{{"at", format_utc(event.at)}};
  switch (event.what) {
    case What::invited:
      view["what"] = "invited";
      view["by"] = event.by.str();
      view["expires_at"] = time_or_none(event.expires_at);
      break;
    case What::enrolled:
      view["what"] = "enrolled";
      view["key"] = event.key;
      view["from"] = event.peer;
      break;
    case What::revoked:
      view["what"] = "revoked";
      view["by"] = event.by.str();
      view["reason"] = event.reason;
      break;
  }
  return view;
}

Result<identity::AgentState> state_of(const Exchange& exchange, const SiteId& site) {
  auto state = exchange.api.parts().agents.state(site);
  if (state) return std::move(*state);
  return fail(ErrorKind::not_found, "NO_AGENT_SITE",
              "there is no site \"" + site.str().substr(0, 40) +
                  "\" here whose agent comes to the broker: in hansad.toml it has remote.agent = true");
}

Result<http::Response> agent_answer(const Exchange& exchange, const SiteId& site) {
  const auto state = state_of(exchange, site);
  if (!state) return std::unexpected(state.error());
  auto view = state_view(*state);
  view["site"] = site.str();
  view["events"] = Json::array();
  for (const auto& event : exchange.api.parts().agents.events(site)) view["events"].push_back(event_view(event));
  return json_answer(200, view);
}

}  // namespace

Json agent_view(const Exchange& exchange, const SiteId& site) {
  if (!identity::authorize(exchange.caller, identity::Action::inspect_site, {.sites = {site}})) return nullptr;
  const auto state = exchange.api.parts().agents.state(site);
  return state ? state_view(*state) : Json();
}

async::Task<http::Response> get_site_agent(Exchange exchange) {
  const SiteId site{exchange.path.at("id")};
  if (auto allowed = may_at(exchange, site); !allowed) co_return std::unexpected(allowed.error());
  co_return agent_answer(exchange, site);
}

async::Task<http::Response> enroll_agent(Exchange exchange) {
  const SiteId site{exchange.path.at("id")};
  if (auto allowed = may_at(exchange, site); !allowed) co_return std::unexpected(allowed.error());
  const auto& parts = exchange.api.parts();
  BodyReader body(exchange.request);
  const auto expires = body.text("expires_at");
  auto valid = kUsualInvitation;
  if (!expires.empty()) {
    const auto time = parse_utc(expires);
    const auto now = parts.scheduler.now_utc();
    if (!time)
      body.fault("expires_at", time.error().message);
    else if (*time <= now || *time > now + kLongestInvitation)
      body.fault("expires_at", "must lie in the future, by 30 days at most");
    else
      valid = std::chrono::floor<Seconds>(*time - now);
  }
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  const auto made = co_await parts.agents.invite(site, exchange.caller.principal, valid);
  if (!made) co_return std::unexpected(made.error());
  parts.log.write(ports::LogLevel::info, "an enrolment token was made",
                  {{"site", site.str()}, {"by", exchange.caller.principal.str()}, {"expires_at", format_utc(made->expires_at)}});
  auto answer = json_answer(201, {{"site", site.str()},
                                  {"token", std::string(made->token.reveal())},
                                  {"expires_at", format_utc(made->expires_at)},
                                  {"broker", exchange.api.facts().agents_address},
                                  {"pin", exchange.api.facts().agents_key ? exchange.api.facts().agents_key() : ""}});
  answer.headers.emplace_back("Cache-Control", "no-store");
  co_return answer;
}

async::Task<http::Response> revoke_agent(Exchange exchange) {
  const SiteId site{exchange.path.at("id")};
  if (auto allowed = may_at(exchange, site); !allowed) co_return std::unexpected(allowed.error());
  const auto& parts = exchange.api.parts();
  BodyReader body(exchange.request);
  auto reason = body.text("reason");
  if (reason.size() > kMostReason) body.fault("reason", "is longer than 500 bytes");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  if (auto done = co_await parts.agents.revoke(site, exchange.caller.principal, reason); !done)
    co_return std::unexpected(done.error());
  parts.log.write(ports::LogLevel::warning, "a site's agent was revoked",
                  {{"site", site.str()}, {"by", exchange.caller.principal.str()}, {"reason", reason}});
  co_return agent_answer(exchange, site);
}

}  // namespace hansa::api
