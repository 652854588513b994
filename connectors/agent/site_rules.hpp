// SPDX-License-Identifier: Apache-2.0
#pragma once
// The site's own rules: what a broker sends is judged by the site's packs before the site's scheduler has it (DESIGN section 6).
// Of the site they ask what the agent's file says, and nobody else is believed; of people, projects and datasets what the
// broker's registers say, unless the file says it. Strand: the connector's.

#include "broker/core/clock.hpp"
#include "broker/ports/site_connector.hpp"
#include "config/agent_config.hpp"
#include "policies/rules/register_facts.hpp"
#include "policies/rules/rule_set.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace hansa::connectors::agent {

struct OwnRegulations {
  std::shared_ptr<const rules::RuleSet> rules;  // null: the site has none
  std::string digest;                           // of rules and facts; "" without rules
  rules::RegisterFacts site;
  std::map<ProjectId, rules::RegisterFacts> projects;
  std::map<Principal, rules::RegisterFacts> people;
};

/// All of it or nothing: BAD_RULE_PACK, with every fault of every pack. An obligation that a broker keeps is one: an
/// agent cannot.
Result<OwnRegulations> own_regulations(const config::AgentConfig& config, const std::filesystem::path& shipped_packs);

class SiteRules {
 public:
  /// `clock` outlives it.
  SiteRules(const Clock& clock, OwnRegulations own) : clock_(clock), own_(std::move(own)) {}

  void replace(OwnRegulations own) { own_ = std::move(own); }
  [[nodiscard]] const OwnRegulations& own() const { return own_; }

  /// Whether the job may be placed and sent here, at this moment; of a copy by the broker's mover, whether its dataset may be
  /// staged. permission_denied, SITE_RULES_DENY: the message has the rules,
  /// what they found and what they would allow, the detail every fact that they asked for.
  [[nodiscard]] Result<void> may_run(const ports::SubmitRequest& request) const;

 private:
  const Clock& clock_;
  OwnRegulations own_;
};

}  // namespace hansa::connectors::agent
