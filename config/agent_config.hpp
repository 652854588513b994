// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an agent's file says: the site that it serves, by the keys of a broker's [[site]], the site's own rules and what it knows
// of people and projects, and what is the agent's own.

#include "config/broker_config.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::config {

struct AgentSection {
  std::filesystem::path state_dir = "/var/lib/hansa-agent";
  std::optional<std::filesystem::path> switch_socket;
  Milliseconds ping_after{20'000};
  Milliseconds dead_after{90'000};
  Milliseconds longest_pause{120'000};
  std::optional<std::string> proxy;  // "none", or its address; without it the environment's counts
  std::optional<std::filesystem::path> proxy_login_file;
  friend bool operator==(const AgentSection&, const AgentSection&) = default;
};

/// What the site itself knows of a project. It takes the place of what a broker's register says.
struct AgentProjectConfig {
  ProjectId id;
  ProjectFacts facts;
  friend bool operator==(const AgentProjectConfig&, const AgentProjectConfig&) = default;
};

struct AgentConfig {
  AgentSection agent;
  SiteConfig site;
  bool has_budget = false;  // site.budget is the site's word, and not what a broker would take without one
  RulesConfig rules;
  std::vector<AgentProjectConfig> projects;
  std::vector<PersonConfig> people;
  friend bool operator==(const AgentConfig&, const AgentConfig&) = default;
};

/// As parse_broker_config and load_broker_config.
Result<AgentConfig> parse_agent_config(std::string_view text, const std::filesystem::path& file);
Result<AgentConfig> load_agent_config(const std::filesystem::path& file);

}  // namespace hansa::config
