// SPDX-License-Identifier: Apache-2.0
#include "broker/app/agents.hpp"

#include <map>
#include <set>
#include <utility>

namespace hansa::app {

namespace websocket = connectors::websocket;

namespace {

std::set<SiteId> sites_with_agents(const config::BrokerConfig& config) {
  std::set<SiteId> sites;
  for (const auto& site : config.sites) {
    if (site.connector == config::Connector::remote && site.remote.agent) sites.insert(site.id);
  }
  return sites;
}

std::map<SiteId, identity::PersonAgentSite> sites_with_people(const config::BrokerConfig& config) {
  using Terms = identity::PersonAgentSite::Terms;
  const auto terms = [](config::TermsWord word) {
    return word == config::TermsWord::allowed     ? Terms::allowed
           : word == config::TermsWord::forbidden ? Terms::forbidden
                                                  : Terms::not_stated;
  };
  std::map<SiteId, identity::PersonAgentSite> sites;
  for (const auto& site : config.sites) {
    const auto& people = site.remote.people;
    if (site.connector != config::Connector::remote || !people) continue;
    sites.emplace(site.id, identity::PersonAgentSite{.terms = terms(people->terms),
                                                     .longest = people->longest,
                                                     .login = people->login.value_or(""),
                                                     .agent = people->agent.value_or("").string()});
  }
  return sites;
}

http::TlsFiles tls_files(const config::BrokerConfig& config) {
  const auto& agents = *config.agents;
  const auto file = [](const auto& own, const auto& other) { return own ? own->string() : other.value_or("").string(); };
  return {.certificate = file(agents.tls_certificate, config.api.tls_certificate),
          .key = file(agents.tls_key, config.api.tls_key)};
}

}  // namespace

/// Sites' agents come in by their key, people's by a token of theirs as well. Whoever the register admits speaks for that site,
/// or for that person there, and for nothing else (identity::Action::serve_site): the berth says which.
class Agents::RegisterDoor final : public websocket::Door {
 public:
  RegisterDoor(identity::AgentRegister& agents, identity::PersonAgentRegister& people, const std::string& broker, ports::Log& log)
      : agents_(agents), people_(people), broker_(broker), log_(log) {}

  async::Task<websocket::BerthId> admit(websocket::Knock knock) override {
    if (!knock.authorization.empty()) {
      auto person = co_await people_.admit(knock.site, knock.key, std::move(knock.authorization), std::move(knock.peer));
      if (!person) co_return std::unexpected(person.error());
      co_return websocket::BerthId{.site = std::move(knock.site), .person = std::move(*person)};
    }
    if (auto admitted = agents_.admit(knock.site, knock.key, knock.peer); !admitted) co_return std::unexpected(admitted.error());
    co_return websocket::BerthId{.site = std::move(knock.site)};
  }

  async::Task<Json> enrol(websocket::Knock knock) override {
    const auto site = knock.site.str();
    log_.write(ports::LogLevel::info, "an agent enrols", {{"site", site}, {"peer", knock.peer}, {"key", knock.key}});
    auto done = co_await agents_.enrol(std::move(knock.site), std::move(knock.key), std::move(knock.authorization),
                                       std::move(knock.peer));
    if (!done) co_return std::unexpected(done.error());
    log_.write(ports::LogLevel::warning, "an agent is enrolled", {{"site", site}});
    co_return Json{{"site", site}, {"broker", broker_}};
  }

