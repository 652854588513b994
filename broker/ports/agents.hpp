// SPDX-License-Identifier: Apache-2.0
#pragma once
// What became of sites' agents, as an append-only log. As with the other stores (stores.hpp): a write returns when it is durable;
// callable from any strand.

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

class AgentStore {
 public:
  virtual ~AgentStore() = default;
  /// Answers its sequence.
  virtual async::Task<std::int64_t> record_agent_event(AgentEvent event) = 0;
  virtual async::Task<std::vector<AgentEvent>> agent_events() = 0;  // all, in their order
};

}  // namespace hansa::ports
