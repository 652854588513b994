// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/agents.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/time_text.hpp"
#include "broker/identity/tokens.hpp"

#include <algorithm>
#include <utility>

namespace hansa::identity {

using ports::AgentEvent;

namespace {

constexpr std::string_view kEnrolmentPrefix = "hansa_enrol_";

std::unexpected<Error> unusable(std::string_view code, const std::string& why, const SiteId& site) {
  return fail(
      ErrorKind::unauthenticated, code,
      "this enrolment token " + why + ": have an operator of the broker make a new one (hansa site enroll " + site.str() + ")");
}

}  // namespace

AgentRegister::AgentRegister(const Clock& clock, Random& random, ports::AgentStore& store, std::set<SiteId> sites,
                             OnRevoked on_revoked)
    : clock_(clock), random_(random), store_(store), sites_(std::move(sites)), on_revoked_(std::move(on_revoked)) {}

async::Task<> AgentRegister::load() {
  auto events = co_await store_.agent_events();
  if (!events) co_return std::unexpected(events.error());
  const std::scoped_lock lock(mutex_);
  by_site_.clear();
  for (auto& event : *events) by_site_[event.site].events.push_back(std::move(event));
  for (auto& [id, site] : by_site_) interpret(site);
  co_return Result<void>{};
}

/// What counts, from what happened.
void AgentRegister::interpret(Site& site) {
  site.key.clear();
  site.enrolled_at.reset();
  site.token_hash.clear();
  site.token_until.reset();
  site.used_hash.clear();
  for (const auto& event : site.events) {
    switch (event.what) {
      case AgentEvent::What::invited:
        site.token_hash = event.token_hash;
        site.token_until = event.expires_at;
        break;
      case AgentEvent::What::enrolled:
        if (site.token_hash != event.token_hash) break;  // the token was taken back at the same moment
        site.key = event.key;
        site.enrolled_at = event.at;
        site.used_hash = event.token_hash;
        site.token_hash.clear();
        site.token_until.reset();
        break;
      case AgentEvent::What::revoked:
        site.key.clear();
        site.enrolled_at.reset();
        site.token_hash.clear();
        site.token_until.reset();
        site.used_hash.clear();
        break;
    }
  }
}

Result<void> AgentRegister::check_site(const SiteId& site) const {
  if (knows(site)) return {};
  return fail(ErrorKind::not_found, "NO_AGENT_SITE",
              "there is no site \"" + site.str().substr(0, 40) +
                  "\" here whose agent comes to the broker: in hansad.toml it has remote.agent = true");
}

async::Task<> AgentRegister::record(AgentEvent event) {
  auto sequence = co_await store_.record_agent_event(event);
  if (!sequence) co_return std::unexpected(sequence.error());
  event.sequence = *sequence;
  const std::scoped_lock lock(mutex_);
  auto& site = by_site_[event.site];
  // Two that were recorded at the same moment may come here in another order.
  const auto at = std::ranges::upper_bound(site.events, event.sequence, {}, &AgentEvent::sequence);
  site.events.insert(at, std::move(event));
  interpret(site);
  co_return Result<void>{};
}

// ---- operators

async::Task<Invitation> AgentRegister::invite(SiteId site, Principal by, Seconds valid) {
  if (auto known = check_site(site); !known) co_return std::unexpected(known.error());
  const auto now = clock_.now_utc();
  Invitation made{.token = Secret(random_name(random_, kEnrolmentPrefix, 32)), .expires_at = now + valid};
  auto done = co_await record({.site = std::move(site),
                               .what = AgentEvent::What::invited,
                               .at = now,
                               .by = std::move(by),
                               .token_hash = sha256_hex(made.token.reveal()),
                               .expires_at = made.expires_at});
  if (!done) co_return std::unexpected(done.error());
  co_return made;
}

async::Task<> AgentRegister::revoke(SiteId site, Principal by, std::string reason) {
  if (auto known = check_site(site); !known) co_return known;
  auto done = co_await record(
      {.site = site, .what = AgentEvent::What::revoked, .at = clock_.now_utc(), .by = std::move(by), .reason = reason});
  if (!done) co_return done;
  if (on_revoked_)
    on_revoked_(site, fail(ErrorKind::permission_denied, "AGENT_REVOKED",
                           "an operator of the broker has revoked this agent" + (reason.empty() ? "" : ": " + reason))
                          .error());
  co_return Result<void>{};
}

// ---- agents

/// `done`: this key has used this token already, and its answer was lost.
Result<void> AgentRegister::begin_enrolment(const SiteId& id, const std::string& key, const std::string& hash, bool& done) {
  const std::scoped_lock lock(mutex_);
  auto& site = by_site_[id];
  if (!hash.empty() && hash == site.used_hash) {
    if (key != site.key)
      return unusable("ENROLMENT_USED",
                      "has been used, by an agent with another key (if nobody at the site did that, tell the broker's operator)",
                      id);
    done = true;
    return {};
  }
  const auto of_token = [&](const AgentEvent& event) {
    return event.what == AgentEvent::What::invited && event.token_hash == hash;
  };
  if (site.token_hash.empty() || hash != site.token_hash) {
    return std::ranges::any_of(site.events, of_token)
               ? unusable("ENROLMENT_USED", "has been used, replaced or revoked", id)
               : unusable("ENROLMENT_UNKNOWN", "is none of this site's at this broker", id);
  }
  if (site.token_until && clock_.now_utc() >= *site.token_until)
    return unusable("ENROLMENT_EXPIRED", "was good until " + format_utc(*site.token_until), id);
  if (site.enrolling) return unusable("ENROLMENT_USED", "is being used at this moment", id);
  site.enrolling = true;
  return {};
}

async::Task<> AgentRegister::enrol(SiteId id, std::string key, std::string authorization, std::string peer) {
  if (auto known = check_site(id); !known) co_return known;
  if (key.empty())
    co_return fail(ErrorKind::unauthenticated, "NO_KEY", "an agent shows its key in a client certificate; none came");
  const auto token = bearer_of(authorization);
  const auto hash = token.starts_with(kEnrolmentPrefix) && token.size() <= 256 ? sha256_hex(token) : std::string();
  bool done = false;
  if (auto begun = begin_enrolment(id, key, hash, done); !begun) {
    note(id, peer, begun.error());
    co_return begun;
  }
  if (done) co_return Result<void>{};
  std::string before;
  {
    const std::scoped_lock lock(mutex_);
    before = by_site_[id].key;
  }
  auto recorded = co_await record({.site = id,
                                   .what = AgentEvent::What::enrolled,
                                   .at = clock_.now_utc(),
                                   .token_hash = hash,
                                   .key = key,
                                   .peer = std::move(peer)});
  bool in_force = false;
  {
    const std::scoped_lock lock(mutex_);
    by_site_[id].enrolling = false;
    in_force = by_site_[id].key == key;
  }
  if (!recorded) co_return recorded;
  if (!in_force) co_return unusable("ENROLMENT_USED", "was taken back at this moment", id);
  if (!before.empty() && before != key && on_revoked_)
    on_revoked_(id, fail(ErrorKind::permission_denied, "AGENT_REVOKED", "another key has been enrolled for this site").error());
  co_return Result<void>{};
}

Result<void> AgentRegister::admit(const SiteId& id, const std::string& key, const std::string& peer) {
  if (auto known = check_site(id); !known) return known;
  const auto refuse = [&](std::string_view code, const std::string& message, const std::string& detail = {}) {
    auto refused = fail(ErrorKind::permission_denied, code, message, detail);
    note(id, peer, refused.error());
    return Result<void>(std::move(refused));
  };
  if (key.empty()) {
    return fail(ErrorKind::unauthenticated, "NO_KEY", "an agent shows its key in a client certificate; none came");
  }
  SiteId owner;
  bool was_its = false;
  {
    const std::scoped_lock lock(mutex_);
    if (by_site_[id].key == key) return {};
    for (const auto& [site, state] : by_site_) {
      if (state.key == key) owner = site;
    }
    was_its = std::ranges::find(by_site_[id].events, key, &AgentEvent::key) != by_site_[id].events.end();
  }
  if (!owner.empty()) {
    return refuse("AGENT_OF_ANOTHER_SITE",
                  "this agent's key was enrolled for another site than \"" + id.str() +
                      "\": is site.id right in its agent.toml, and its state_dir its own?",
                  "the key is that of site " + owner.str());
  }
  if (was_its) {
    return refuse("AGENT_REVOKED",
                  "this agent's key was revoked or replaced: enrol it anew, with a token of an operator of the "
                  "broker (hansa site enroll " +
                      id.str() + ")");
  }
  return refuse("AGENT_NOT_ENROLLED",
                "this agent's key is not enrolled for site \"" + id.str() +
                    "\": hansa-agent enroll, with a token of an operator of the broker (hansa site enroll " + id.str() + ")");
}

void AgentRegister::note(const SiteId& id, const std::string& peer, const Error& why) {
  const std::scoped_lock lock(mutex_);
  by_site_[id].last_failure = AgentFailure{.at = clock_.now_utc(), .peer = peer, .code = why.code, .message = why.message};
}

// ---- connections

void AgentRegister::connected(const SiteId& site, AgentConnection connection) {
  const std::scoped_lock lock(mutex_);
  by_site_[site].connection = std::move(connection);
}

void AgentRegister::disconnected(const SiteId& site, const std::string& peer, const Error& why) {
  note(site, peer, why);
  const std::scoped_lock lock(mutex_);
  auto& connection = by_site_[site].connection;
  if (connection && connection->peer == peer) connection.reset();
}

std::optional<AgentState> AgentRegister::state(const SiteId& id) const {
  if (!knows(id)) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  const auto at = by_site_.find(id);
  if (at == by_site_.end()) return AgentState{};
  const auto& site = at->second;
  const bool waits = site.token_until && clock_.now_utc() < *site.token_until;
  return AgentState{.key = site.key,
                    .enrolled_at = site.enrolled_at,
                    .invited_until = waits ? site.token_until : std::nullopt,
                    .connection = site.connection,
                    .last_failure = site.last_failure};
}

std::vector<AgentEvent> AgentRegister::events(const SiteId& id) const {
  const std::scoped_lock lock(mutex_);
  const auto at = by_site_.find(id);
  return at == by_site_.end() ? std::vector<AgentEvent>{} : at->second.events;
}

}  // namespace hansa::identity
