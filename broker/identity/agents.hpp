// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose agent is whose: a site's agent is who holds the key that was enrolled for it, with a token that an operator made and that
// is of use once. What happened is an append-only log; what counts is read from it. Also, while this process lives, whether the
// agents are connected.
//
// As with tokens, the broker is the log's only writer and the copy in memory the truth. Thread-safe.

#include "broker/core/clock.hpp"
#include "broker/core/secret.hpp"
#include "broker/ports/agents.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hansa::identity {

struct AgentConnection {
  UtcTime since{};
  std::string peer;  // from where
  std::string name;  // what it calls itself, with its version
};

struct AgentFailure {
  UtcTime at{};
  std::string peer;
  std::string code;
  std::string message;
};

/// One site's agent, as it is now.
struct AgentState {
  std::string key;  // "" if none is enrolled
  std::optional<UtcTime> enrolled_at;
  std::optional<UtcTime> invited_until;  // a token waits to be used
  std::optional<AgentConnection> connection;
  std::optional<AgentFailure> last_failure;  // a connection that ended, or one that was refused
};

struct Invitation {
  Secret token;  // "hansa_enrol_" and 43 characters of base64url
  UtcTime expires_at{};
};

class AgentRegister {
 public:
  /// Told that a site's key counts no more, before revoke() or enrol() answers; on the caller's thread.
  using OnRevoked = std::function<void(const SiteId& site, const Error& why)>;

  /// `sites`: those whose agents come to us.
  AgentRegister(const Clock& clock, Random& random, ports::AgentStore& store, std::set<SiteId> sites, OnRevoked on_revoked);

  /// Reads the log; before anybody asks.
  async::Task<> load();

  // An operator's. not_found, NO_AGENT_SITE: the site's agent does not come to us.
  async::Task<Invitation> invite(SiteId site, Principal by, Seconds valid);
  async::Task<> revoke(SiteId site, Principal by, std::string reason);

  // An agent's, whose key has been proven. Errors are for the agent's operator to read: what to do next.
  async::Task<> enrol(SiteId site, std::string key, std::string authorization, std::string peer);
  [[nodiscard]] Result<void> admit(const SiteId& site, const std::string& key, const std::string& peer);

  // What its connections tell.
  void connected(const SiteId& site, AgentConnection connection);
  void disconnected(const SiteId& site, const std::string& peer, const Error& why);

  [[nodiscard]] const std::set<SiteId>& sites() const { return sites_; }
  [[nodiscard]] bool knows(const SiteId& site) const { return sites_.contains(site); }
  [[nodiscard]] std::optional<AgentState> state(const SiteId& site) const;  // none: the site's agent does not come to us
  [[nodiscard]] std::vector<ports::AgentEvent> events(const SiteId& site) const;  // oldest first

 private:
  struct Site {
    std::vector<ports::AgentEvent> events;  // by sequence
    std::string key;
    std::optional<UtcTime> enrolled_at;
    std::string token_hash;  // that waits to be used
    std::optional<UtcTime> token_until;
    std::string used_hash;  // with which the key was enrolled
    bool enrolling = false;
    std::optional<AgentConnection> connection;
    std::optional<AgentFailure> last_failure;
  };

  static void interpret(Site& site);
  Result<void> check_site(const SiteId& site) const;
  /// Durable, then in force.
  async::Task<> record(ports::AgentEvent event);
  Result<void> begin_enrolment(const SiteId& id, const std::string& key, const std::string& token_hash, bool& done);
  void note(const SiteId& id, const std::string& peer, const Error& why);

  const Clock& clock_;
  Random& random_;
  ports::AgentStore& store_;
  const std::set<SiteId> sites_;
  const OnRevoked on_revoked_;
  mutable std::mutex mutex_;
  std::map<SiteId, Site> by_site_;
};

}  // namespace hansa::identity