 private:
  identity::AgentRegister& agents_;
  identity::PersonAgentRegister& people_;
  const std::string broker_;
  ports::Log& log_;
};

Agents::Agents(const config::BrokerConfig& config, async::Scheduler& scheduler, Random& random, ports::AgentStore& store,
               ports::PersonAgentStore& people, const ports::Accounts& accounts, ports::Log& log)
    : config_(config.agents),
      scheduler_(scheduler),
      log_(log),
      register_(scheduler, random, store, sites_with_agents(config),
                [this](const SiteId& site, const Error& why) {
                  if (listener_) listener_->run(berths_.cut({.site = site}, why));
                }),
      people_(
          scheduler, random, people, sites_with_people(config),
          [&accounts](const SiteId& site, const Principal& person) -> Result<void> {
            if (auto account = accounts.account_of(person, site); !account) return std::unexpected(std::move(account.error()));
            return {};
          },
          [this](const SiteId& site, const Principal& person, const Error& why) {
            if (listener_) listener_->run(berths_.cut({.site = site, .person = person}, why));
          }),
      berths_(scheduler, {.arrived = [this](const websocket::Visitor& visitor) { arrived(visitor); },
                          .left = [this](const websocket::Visitor& visitor, const Error& why) { left(visitor, why); }}) {
  if (!config_) return;
  door_ = std::make_unique<RegisterDoor>(register_, people_, config.broker.name, log);
  listener_ = std::make_unique<websocket::Listener>(
      websocket::ListenerOptions{.address = config_->listen.host, .port = config_->listen.port, .tls = tls_files(config)}, *door_,
      berths_, scheduler, log);
}

Agents::~Agents() = default;

void Agents::arrived(const websocket::Visitor& visitor) {
  const auto& [site, person] = visitor.berth;
  identity::AgentConnection connection{.since = scheduler_.now_utc(), .peer = visitor.peer, .name = visitor.name};
  if (person.empty())
    register_.connected(site, std::move(connection));
  else
    people_.connected(site, person, visitor.key, std::move(connection));
  log_.write(ports::LogLevel::info, person.empty() ? "an agent has connected" : "a person's agent has connected",
             {{"site", site.str()}, {"person", person.str()}, {"peer", visitor.peer}, {"name", visitor.name}});
}

void Agents::left(const websocket::Visitor& visitor, const Error& why) {
  const auto& [site, person] = visitor.berth;
  if (person.empty())
    register_.disconnected(site, visitor.peer, why);
  else
    people_.disconnected(site, person, visitor.peer, why);
  // People come and go; a site's agent should not.
  log_.write(
      person.empty() ? ports::LogLevel::warning : ports::LogLevel::info, "an agent's connection has ended",
      {{"site", site.str()}, {"person", person.str()}, {"peer", visitor.peer}, {"code", why.code}, {"error", why.message}});
}

async::Task<> Agents::load() {
  auto sites = co_await register_.load();
  if (!sites) co_return sites;
  co_return co_await people_.load();
}

std::optional<connectors::assembly::AgentDoor> Agents::door() {
  if (!config_) return std::nullopt;
  return connectors::assembly::AgentDoor{
      .berths = berths_,
      .ping_after = config_->ping_after,
      .dead_after = config_->dead_after,
      .person_until = [this](const SiteId& site, const Principal& person) { return people_.connected_until(site, person); }};
}

Result<void> Agents::listen() {
  if (!listener_) return {};
  auto done = listener_->listen();
  if (!done)
    done.error().message +=
        done.error().code == "TLS_FILES" || done.error().code == "KEY_FILE"
            ? "; see agents.tls_certificate and agents.tls_key, which the broker's account must be able to read"
            : "; change agents.listen, or what is in its way";
  return done;
}

void Agents::start() {
  if (listener_) listener_->start();
}

void Agents::stop() {
  if (listener_) listener_->stop();
}

void Agents::reload_certificate() {
  if (!listener_) return;
  if (auto reloaded = listener_->reload_tls(); !reloaded)
    log_.write(ports::LogLevel::error, "the agents' certificate stays as it was",
               {{"code", reloaded.error().code}, {"error", reloaded.error().message}});
}

std::string Agents::address() const {
  if (!listener_) return {};
  return config_->address.value_or("wss://" + config::ListenAddress{config_->listen.host, listener_->port()}.str());
}

std::string Agents::key_id() const { return listener_ ? listener_->key_id() : std::string(); }

void Agents::write(metrics::Exposition& page) const {
  using metrics::Kind;
  const auto figures = listener_ ? std::optional(listener_->figures()) : std::nullopt;
  const auto total = [&](std::string_view name, std::string_view help, auto member) {
    page.family(name, Kind::counter, help);
    if (figures) page.sample((*figures).*member);
  };
  using Figures = websocket::ListenerFigures;
  total("hansa_agent_connections_total", "Connections that came to the agents' door since start.", &Figures::connections);
  total("hansa_agent_turned_away_total", "Of those, gave way to others before they were let in.", &Figures::turned_away);
  total("hansa_agent_tls_failures_total", "Of those, without a TLS handshake.", &Figures::tls_failed);
  page.family("hansa_agent_let_in_total", Kind::counter, "Of those, let in, by what for.");
  if (figures) {
    for (const auto& [what, count] : figures->let_in) page.sample(count, {{"what", what}});
  }
  page.family("hansa_agent_refused_total", Kind::counter,
              "Of those, refused, by why: AGENT_OF_ANOTHER_SITE is an attempt at impersonation.");
  if (figures) {
    auto refused = figures->refused;
    refused.try_emplace("AGENT_OF_ANOTHER_SITE");  // what rises from nothing has risen
    for (const auto& [code, count] : refused) page.sample(count, {{"code", code}});
  }
  page.family("hansa_agent_connected", Kind::gauge, "Whether the site's agent is connected.");
  for (const auto& site : register_.sites()) {
    const auto state = register_.state(site);
    page.sample(state && state->connection, {{"site", site.str()}});
  }
  page.family("hansa_person_agents_connected", Kind::gauge,
              "How many people's own agents are connected, at sites that they serve.");
  for (const auto& [site, terms] : people_.sites()) page.sample(people_.connections(site), {{"site", site.str()}});
}

}  // namespace hansa::app
