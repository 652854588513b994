// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/rules_z3/rules_in_z3.hpp"

#include "broker/core/countries.hpp"

#include <algorithm>
#include <stdexcept>

namespace hansa::rules::test {
namespace {

std::string name_of(Attribute attribute) { return std::string(record_of(attribute).name); }

std::vector<std::string> texts_of(const Clause& clause, const Pack& pack) {
  if (!clause.set.empty()) return pack.find_set(clause.set)->values;
  std::vector<std::string> texts;
  for (const auto& value : clause.values) texts.push_back(std::get<std::string>(value));
  return texts;
}

}  // namespace

z3::expr RulesInZ3::known(Attribute attribute) {
  return attribute == Attribute::now ? context_.bool_val(true) : flag("known " + name_of(attribute));
}

z3::expr RulesInZ3::value(Attribute attribute) { return context_.int_const(name_of(attribute).c_str()); }

z3::expr RulesInZ3::includes(Attribute attribute, std::string_view word) {
  if (record_of(attribute).type != Type::words)
    throw std::logic_error("several of " + name_of(attribute) + " have no formula yet");
  return flag(name_of(attribute) + " includes " + std::string(word));
}

z3::expr RulesInZ3::number_of(Attribute attribute, const Scalar& scalar) {
  if (const auto* boolean = std::get_if<bool>(&scalar)) return number(*boolean ? 1 : 0);
  if (const auto* time = std::get_if<UtcTime>(&scalar)) return number(to_unix_ms(*time));
  if (const auto* integer = std::get_if<std::int64_t>(&scalar)) return number(*integer);
  const auto& text = std::get<std::string>(scalar);
  const auto& record = record_of(attribute);
  if (record.type == Type::country) return number(static_cast<std::int64_t>(*country_index(text)));
  if (record.type == Type::id) return number(ids_.emplace(text, static_cast<std::int64_t>(ids_.size())).first->second);
  return number(std::ranges::find(record.words, text) - record.words.begin());
}

z3::expr RulesInZ3::is(Attribute attribute, const Scalar& scalar) {
  return known(attribute) && value(attribute) == number_of(attribute, scalar);
}

z3::expr RulesInZ3::one_of(Attribute attribute, const std::vector<std::string>& texts) {
  auto any = context_.bool_val(false);
  for (const auto& text : texts) any = any || is(attribute, text);
  return any;
}

z3::expr RulesInZ3::includes_fact(Attribute several, Attribute one) {
  return flag(name_of(several) + " includes " + name_of(one));
}

z3::expr RulesInZ3::holds(const Clause& clause, const Pack& pack) {
  const auto attribute = clause.attribute;
  const auto& record = record_of(attribute);
  if (is_several(record.type)) {
    if (clause.other) {
      const auto included = includes_fact(attribute, *clause.other);
      return clause.op == Op::any_of ? included : !included;
    }
    auto any = context_.bool_val(false);
    auto all = context_.bool_val(true);
    auto only = context_.bool_val(true);
    const auto named = texts_of(clause, pack);
    for (const auto& word : named) {
      any = any || includes(attribute, word);
      all = all && includes(attribute, word);
    }
    for (const auto word : record.words) {
      if (std::ranges::find(named, word) == named.end()) only = only && !includes(attribute, word);
    }
    switch (clause.op) {
      case Op::any_of: return any;
      case Op::all_of: return all;
      case Op::none_of: return !any;
      case Op::within: return only;
      default: throw std::logic_error("no formula yet for " + std::string(record_of(clause.op).name));
    }
  }
  const auto seen = value(attribute);
  const auto with = [&] { return clause.other ? value(*clause.other) : number_of(attribute, clause.values.front()); };
  auto any = context_.bool_val(false);
  if (!clause.other) {
    for (const auto& one : clause.values) any = any || seen == number_of(attribute, one);
    if (!clause.set.empty()) {
      for (const auto& text : texts_of(clause, pack)) any = any || seen == number_of(attribute, text);
    }
  }
  switch (clause.op) {
    case Op::eq: return seen == with();
    case Op::ne: return seen != with();
    case Op::in:
    case Op::in_set: return any;
    case Op::not_in:
    case Op::not_in_set: return !any;
    case Op::lt: return seen < with();
    case Op::le:
    case Op::at_most: return seen <= with();
    case Op::gt: return seen > with();
    case Op::ge:
    case Op::at_least: return seen >= with();
    default: throw std::logic_error("no formula yet for " + std::string(record_of(clause.op).name));
  }
}

z3::expr RulesInZ3::surely(const Clause& clause, const Pack& pack) {
  auto both = known(clause.attribute) && holds(clause, pack);
  return clause.other ? both && known(*clause.other) : both;
}

z3::expr RulesInZ3::surely_not(const Clause& clause, const Pack& pack) {
  auto both = known(clause.attribute) && !holds(clause, pack);
  return clause.other ? both && known(*clause.other) : both;
}

z3::expr RulesInZ3::permits(const Rule& rule, const Pack& pack) {
  auto applies = context_.bool_val(true);
  for (const auto& clause : rule.when) applies = applies && surely(clause, pack);
  if (rule.unless.empty()) return applies;
  auto some_fails = context_.bool_val(false);
  for (const auto& clause : rule.unless) some_fails = some_fails || surely_not(clause, pack);
  return applies && some_fails;
}

z3::expr RulesInZ3::forbids(const Rule& rule, const Pack& pack) {
  auto some_fails = context_.bool_val(false);
  for (const auto& clause : rule.when) some_fails = some_fails || surely_not(clause, pack);
  if (rule.unless.empty()) return !some_fails;
  auto lifted = context_.bool_val(true);
  for (const auto& clause : rule.unless) lifted = lifted && surely(clause, pack);
  return !some_fails && !lifted;
}

z3::expr RulesInZ3::nothing_forbids(Action action, bool about_dataset, const std::string& skipped) {
  auto none = context_.bool_val(true);
  for (const auto& pack : packs_) {
    for (const auto& rule : pack.rules) {
      if (rule.effect != Effect::forbid || !rule.covers(action) || rule.id.starts_with(skipped)) continue;
      if (rule.about_datasets() && !about_dataset) continue;
      none = none && !forbids(rule, pack);
    }
  }
  return none;
}

z3::expr RulesInZ3::something_permits(Action action, bool about_dataset) {
  auto any = context_.bool_val(false);
  for (const auto& pack : packs_) {
    for (const auto& rule : pack.rules) {
      if (rule.effect == Effect::permit && rule.covers(action) && rule.about_datasets() == about_dataset)
        any = any || permits(rule, pack);
    }
  }
  return any;
}

z3::expr RulesInZ3::domains() {
  auto all = context_.bool_val(true);
  for (const auto& record : vocabulary()) {
    const auto seen = value(record.attribute);
    switch (record.type) {
      case Type::boolean: all = all && seen >= 0 && seen <= 1; break;
      case Type::country: all = all && seen >= 0 && seen < number(static_cast<std::int64_t>(kCountryCount)); break;
      case Type::word:
      case Type::level: all = all && seen >= 0 && seen < number(static_cast<std::int64_t>(record.words.size())); break;
      case Type::integer: all = all && seen >= number(record.least) && seen <= number(record.most); break;
      case Type::words: {
        auto any = context_.bool_val(record.may_be_empty);
        for (const auto word : record.words) any = any || includes(record.attribute, word);
        all = all && any;
        break;
      }
      default: break;
    }
  }
  for (const auto& pack : packs_) {
    if (pack.effective_from) all = all && value(Attribute::now) >= number(to_unix_ms(*pack.effective_from));
  }
  return all;
}

}  // namespace hansa::rules::test
