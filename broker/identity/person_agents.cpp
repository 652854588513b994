// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/person_agents.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/time_text.hpp"
#include "broker/identity/tokens.hpp"

#include <algorithm>
#include <utility>

namespace hansa::identity {

using ports::PersonAgentEvent;
using What = PersonAgentEvent::What;

namespace {

constexpr Seconds kTokenGood{300};  // a login with a second factor takes its time
constexpr Seconds kHour{3'600};
constexpr int kBerthsAnHour = 30;  // of one person at one site
constexpr int kMisusesKept = 5;    // of one session; the log has them all
constexpr std::size_t kMostTokenBytes = 256;

std::string again(const SiteId& site) { return "; run hansa connect " + site.str() + " again"; }

std::unexpected<Error> of_no_use(std::string_view code, const std::string& why, const SiteId& site) {
  return fail(ErrorKind::unauthenticated, code, "this token " + why + again(site));
}

}  // namespace

PersonAgentRegister::PersonAgentRegister(const Clock& clock, Random& random, ports::PersonAgentStore& store,
                                         std::map<SiteId, PersonAgentSite> sites, MayConnect may_connect, OnEnded on_ended)
    : clock_(clock),
      random_(random),
      store_(store),
      sites_(std::move(sites)),
      may_connect_(std::move(may_connect)),
      on_ended_(std::move(on_ended)) {}

std::string_view to_string(PersonAgentSite::Terms terms) {
  switch (terms) {
    case PersonAgentSite::Terms::not_stated: return "not_stated";
    case PersonAgentSite::Terms::allowed: return "allowed";
    case PersonAgentSite::Terms::forbidden: return "forbidden";
  }
  return "?";
}

async::Task<> PersonAgentRegister::load() {
  const auto events = co_await store_.person_agent_events(clock_.now_utc());
  if (!events) co_return std::unexpected(events.error());
  const std::scoped_lock lock(mutex_);
  by_hash_.clear();
  for (const auto& event : *events) take(event);
  co_return Result<void>{};
}

void PersonAgentRegister::take(const PersonAgentEvent& event) {
  if (event.what == What::invited) {
    by_hash_[event.token_hash] = {.site = event.site,
                                  .person = event.person,
                                  .invited_at = event.at,
                                  .token_until = event.token_until,
                                  .until = event.session_until};
    return;
  }
  const auto at = by_hash_.find(event.token_hash);
  if (at == by_hash_.end()) return;
  auto& session = at->second;
  switch (event.what) {
    case What::invited: break;
    case What::begun:
      session.beginning = false;
      if (session.key.empty()) session.key = event.key;
      break;
    case What::ended:
      session.ended = true;
      session.reason = event.reason;
      break;
    case What::misused: ++session.misuses; break;
  }
}

/// Those that are over by time; who shows their tokens is told that nobody knows them.
void PersonAgentRegister::forget_old() {
  const auto now = clock_.now_utc();
  std::erase_if(by_hash_, [&](const auto& entry) {
    const auto& session = entry.second;
    const bool unused = session.key.empty() && !session.beginning && now >= session.token_until + kHour;
    return unused || now >= session.until + kHour;
  });
}

Result<void> PersonAgentRegister::check_site(const SiteId& site) const {
  const auto at = sites_.find(site);
  if (at == sites_.end()) {
    return fail(ErrorKind::not_found, "NO_PERSON_AGENTS",
                "there is no site \"" + site.str().substr(0, 40) +
                    "\" here that people's own agents serve: in hansad.toml it has run_as = \"person\"");
  }
  if (at->second.terms != PersonAgentSite::Terms::forbidden) return {};
  return fail(ErrorKind::permission_denied, "TERMS_FORBID",
              "the terms of use of site " + site.str() +
                  " do not allow agents of people's own, as the operator of this broker states "
                  "(remote.people.terms): ask them for another way to that site");
}

// ---- people

async::Task<Berth> PersonAgentRegister::invite(SiteId site, Principal person, std::optional<Seconds> wish) {
  if (auto good = check_site(site); !good) co_return std::unexpected(good.error());
  if (auto good = may_connect_(site, person); !good) co_return std::unexpected(good.error());
  const auto longest = sites_.at(site).longest;
  if (wish && (*wish > longest || *wish < Seconds{60})) {
    co_return fail(ErrorKind::invalid_argument, "SESSION_TOO_LONG",
                   "a session at site " + site.str() + " lasts a minute at least and " + format_duration(longest) + " at most");
  }
  const auto now = clock_.now_utc();
  {
    const std::scoped_lock lock(mutex_);
    forget_old();
    const auto lately = std::ranges::count_if(by_hash_, [&](const auto& entry) {
      return entry.second.site == site && entry.second.person == person && now - entry.second.invited_at < kHour;
    });
    if (lately >= kBerthsAnHour) {
      co_return fail(ErrorKind::rate_limited, "TOO_MANY_BERTHS",
                     "you have asked for " + std::to_string(lately) + " connections to site " + site.str() +
                         " in an hour; that is as many as there may be");
    }
  }
  Berth berth{.token = Secret(random_name(random_, kTokenPrefix, 32)),
              .token_until = now + std::min(kTokenGood, wish.value_or(longest)),
              .session_until = now + wish.value_or(longest)};
  const PersonAgentEvent event{.site = std::move(site),
                               .person = std::move(person),
                               .what = What::invited,
                               .at = now,
                               .token_hash = sha256_hex(berth.token.reveal()),
                               .token_until = berth.token_until,
                               .session_until = berth.session_until};
  if (auto recorded = co_await store_.record_person_agent_event(event); !recorded) co_return std::unexpected(recorded.error());
  const std::scoped_lock lock(mutex_);
  take(event);
  co_return berth;
}

async::Task<std::size_t> PersonAgentRegister::end(SiteId site, Principal person, Principal by, std::string reason) {
  if (!knows(site)) co_return std::unexpected(check_site(site).error());
  const auto now = clock_.now_utc();
  std::vector<PersonAgentEvent> events;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [hash, session] : by_hash_) {
      const bool good = !session.key.empty() || session.beginning || now < session.token_until;
      if (session.site != site || session.person != person || session.ended || now >= session.until || !good) continue;
      events.push_back({.site = site,
                        .person = person,
                        .what = What::ended,
                        .at = now,
                        .token_hash = hash,
                        .token_until = session.token_until,
                        .session_until = session.until,
                        .by = by,
                        .reason = reason});
    }
  }
  Result<void> stored;
  std::size_t recorded = 0;
  for (const auto& event : events) {
    if (auto done = co_await store_.record_person_agent_event(event); !done) {
      stored = std::unexpected(done.error());
      break;
    }
    ++recorded;
    const std::scoped_lock lock(mutex_);
    take(event);
  }
  // What is recorded counts: the one that is connected may be of that session.
  if (on_ended_ && (stored || recorded > 0))
    on_ended_(site, person,
              fail(ErrorKind::permission_denied, "SESSION_ENDED",
                   "this session was ended by " + by.str() + (reason.empty() ? "" : ": " + reason))
                  .error());
  if (!stored) co_return std::unexpected(stored.error());
  co_return events.size();
}

