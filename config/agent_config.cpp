// SPDX-License-Identifier: Apache-2.0
#include "config/agent_config.hpp"

#include "config/site_section.hpp"
#include "config/text_file.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace hansa::config {
namespace {

constexpr std::array<std::string_view, 5> kTables{"agent", "person", "project", "rules", "site"};
constexpr std::array<std::string_view, 1> kOwnProjectTables{"facts"};
constexpr std::array<std::string_view, 6> kBrokersOwn{"allocation",      "apel", "charge",
                                                      "ignore_findings", "root", "waldur"};  // of the keys of a [[site]]

/// Without the table an agent keeps to nothing but what it can do at once; with it, to all of it.
void read_budget(const Table& site, AgentConfig& config, Findings& findings) {
  config.has_budget = site.find("budget") != nullptr;
  const Node* budget = site.find("budget");
  if (budget != nullptr && budget->kind == Node::Kind::table && budget->find("waiting_jobs") != nullptr)
    findings.add(budget->find("waiting_jobs")->key_at, site.path_of("budget") + ".waiting_jobs",
                 "has no effect at an agent, which counts calls and not jobs: it is the broker's, in its [[site]]");
  if (config.has_budget && config.site.run_as == RunAs::by_certificate)
    findings.add(
        site.mark_of("budget"), site.path_of("budget"),
        "stands beside run_as = \"certificate\": each person's agent is another account's, and they can share no budget; "
        "set it in the broker's [[site]]");
}

AgentConfig read_agent_config(const Node& document, Findings& findings) {
  AgentConfig config;
  const Table root{&document, ""};
  check_unknown_keys(root, kTables, findings);
  const auto agent = sub_table(root, "agent", findings);
  if (agent) {
    read_keys(*agent, {}, config.agent, findings);
    if (config.agent.dead_after <= config.agent.ping_after)
      findings.add(agent->mark_of("dead_after_ms"), agent->path_of("dead_after_ms"), "must be more than ping_after_ms");
  }
  const auto site = sub_table(root, "site", findings);
  if (!site) return config;
  config.site = read_site(*site, agent.value_or(Table{nullptr, "agent"}), nullptr, findings);
  for (const auto name : kBrokersOwn) {
    if (site->find(name) != nullptr)
      findings.add(site->mark_of(name), site->path_of(name), "has no effect at an agent: it is the broker's, in its [[site]]");
  }
  if (config.site.connector == Connector::remote)
    findings.add(site->mark_of("connector"), site->path_of("connector"),
                 "is \"remote\"; an agent serves what is at its own site");
  read_budget(*site, config, findings);
  read_table(root, "rules", {}, config.rules, findings);
  const auto projects = blocks_of(root, "project", kProjectId, findings);
  for (const auto& table : projects) {
    auto& project = config.projects.emplace_back();
    read_keys(table, kOwnProjectTables, project, findings);
    read_table(table, "facts", {}, project.facts, findings);
  }
  check_unique_ids(projects, findings);
  const auto people = blocks_of(root, "person", kPrincipal, findings);
  for (const auto& table : people) read_keys(table, {}, config.people.emplace_back(), findings);
  check_unique_ids(people, findings);
  return config;
}

Result<AgentConfig> checked(AgentConfig config, std::vector<Fault> faults, const std::filesystem::path& file) {
  if (!faults.empty()) return std::unexpected(configuration_error(file.string(), std::move(faults)));
  return config;
}

}  // namespace

Result<AgentConfig> parse_agent_config(std::string_view text, const std::filesystem::path& file) {
  const auto document = parse_toml(text, file.string());
  if (!document) return std::unexpected(document.error());
  Findings findings(file.string());
  auto config = read_agent_config(*document, findings);
  return checked(std::move(config), findings.faults(), file);
}

Result<AgentConfig> load_agent_config(const std::filesystem::path& file) {
  const auto text = read_text_file(file.string(), kMaxConfigBytes);
  if (!text) return std::unexpected(text.error());
  const auto document = parse_toml(*text, file.string());
  if (!document) return std::unexpected(document.error());
  Findings findings(file.string());
  auto config = read_agent_config(*document, findings);
  const Node* site = document->find("site");
  auto elsewhere = read_accounts_file(Table{site, "site"}, config.site, findings);
  auto faults = findings.faults();
  std::ranges::move(elsewhere, std::back_inserter(faults));
  return checked(std::move(config), std::move(faults), file);
}

}  // namespace hansa::config
