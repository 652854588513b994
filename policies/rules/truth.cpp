// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/truth.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

using Texts = std::vector<std::string>;

Truth truth(bool holds) { return holds ? Truth::yes : Truth::no; }

/// Values that are equal in type, or a several's member.
Scalar scalar_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* time = std::get_if<UtcTime>(&value)) return *time;
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean;
  return std::get<std::int64_t>(value);
}

bool contains(const Texts& texts, const std::string& text) { return std::ranges::find(texts, text) != texts.end(); }

Texts texts_of(const Clause& clause, const FindSet& sets) {
  if (!clause.set.empty()) return sets(clause.set).values;
  Texts texts;
  for (const auto& value : clause.values) texts.push_back(std::get<std::string>(value));
  return texts;
}

bool holds_for_several(Op op, const Texts& seen, const Texts& named) {
  const auto is_named = [&](const std::string& text) { return contains(named, text); };
  switch (op) {
    case Op::any_of:
    case Op::any_in_set: return std::ranges::any_of(seen, is_named);
    case Op::all_of: return std::ranges::all_of(named, [&](const std::string& text) { return contains(seen, text); });
    case Op::none_of: return std::ranges::none_of(seen, is_named);
    default: return std::ranges::all_of(seen, is_named);
  }
}

template <typename Variant>
bool ordered(Op op, const Variant& seen, const Variant& with) {
  switch (op) {
    case Op::ne: return seen != with;
    case Op::lt: return seen < with;
    case Op::le: return seen <= with;
    case Op::gt: return seen > with;
    case Op::ge: return seen >= with;
    default: return seen == with;
  }
}

bool holds_for_one(const Clause& clause, const Scalar& seen, const FindSet& sets) {
  switch (clause.op) {
    case Op::in: return std::ranges::find(clause.values, seen) != clause.values.end();
    case Op::not_in: return std::ranges::find(clause.values, seen) == clause.values.end();
    case Op::in_set: return contains(texts_of(clause, sets), std::get<std::string>(seen));
    case Op::not_in_set: return !contains(texts_of(clause, sets), std::get<std::string>(seen));
    case Op::at_least:
    case Op::at_most: {
      const auto words = record_of(clause.attribute).words;
      const auto level = std::ranges::find(words, std::get<std::string>(seen));
      const auto bound = std::ranges::find(words, std::get<std::string>(clause.values.front()));
      return clause.op == Op::at_least ? level >= bound : level <= bound;
    }
    default: return ordered(clause.op, seen, clause.values.front());
  }
}

Truth all_of(const std::vector<Clause>& clauses, const FactView& facts, const FindSet& sets) {
  auto sum = Truth::yes;
  for (const auto& clause : clauses) {
    const auto one = truth_of(clause, facts, sets);
    if (one == Truth::no) return Truth::no;
    if (one == Truth::unknown) sum = Truth::unknown;
  }
  return sum;
}

}  // namespace

FoundFact FactView::find(Attribute attribute) const {
  if (attribute == Attribute::now) return {&clock_, FactState::known};
  switch (record_of(attribute).subject) {
    case Subject::job: return find_fact(*job_, attribute, now_);
    case Subject::site: return find_fact(*site_, attribute, now_);
    case Subject::dataset: return dataset_ == nullptr ? FoundFact{} : find_fact(*dataset_, attribute, now_);
  }
  return {};
}

bool compare(Op op, const Value& seen, const Value& with) {
  if (const auto* several = std::get_if<Texts>(&seen))
    return contains(*several, std::get<std::string>(with)) == (op == Op::any_of);
  return ordered(op, seen, with);
}

Truth truth_of(const Clause& clause, const FactView& facts, const FindSet& sets) {
  const auto found = facts.find(clause.attribute);
  if (found.state != FactState::known) return Truth::unknown;
  const auto* several = std::get_if<Texts>(&found.fact->value);
  if (clause.other) {
    const auto with = facts.find(*clause.other);
    if (with.state != FactState::known) return Truth::unknown;
    return truth(compare(clause.op, found.fact->value, with.fact->value));
  }
  if (several != nullptr) return truth(holds_for_several(clause.op, *several, texts_of(clause, sets)));
  return truth(holds_for_one(clause, scalar_of(found.fact->value), sets));
}

Truth applies(const Rule& rule, const FactView& facts, const FindSet& sets) {
  const auto when = all_of(rule.when, facts, sets);
  if (when == Truth::no || rule.unless.empty()) return when;
  const auto unless = all_of(rule.unless, facts, sets);
  if (unless == Truth::yes) return Truth::no;
  return unless == Truth::unknown ? Truth::unknown : when;
}

}  // namespace hansa::rules
