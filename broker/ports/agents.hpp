// SPDX-License-Identifier: Apache-2.0
#pragma once
// What became of sites' agents, and of those that people start there for themselves, as append-only logs. As with the other
// stores (stores.hpp): a write returns when it is durable; callable from any strand.

#include "broker/async/task.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hansa::ports {

struct AgentEvent {
  enum class What {
    invited,  // an operator made an enrolment token; one made before is of no use any more
    enrolled,  // an agent used it: the site's agent is who has this key, and nobody else
    revoked,  // an operator took back key and token
  };
  std::int64_t sequence = 0;  // given by the store, rising in the order of commits
  SiteId site;
  What what = What::invited;
  UtcTime at{};
  Principal by;  // invited, revoked
  std::string token_hash = {};  // invited: SHA-256, hex
  std::optional<UtcTime> expires_at = {};  // invited
  std::string key = {};  // enrolled: "sha256:...", of the agent's public key
  std::string peer = {};  // enrolled: from where
  std::string reason = {};  // revoked
  friend bool operator==(const AgentEvent&, const AgentEvent&) = default;
};

/// A session of an agent that a person starts at a site by their own login. Its token's hash names it.
struct PersonAgentEvent {
  enum class What {
    invited,  // the person asked for a token, which is of use once
    begun,    // an agent used it: until the session's end that is who has this key
    ended,    // the person or an operator ended it
    misused,  // somebody with another key, or for another site, has shown its token
  };
  std::int64_t sequence = 0;  // as above
  SiteId site;
  Principal person;
  What what = What::invited;
  UtcTime at{};
  std::string token_hash;           // SHA-256, hex
  UtcTime token_until{};            // invited
  UtcTime session_until{};          // all
  Principal by = {};                // ended
  std::string key = {};             // begun, misused
  std::string peer = {};            // begun, misused: from where
  std::string reason = {};          // ended
  friend bool operator==(const PersonAgentEvent&, const PersonAgentEvent&) = default;
};

class AgentStore {
 public:
  virtual ~AgentStore() = default;
  /// Answers its sequence.
  virtual async::Task<std::int64_t> record_agent_event(AgentEvent event) = 0;
  virtual async::Task<std::vector<AgentEvent>> agent_events() = 0;  // all, in their order
};

class PersonAgentStore {
 public:
  virtual ~PersonAgentStore() = default;
  /// Answers its sequence.
  virtual async::Task<std::int64_t> record_person_agent_event(PersonAgentEvent event) = 0;
  /// Of the sessions that end after `since`, in their order.
  virtual async::Task<std::vector<PersonAgentEvent>> person_agent_events(UtcTime since) = 0;
};

}  // namespace hansa::ports
