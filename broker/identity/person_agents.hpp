// SPDX-License-Identifier: Apache-2.0
#pragma once
// Agents that people start at a site by their own login (hansa connect): a token, of use once and for minutes, is asked for by
// the person; whoever shows it first binds its own key to the session, which that key then holds until the session's end, over
// cut connections and restarts of the broker. Also, while this process lives, who is connected.
//
// As with sites' agents (agents.hpp) the broker is the log's only writer and the copy in memory the truth. Thread-safe.

#include "broker/core/clock.hpp"
#include "broker/core/secret.hpp"
#include "broker/identity/agents.hpp"
#include "broker/ports/agents.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::identity {

/// A site that people's own agents serve.
struct PersonAgentSite {
  enum class Terms { not_stated, allowed, forbidden };
  Terms terms = Terms::not_stated;  // of use, about agents that people start for themselves
  Seconds longest{43'200};          // a session
  std::string login = {};           // the host that people log in to, if that is told
  std::string agent = {};           // hansa-agent there, likewise
};
std::string_view to_string(PersonAgentSite::Terms terms);  // "not_stated", "allowed", "forbidden"

/// What somebody who starts an agent for themselves has to hand it.
struct Berth {
  Secret token;  // "hansa_berth_" and 43 characters of base64url
  UtcTime token_until{};
  UtcTime session_until{};
};

/// One person's agent at a site, as it is now: connected, or a session that is not over.
struct PersonAgentState {
  Principal person;
  UtcTime session_until{};  // of the session that is connected, else of the last one
  std::optional<AgentConnection> connection;
  std::optional<AgentFailure> last_failure;
};

class PersonAgentRegister {
 public:
  /// Told that a person's sessions count no more, before end() answers; on the caller's thread.
  using OnEnded = std::function<void(const SiteId& site, const Principal& person, const Error& why)>;
  /// Why this person may have no agent there, whatever its terms say.
  using MayConnect = std::function<Result<void>(const SiteId& site, const Principal& person)>;

  PersonAgentRegister(const Clock& clock, Random& random, ports::PersonAgentStore& store, std::map<SiteId, PersonAgentSite> sites,
                      MayConnect may_connect, OnEnded on_ended);

  /// Reads the sessions that are not over; before anybody asks.
  async::Task<> load();

  /// For a session of `wish`, or of as long as the site lets one be. not_found, NO_PERSON_AGENTS; permission_denied,
  /// TERMS_FORBID or MayConnect's; rate_limited, TOO_MANY_BERTHS; invalid_argument, SESSION_TOO_LONG.
  async::Task<Berth> invite(SiteId site, Principal person, std::optional<Seconds> wish);
  /// All sessions of the person there, and tokens that wait to be used. Answers how many there were. After an error of the store
  /// those that were recorded have ended all the same.
  async::Task<std::size_t> end(SiteId site, Principal person, Principal by, std::string reason);

  /// Whose agent shows this token and has proven this key. Errors are for that person to read: what to do next.
  async::Task<Principal> admit(SiteId site, std::string key, std::string authorization, std::string peer);

  // What their connections tell.
  void connected(const SiteId& site, const Principal& person, const std::string& key, AgentConnection connection);
  void disconnected(const SiteId& site, const Principal& person, const std::string& peer, const Error& why);

  [[nodiscard]] bool knows(const SiteId& site) const { return sites_.contains(site); }
  [[nodiscard]] const std::map<SiteId, PersonAgentSite>& sites() const { return sites_; }
  /// When the session ends of whoever is connected; none: they are not, or it has ended.
  [[nodiscard]] std::optional<UtcTime> connected_until(const SiteId& site, const Principal& person) const;
  [[nodiscard]] std::vector<PersonAgentState> states(const SiteId& site) const;  // by person
  [[nodiscard]] std::optional<PersonAgentState> state(const SiteId& site, const Principal& person) const;
  [[nodiscard]] std::size_t connections(const SiteId& site) const;

  static constexpr std::string_view kTokenPrefix = "hansa_berth_";

 private:
  struct Session {
    SiteId site;
    Principal person;
    UtcTime invited_at{}, token_until{}, until{};
    std::string key;  // "": it has not begun
    bool beginning = false;
    bool ended = false;
    std::string reason;
    int misuses = 0;
  };
  using Whose = std::pair<SiteId, Principal>;
  struct Presence {
    std::optional<AgentConnection> connection;
    UtcTime until{};
    std::optional<AgentFailure> last_failure;
  };

  [[nodiscard]] Result<void> check_site(const SiteId& site) const;
  void take(const ports::PersonAgentEvent& event);
  void forget_old();
  /// What is to be told of a misuse, once the lock is given up; few of each session.
  std::optional<ports::PersonAgentEvent> misuse_of(const std::string& hash, Session& session, const SiteId& site,
                                                   const std::string& key, const std::string& peer);
  /// In force, or why not. `begins`: it has to be bound to the key.
  [[nodiscard]] Result<void> judge(const SiteId& site, const std::string& key, const std::string& hash, const std::string& peer,
                                   bool& begins, std::optional<ports::PersonAgentEvent>& misuse);
  [[nodiscard]] PersonAgentState state_of(const Whose& whose) const;

  const Clock& clock_;
  Random& random_;
  ports::PersonAgentStore& store_;
  const std::map<SiteId, PersonAgentSite> sites_;
  const MayConnect may_connect_;
  const OnEnded on_ended_;
  mutable std::mutex mutex_;
  std::map<std::string, Session> by_hash_;  // that are not over
  std::map<Whose, Presence> present_;
};

}  // namespace hansa::identity
