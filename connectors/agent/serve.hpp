// SPDX-License-Identifier: Apache-2.0
#pragma once
// hansa-agent's life: over its standard input and output, from a broker's first line to the end of the input; or as a service
// that connects to its broker, again and again.

#include "config/agent_config.hpp"
#include "connectors/agent/site_rules.hpp"
#include "connectors/websocket/dialler.hpp"

#include <filesystem>
#include <string>

namespace hansa::connectors::agent {

/// Exit statuses, from sysexits(3) where one fits.
enum ExitStatus : int {
  kExitOk = 0,
  kExitUsage = 2,
  kExitUnavailable = 69,    // the site's connector cannot be set up
  kExitProtocol = 76,       // what came was not the protocol
  kExitRoot = 77,           // it refuses to run as root
  kExitConfiguration = 78,
};

struct Start {
  std::filesystem::path file;  // that the next two were read from, and are again on SIGHUP
  config::AgentConfig config;
  OwnRegulations own;
  std::filesystem::path program_folder;
  std::string name;
  bool reloads = true;  // on SIGHUP; else that ends it
};

/// Serves the site until the input ends, or SIGTERM. What was being done is then cut; jobs go on. SIGHUP brings the file's
/// budget, rules and facts into force, all of them or, of a file with any fault, nothing.
int serve_stdio(Start start);

/// Connects to the broker with which it is enrolled and serves the site, until SIGTERM. When the connection breaks what was being
/// done is cut, jobs go on, and it is made anew after a pause. SIGHUP as above.
int serve_broker(Start start);

/// An agent that somebody has started for themselves (person.hpp).
struct PersonSession {
  Start start;
  websocket::DialOptions way;
  Principal person;
  UtcTime until{};
};

/// The same for one person, until standard input ends, the session does, the broker refuses this agent for good, or SIGTERM,
/// SIGINT or SIGHUP.
int serve_session(PersonSession session);

}  // namespace hansa::connectors::agent