// ---- agents

std::optional<PersonAgentEvent> PersonAgentRegister::misuse_of(const std::string& hash, Session& session, const SiteId& site,
                                                               const std::string& key, const std::string& peer) {
  if (++session.misuses > kMisusesKept) return std::nullopt;
  return PersonAgentEvent{.site = session.site,
                          .person = session.person,
                          .what = What::misused,
                          .at = clock_.now_utc(),
                          .token_hash = hash,
                          .token_until = session.token_until,
                          .session_until = session.until,
                          .key = key,
                          .peer = peer,
                          .reason = site == session.site ? "" : "at site " + site.str()};
}

Result<void> PersonAgentRegister::judge(const SiteId& site, const std::string& key, const std::string& hash,
                                        const std::string& peer, bool& begins, std::optional<PersonAgentEvent>& misuse) {
  const std::scoped_lock lock(mutex_);
  const auto now = clock_.now_utc();
  const auto at = by_hash_.find(hash);
  if (at == by_hash_.end()) return of_no_use("BERTH_UNKNOWN", "is none of this broker's, or was good long ago", site);
  auto& session = at->second;
  if (session.site != site) {
    misuse = misuse_of(hash, session, site, key, peer);
    return fail(ErrorKind::permission_denied, "BERTH_OF_ANOTHER_SITE",
                "this token is for an agent at site " + session.site.str() + ", not at " + site.str() +
                    ": each site wants its own (hansa connect " + site.str() + ")");
  }
  if (session.ended) {
    return fail(ErrorKind::permission_denied, "SESSION_ENDED",
                "this session was ended" + (session.reason.empty() ? "" : " (" + session.reason + ")") + again(site));
  }
  if (now >= session.until) {
    return fail(ErrorKind::permission_denied, "SESSION_OVER",
                "this session was good until " + format_utc(session.until) + again(site));
  }
  if (!session.key.empty() && session.key == key) return {};
  if (!session.key.empty()) {
    misuse = misuse_of(hash, session, site, key, peer);
    return of_no_use("BERTH_USED",
                     "has been used, by an agent with another key (if that was not yours: hansa disconnect " + site.str() +
                         ", and tell the broker's operator)",
                     site);
  }
  if (now >= session.token_until) return of_no_use("BERTH_EXPIRED", "was good until " + format_utc(session.token_until), site);
  if (session.beginning) return of_no_use("BERTH_USED", "is being used at this moment", site);
  begins = session.beginning = true;
  return {};
}

