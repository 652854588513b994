// SPDX-License-Identifier: Apache-2.0
#pragma once
// hansa-agent's life over its standard input and output: from a broker's first line to the end of the input.

#include "config/agent_config.hpp"

#include <filesystem>

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

/// Serves the site until the input ends, or SIGTERM. What was being done is then cut; jobs go on.
int serve_stdio(const config::AgentConfig& config, const std::filesystem::path& program_folder, const std::string& name);

}  // namespace hansa::connectors::agent
