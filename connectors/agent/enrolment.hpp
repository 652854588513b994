// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an agent that connects to its broker knows of it and of itself, in its state folder: `agent.key`, which is made there and
// leaves it never, and `enrolment.json`: where the broker is, and how it is known.

#include "config/agent_config.hpp"
#include "connectors/websocket/dialler.hpp"

#include <optional>
#include <string>

namespace hansa::connectors::agent {

/// How to reach the broker of the agent's enrolment. not_found, NOT_ENROLLED: hansa-agent enroll has not been run.
Result<websocket::DialOptions> load_enrolment(const config::AgentConfig& config, std::string name);

/// Through what the broker is reached, by the file or by the environment, with the login of its file if there is one.
/// invalid_argument says which word is not good.
Result<std::optional<websocket::Proxy>> proxy_to(const config::AgentConfig& config, const http::Url& broker);

struct EnrolmentWish {
  std::string broker;      // "wss://HOST:PORT"
  std::string pin = {};    // the id of its key, or:
  std::string ca_file = {};  // an authority's certificate; neither: the system's authorities
  std::string token_file;  // "-": standard input
  bool new_key = false;
};

/// Makes the key, if there is none or a new one is wished for, enrols it, and only then keeps it and the enrolment: whatever
/// fails, what was good before is still there, and the same command may be given again. Says on standard error what went wrong;
/// an exit status.
int enroll(const config::AgentConfig& config, const EnrolmentWish& wish, const std::string& name);

}  // namespace hansa::connectors::agent
