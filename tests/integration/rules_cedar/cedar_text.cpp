// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/rules_cedar/cedar_text.hpp"

#include <algorithm>

namespace hansa::rules::test {
namespace {

std::string name_of(Attribute attribute) {
  std::string name(record_of(attribute).name);
  std::ranges::replace(name, '.', '_');
  return name;
}

std::string value_of(Attribute attribute) { return "context." + name_of(attribute) + ".value"; }

/// That the fact is there, from its source of truth, and neither too old nor from the future.
std::string known(Attribute attribute) {
  if (attribute == Attribute::now) return "true";
  const auto& record = record_of(attribute);
  const auto fact = "context." + name_of(attribute);
  auto text =
      "context has " + name_of(attribute) + " && " + fact + ".source == \"" + std::string(to_string(record.source)) + "\"";
  if (record.max_age > Seconds{0})
    text += " && " + fact + ".age <= " + std::to_string(Milliseconds(record.max_age).count()) + " && " + fact + ".age >= -300000";
  return text;
}

std::string known(const Clause& clause) { return known(clause.attribute) + (clause.other ? " && " + known(*clause.other) : ""); }

std::string literal(const Scalar& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return '"' + *text + '"';
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* time = std::get_if<UtcTime>(&value)) return std::to_string(to_unix_ms(*time));
  return std::to_string(std::get<std::int64_t>(value));
}

std::string list(const std::vector<std::string>& literals) {
  std::string text;
  for (const auto& one : literals) text += (text.empty() ? "" : ", ") + one;
  return "[" + text + "]";
}

std::string operand_list(const Clause& clause) {
  std::vector<std::string> literals;
  for (const auto& value : clause.values) literals.push_back(literal(value));
  if (!clause.set.empty()) {
    for (const auto& value : random_set(clause.set).values) literals.push_back('"' + value + '"');
  }
  return list(literals);
}

/// Levels are words to Cedar: those from, or up to, the named one.
std::string level_list(const Clause& clause) {
  const auto words = record_of(clause.attribute).words;
  const auto at = std::ranges::find(words, std::get<std::string>(clause.values.front()));
  std::vector<std::string> literals;
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (clause.op == Op::at_least ? word >= at : word <= at) literals.push_back('"' + std::string(*word) + '"');
  }
  return list(literals);
}

std::string expression(const Clause& clause) {
  const auto value = value_of(clause.attribute);
  const auto one = [&] { return clause.other ? value_of(*clause.other) : literal(clause.values.front()); };
  switch (clause.op) {
    case Op::eq: return value + " == " + one();
    case Op::ne: return value + " != " + one();
    case Op::lt: return value + " < " + one();
    case Op::le: return value + " <= " + one();
    case Op::gt: return value + " > " + one();
    case Op::ge: return value + " >= " + one();
    case Op::in:
    case Op::in_set: return operand_list(clause) + ".contains(" + value + ")";
    case Op::not_in:
    case Op::not_in_set: return "!" + operand_list(clause) + ".contains(" + value + ")";
    case Op::at_least:
    case Op::at_most: return level_list(clause) + ".contains(" + value + ")";
    case Op::any_of:
    case Op::any_in_set:
      return clause.other ? value + ".contains(" + one() + ")" : value + ".containsAny(" + operand_list(clause) + ")";
    case Op::none_of:
      return clause.other ? "!" + value + ".contains(" + one() + ")" : "!" + value + ".containsAny(" + operand_list(clause) + ")";
    case Op::all_of: return value + ".containsAll(" + operand_list(clause) + ")";
    case Op::within:
    case Op::within_set: return operand_list(clause) + ".containsAll(" + value + ")";
  }
  return {};
}

std::string surely(const Clause& clause) { return "(" + known(clause) + " && (" + expression(clause) + "))"; }
std::string surely_not(const Clause& clause) { return "(" + known(clause) + " && !(" + expression(clause) + "))"; }

template <typename Each>
std::string joined(const std::vector<Clause>& clauses, const char* with, const char* empty, Each each) {
  std::string text;
  for (const auto& clause : clauses) text += (text.empty() ? "" : with) + each(clause);
  return clauses.empty() ? empty : "(" + text + ")";
}

std::string dates(const Rule& rule) {
  std::string text;
  const auto ms = [](UtcTime time) { return std::to_string(to_unix_ms(time)); };
  if (rule.effective_from) text += " && context.now.value >= " + ms(*rule.effective_from);
  if (rule.effective_until) text += " && context.now.value < " + ms(*rule.effective_until);
  if (rule.basis_until && rule.effect == Effect::permit) text += " && context.now.value < " + ms(*rule.basis_until);
  return text;
}

std::string policy(const Rule& rule) {
  std::vector<std::string> actions;
  for (const auto action : rule.actions) actions.push_back("Action::\"" + std::string(to_string(action)) + "\"");
  auto condition = list(actions) + ".contains(action)" + dates(rule);
  const bool about = rule.about_datasets();
  if (rule.effect == Effect::permit) {
    condition += std::string(" && context.asks_dataset == ") + (about ? "true" : "false");
    condition += " && " + joined(rule.when, " && ", "true", surely);
    if (!rule.unless.empty()) condition += " && " + joined(rule.unless, " || ", "false", surely_not);
    return "permit (principal, action, resource) when { " + condition + " };\n";
  }
  // A forbid holds unless it surely does not apply.
  if (about) condition += " && context.asks_dataset";
  condition += " && !" + joined(rule.when, " || ", "false", surely_not);
  if (!rule.unless.empty()) condition += " && !" + joined(rule.unless, " && ", "true", surely);
  return "forbid (principal, action, resource) when { " + condition + " };\n";
}

void add_facts(const Evidence& evidence, UtcTime now, Json& context) {
  for (const auto& fact : evidence) {
    const auto state = find_fact(evidence, fact.attribute, now).state;
    if (state == FactState::told_twice || !fits(record_of(fact.attribute), fact.value)) continue;
    Json value;
    if (const auto* several = std::get_if<std::vector<std::string>>(&fact.value))
      value = *several;
    else if (const auto* text = std::get_if<std::string>(&fact.value))
      value = *text;
    else if (const auto* boolean = std::get_if<bool>(&fact.value))
      value = *boolean;
    else if (const auto* time = std::get_if<UtcTime>(&fact.value))
      value = to_unix_ms(*time);
    else
      value = std::get<std::int64_t>(fact.value);
    context[name_of(fact.attribute)] = {
        {"value", std::move(value)}, {"source", to_string(fact.source)}, {"age", (now - fact.observed_at).count()}};
  }
}

Json context_of(const Question& question, const Evidence* dataset) {
  Json context{{"asks_dataset", dataset != nullptr}, {"now", {{"value", to_unix_ms(question.now)}}}};
  add_facts(question.job, question.now, context);
  add_facts(question.site, question.now, context);
  if (dataset != nullptr) add_facts(*dataset, question.now, context);
  return context;
}

}  // namespace

std::string cedar_policies(const Pack& pack) {
  std::string text;
  for (const auto& rule : pack.rules) text += policy(rule);
  return text;
}

Json cedar_contexts(const Question& question) {
  auto contexts = Json::array();
  for (const auto& dataset : question.datasets) contexts.push_back(context_of(question, &dataset));
  if (contexts.empty()) contexts.push_back(context_of(question, nullptr));
  return contexts;
}

}  // namespace hansa::rules::test
