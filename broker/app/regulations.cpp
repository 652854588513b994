// SPDX-License-Identifier: Apache-2.0
#include "broker/app/regulations.hpp"

#include "broker/core/digest.hpp"
#include "connectors/assembly/regulations.hpp"

namespace hansa::app {

namespace assembly = connectors::assembly;

Result<engine::Regulations> regulations_of(const config::BrokerConfig& config, const std::filesystem::path& shipped) {
  engine::Regulations regulations;
  regulations.broker = assembly::facts_of_place(config.broker.name, "broker", config.broker.country, config.broker.facts);
  for (const auto& site : config.sites)
    regulations.sites.emplace(site.id, assembly::facts_of_place(site.id.str(), "cluster", site.country, site.facts));
  for (const auto& project : config.projects) regulations.projects.emplace(project.id, assembly::facts_of_project(project.facts));
  for (const auto& person : config.people) regulations.people.emplace(person.id, assembly::facts_of_person(person));
  if (config.rules.packs.empty()) return regulations;

  const auto packs = assembly::read_packs(config.rules, shipped);
  if (!packs) return std::unexpected(packs.error());
  auto loaded = rules::load(*packs);
  if (!loaded) return std::unexpected(loaded.error());
  regulations.rules = std::make_shared<const rules::RuleSet>(std::move(*loaded));
  regulations.packs_document = routing::packs_document(*packs);
  regulations.packs_hash = sha256_hex(regulations.packs_document);
  return regulations;
}

engine::RegisterFacts vouched_for(const std::optional<ports::Membership>& heard) {
  engine::RegisterFacts facts;
  if (!heard) return facts;
  if (!heard->assurance.empty()) facts.push_back({rules::Attribute::user_assurance, heard->assurance, heard->seen_at});
  if (!heard->authentication.empty())
    facts.push_back({rules::Attribute::user_authentication, heard->authentication, heard->seen_at});
  return facts;
}

}  // namespace hansa::app
