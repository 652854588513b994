// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/sentence.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

std::string sentence_of_all(const std::vector<Clause>& clauses) {
  std::vector<std::string> parts;
  for (const auto& clause : clauses) parts.push_back(sentence(clause));
  return conjunction(parts);
}

std::string_view verb_of(const Clause& clause) {
  if (record_of(clause.attribute).type == Type::time) {
    switch (clause.op) {
      case Op::lt: return "is before";
      case Op::le: return "is not after";
      case Op::gt: return "is after";
      case Op::ge: return "is not before";
      default: break;
    }
  }
  return record_of(clause.op).phrase;
}

}  // namespace

std::string conjunction(std::span<const std::string> parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

std::string sentence(const Clause& clause) {
  const auto& record = record_of(clause.attribute);
  if (record.type == Type::boolean && !clause.other) {
    const bool wanted = std::get<bool>(clause.values.front()) == (clause.op == Op::eq);
    return (wanted ? "" : "it is not so that ") + std::string(record.phrase);
  }
  auto text = std::string(record.phrase) + " " + std::string(verb_of(clause)) + " ";
  if (clause.other) return text + std::string(record_of(*clause.other).phrase);
  if (!clause.set.empty()) return text + clause.set;
  std::string values;
  for (const auto& value : clause.values) values += (values.empty() ? "" : ", ") + text_of(value);
  return text + values;
}

std::string sentence(const Rule& rule) {
  std::vector<std::string> actions;
  for (const auto action : rule.actions) actions.emplace_back(to_string(action));
  auto text = (rule.effect == Effect::permit ? "Permits " : "Forbids ") + conjunction(actions);
  if (!rule.when.empty()) text += " when " + sentence_of_all(rule.when);
  if (!rule.unless.empty()) text += (rule.when.empty() ? " unless " : ", unless ") + sentence_of_all(rule.unless);
  return text + ".";
}

std::string sentence_of_obligation(const std::string& obligation) {
  const auto [name, number, by_site] = parts_of(obligation);
  const auto record = std::ranges::find(obligations(), name, &ObligationRecord::name);
  if (record == obligations().end()) return obligation;
  std::string text(record->sentence);
  if (const auto at = text.find("{}"); at != std::string::npos && !number.empty()) text.replace(at, 2, number);
  return text + (by_site ? "; the site sees to it" : "");
}

}  // namespace hansa::rules
