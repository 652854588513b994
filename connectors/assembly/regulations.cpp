// SPDX-License-Identifier: Apache-2.0
#include "connectors/assembly/regulations.hpp"

#include "broker/core/time_text.hpp"
#include "config/keys.hpp"
#include "config/text_file.hpp"
#include "policies/rules/parse_pack.hpp"

namespace hansa::connectors::assembly {

using rules::RegisterFacts;

namespace {

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

}  // namespace

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

RegisterFacts facts_of_project(const config::ProjectFacts& told) { return facts_of(told, "project.", told.as_of); }

RegisterFacts facts_of_person(const config::PersonConfig& person) {
  auto facts = facts_of(person, "user.", std::nullopt);
  std::erase_if(facts, [](const auto& fact) { return fact.attribute == rules::Attribute::user_id; });  // known without
  return facts;
}

std::filesystem::path shipped_packs(const std::filesystem::path& program_folder) {
  return program_folder.parent_path() / "share" / "hansa" / "packs";
}

Result<std::vector<rules::PackText>> read_packs(const config::RulesConfig& config, const std::filesystem::path& shipped) {
  std::vector<rules::PackText> texts;
  std::vector<Fault> faults;
  for (const auto& file : config::pack_files(config, shipped)) {
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

std::string packs_in(const rules::RuleSet& rules) {
  std::string names;
  for (const auto& pack : rules.packs()) names += (names.empty() ? "" : ", ") + pack.id + " " + pack.version;
  return names;
}

}  // namespace hansa::connectors::assembly
