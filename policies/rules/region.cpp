// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/region.hpp"

#include <algorithm>

namespace hansa::rules {

Domains::Domains(const std::vector<const Rule*>& rules, FindSet sets) : sets_(std::move(sets)) {
  std::vector<const Clause*> clauses;
  for (const auto* rule : rules) {
    for (const auto& clause : rule->when) clauses.push_back(&clause);
    for (const auto& clause : rule->unless) clauses.push_back(&clause);
  }
  for (const auto& record : vocabulary()) domains_.emplace(record.attribute, Domain(record.attribute, clauses, sets_));
}

void Region::add(const Clause& clause) {
  if (clause.other) {
    compared_.push_back(&clause);
    return;
  }
  const auto& domain = domains_->of(clause.attribute);
  const auto named = domains_->named_by(clause);
  if (!is_several(record_of(clause.attribute).type)) {
    single_.try_emplace(clause.attribute, domain.possible()).first->second &= named;
    return;
  }
  auto& several = several_.try_emplace(clause.attribute, Several{Bits(domain.cells()), domain.possible(), {}}).first->second;
  switch (clause.op) {
    case Op::any_of:
    case Op::any_in_set: several.any.push_back(named); break;
    case Op::all_of: several.must |= named; break;
    case Op::none_of: several.may -= named; break;
    default: several.may &= named; break;
  }
}

std::optional<Attribute> Region::contradiction() const {
  for (const auto& [attribute, values] : single_) {
    if (!values.any()) return attribute;
  }
  for (const auto& [attribute, values] : several_) {
    const bool none_left = !record_of(attribute).may_be_empty && !values.may.any();
    if (none_left || !values.must.within(values.may)) return attribute;
    for (const auto& any : values.any) {
      if (!any.meets(values.may)) return attribute;
    }
  }
  return std::nullopt;
}

bool Region::implies(const Clause& clause) const {
  if (clause.other) return std::ranges::any_of(compared_, [&](const Clause* other) { return same(*other, clause); });
  if (is_several(record_of(clause.attribute).type)) return implies_several(clause);
  const auto found = single_.find(clause.attribute);
  const auto& left = found == single_.end() ? domains_->of(clause.attribute).possible() : found->second;
  return left.within(domains_->named_by(clause));
}

bool Region::implies_several(const Clause& clause) const {
  const auto& domain = domains_->of(clause.attribute);
  const auto named = domains_->named_by(clause);
  const auto found = several_.find(clause.attribute);
  const auto values = found == several_.end() ? Several{Bits(domain.cells()), domain.possible(), {}} : found->second;
  switch (clause.op) {
    case Op::any_of:
    case Op::any_in_set:
      if (values.must.meets(named)) return true;
      if (std::ranges::any_of(values.any, [&](const Bits& any) { return (any & values.may).within(named); })) return true;
      return !record_of(clause.attribute).may_be_empty && values.may.within(named);
    case Op::all_of: return named.within(values.must);
    case Op::none_of: return !values.may.meets(named);
    default: return values.may.within(named);
  }
}

bool Region::implies(const std::vector<Clause>& clauses) const {
  return std::ranges::all_of(clauses, [this](const Clause& clause) { return implies(clause); });
}

bool covers(const Rule& rule, const Rule& narrower, const Region& region) {
  if (!std::ranges::includes(rule.actions, narrower.actions)) return false;
  if (rule.about_datasets() && !narrower.about_datasets()) return false;
  // A permit about datasets and one that asks about none are asked different questions.
  if (rule.effect == Effect::permit && rule.about_datasets() != narrower.about_datasets()) return false;
  const auto starts_later = rule.effective_from && (!narrower.effective_from || *rule.effective_from > *narrower.effective_from);
  const auto ends_earlier =
      rule.effective_until && (!narrower.effective_until || *rule.effective_until < *narrower.effective_until);
  const bool basis_ends = rule.effect == Effect::permit && rule.basis_until.has_value();
  if (starts_later || ends_earlier || basis_ends) return false;
  if (!region.implies(rule.when)) return false;
  if (rule.unless.empty()) return true;
  auto lifted = region;
  for (const auto& clause : rule.unless) lifted.add(clause);
  if (lifted.empty()) return true;
  // Where the narrower rule is lifted by less, it applies only where this one does.
  return !narrower.unless.empty() && std::ranges::all_of(narrower.unless, [&](const Clause& clause) {
    return std::ranges::any_of(rule.unless, [&](const Clause& other) { return same(clause, other); });
  });
}

}  // namespace hansa::rules
