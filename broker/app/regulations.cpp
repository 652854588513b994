// SPDX-License-Identifier: Apache-2.0
#include "broker/app/regulations.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/time_text.hpp"
#include "config/keys.hpp"
#include "config/text_file.hpp"
#include "policies/rules/parse_pack.hpp"

namespace hansa::app {
namespace {

using engine::RegisterFacts;

std::optional<rules::Value> value_of(const config::Node& node) {
  switch (node.kind) {
    case config::Node::Kind::boolean: return node.boolean;
    case config::Node::Kind::integer: return node.integer;
    case config::Node::Kind::text: return node.text;
    case config::Node::Kind::date: return parse_utc(node.text).value_or(UtcTime{});
    case config::Node::Kind::list: {
      std::vector<std::string> texts;
      for (const auto& item : node.items) texts.push_back(item.text);
      return texts;
    }
    default: return std::nullopt;
  }
}

/// The keys that are called as an attribute of `subject` is, "site." or another; the others are no facts.
template <typename S>
RegisterFacts facts_of(const S& section, const std::string& subject, std::optional<UtcTime> as_of) {
  RegisterFacts facts;
  for (const auto& key : config::keys_of<S>()) {
    const auto* record = rules::find_attribute(subject + std::string(key.record.name));
    const auto node = key.get(section);
    auto value = record == nullptr || !node ? std::nullopt : value_of(*node);
    if (value) facts.push_back({.attribute = record->attribute, .value = std::move(*value), .as_of = as_of});
  }
  return facts;
}

/// Id and kind are the broker's own word; the rest counts from the day on which the place's operator said it.
RegisterFacts facts_of_place(const std::string& id, std::string kind, const std::string& country,
                             const config::PlaceFacts& told) {
  auto facts = facts_of(told, "site.", told.as_of);
  for (auto& fact : facts) {
    if (fact.attribute == rules::Attribute::site_status && told.status_as_of) fact.as_of = told.status_as_of;
  }
  if (told.as_of) facts.push_back({.attribute = rules::Attribute::site_country, .value = country, .as_of = told.as_of});
  for (auto& fact : facts) fact.evidence = told.evidence.value_or("");
  facts.push_back({.attribute = rules::Attribute::site_id, .value = id, .as_of = std::nullopt});
  facts.push_back({.attribute = rules::Attribute::site_kind, .value = std::move(kind), .as_of = std::nullopt});
  return facts;
}

RegisterFacts facts_of_person(const config::PersonConfig& person) {
  auto facts = facts_of(person, "user.", std::nullopt);
  std::erase_if(facts, [](const auto& fact) { return fact.attribute == rules::Attribute::user_id; });  // known without
  return facts;
}

Result<std::vector<rules::PackText>> read_packs(const std::vector<std::filesystem::path>& files) {
  std::vector<rules::PackText> texts;
  std::vector<Fault> faults;
  for (const auto& file : files) {
    if (auto text = config::read_text_file(file.string(), rules::kMostPackBytes))
      texts.push_back({.file = file.string(), .text = std::move(*text)});
    else
      faults.push_back({.where = file.string(), .message = text.error().message});
  }
  if (faults.empty()) return texts;
  auto error = fail(ErrorKind::invalid_argument, "BAD_RULE_PACK", "rules.packs names what cannot be read");
  error.error().faults = std::move(faults);
  return error;
}

}  // namespace

std::filesystem::path shipped_packs(const std::filesystem::path& program_folder) {
  return program_folder.parent_path() / "share" / "hansa" / "packs";
}

Result<engine::Regulations> regulations_of(const config::BrokerConfig& config, const std::filesystem::path& shipped) {
  engine::Regulations regulations;
  regulations.broker = facts_of_place(config.broker.name, "broker", config.broker.country, config.broker.facts);
  for (const auto& site : config.sites)
    regulations.sites.emplace(site.id, facts_of_place(site.id.str(), "cluster", site.country, site.facts));
  for (const auto& project : config.projects)
    regulations.projects.emplace(project.id, facts_of(project.facts, "project.", project.facts.as_of));
  for (const auto& person : config.people) regulations.people.emplace(person.id, facts_of_person(person));
  if (config.rules.packs.empty()) return regulations;

  const auto packs = read_packs(config::pack_files(config.rules, shipped));
  if (!packs) return std::unexpected(packs.error());
  auto loaded = rules::load(*packs);
  if (!loaded) return std::unexpected(loaded.error());
  regulations.rules = std::make_shared<const rules::RuleSet>(std::move(*loaded));
  regulations.packs_document = routing::packs_document(*packs);
  regulations.packs_hash = sha256_hex(regulations.packs_document);
  return regulations;
}

std::string packs_in(const engine::Regulations& regulations) {
  std::string names;
  for (const auto& pack : regulations.rules->packs()) names += (names.empty() ? "" : ", ") + pack.id + " " + pack.version;
  return names;
}

}  // namespace hansa::app