async::Task<Principal> PersonAgentRegister::admit(SiteId site, std::string key, std::string authorization, std::string peer) {
  if (auto good = check_site(site); !good) co_return std::unexpected(good.error());
  if (key.empty())
    co_return fail(ErrorKind::unauthenticated, "NO_KEY", "an agent shows its key in a client certificate; none came");
  const auto token = bearer_of(authorization);
  const auto hash = token.starts_with(kTokenPrefix) && token.size() <= kMostTokenBytes ? sha256_hex(token) : std::string();
  bool begins = false;
  std::optional<PersonAgentEvent> misuse;
  auto judged = judge(site, key, hash, peer, begins, misuse);
  if (misuse) (void)co_await store_.record_person_agent_event(std::move(*misuse));  // whoever knocks is refused in any case
  if (!judged) co_return std::unexpected(judged.error());
  PersonAgentEvent event{.site = site, .what = What::begun, .at = clock_.now_utc(), .token_hash = hash, .key = key, .peer = peer};
  {
    const std::scoped_lock lock(mutex_);
    auto& session = by_hash_.at(hash);
    event.person = session.person;
    event.token_until = session.token_until;
    event.session_until = session.until;
    if (auto good = may_connect_(site, session.person); !good) {  // the map may have changed since
      if (begins) session.beginning = false;
      co_return std::unexpected(good.error());
    }
    if (!begins) co_return session.person;
  }
  const auto recorded = co_await store_.record_person_agent_event(event);
  const std::scoped_lock lock(mutex_);
  auto& session = by_hash_.at(hash);
  session.beginning = false;
  if (!recorded) co_return std::unexpected(recorded.error());
  take(event);
  if (session.ended) co_return fail(ErrorKind::permission_denied, "SESSION_ENDED", "this session was ended at this moment");
  co_return session.person;
}

// ---- connections

void PersonAgentRegister::connected(const SiteId& site, const Principal& person, const std::string& key,
                                    AgentConnection connection) {
  const std::scoped_lock lock(mutex_);
  auto& presence = present_[{site, person}];
  presence.connection = std::move(connection);
  presence.until = clock_.now_utc();
  for (const auto& [hash, session] : by_hash_) {
    if (session.site == site && session.person == person && session.key == key && !session.ended)
      presence.until = std::max(presence.until, session.until);
  }
}

void PersonAgentRegister::disconnected(const SiteId& site, const Principal& person, const std::string& peer, const Error& why) {
  const std::scoped_lock lock(mutex_);
  auto& presence = present_[{site, person}];
  presence.last_failure = AgentFailure{.at = clock_.now_utc(), .peer = peer, .code = why.code, .message = why.message};
  if (presence.connection && presence.connection->peer == peer) presence.connection.reset();
}

std::optional<UtcTime> PersonAgentRegister::connected_until(const SiteId& site, const Principal& person) const {
  const std::scoped_lock lock(mutex_);
  const auto at = present_.find({site, person});
  if (at == present_.end() || !at->second.connection) return std::nullopt;
  if (at->second.until <= clock_.now_utc()) return std::nullopt;  // its end has not been carried to the connection yet
  return at->second.until;
}

PersonAgentState PersonAgentRegister::state_of(const Whose& whose) const {
  PersonAgentState state{.person = whose.second};
  for (const auto& [hash, session] : by_hash_) {
    const bool counts = session.site == whose.first && session.person == whose.second && !session.ended && !session.key.empty();
    if (counts) state.session_until = std::max(state.session_until, session.until);
  }
  if (const auto at = present_.find(whose); at != present_.end()) {
    state.connection = at->second.connection;
    state.last_failure = at->second.last_failure;
    if (state.connection) state.session_until = at->second.until;
  }
  return state;
}

std::vector<PersonAgentState> PersonAgentRegister::states(const SiteId& site) const {
  const std::scoped_lock lock(mutex_);
  const auto now = clock_.now_utc();
  std::map<Whose, bool> people;
  for (const auto& [hash, session] : by_hash_) {
    if (session.site == site && !session.key.empty()) people[{site, session.person}] = true;
  }
  for (const auto& [whose, presence] : present_) {
    if (whose.first == site && presence.connection) people[whose] = true;
  }
  std::vector<PersonAgentState> states;
  for (const auto& [whose, counts] : people) {
    auto state = state_of(whose);
    if (state.connection || state.session_until > now) states.push_back(std::move(state));
  }
  return states;
}

std::optional<PersonAgentState> PersonAgentRegister::state(const SiteId& site, const Principal& person) const {
  if (!knows(site)) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  return state_of({site, person});
}

std::size_t PersonAgentRegister::connections(const SiteId& site) const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(
      present_, [&](const auto& entry) { return entry.first.first == site && entry.second.connection.has_value(); }));
}

}  // namespace hansa::identity
