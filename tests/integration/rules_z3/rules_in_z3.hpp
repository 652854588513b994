// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rules as formulas: every fact a variable and a "known", every clause what it surely says and surely denies. Shares nothing with
// the evaluator but the parsed pack.

#include "policies/rules/pack.hpp"

#include <z3++.h>

#include <map>
#include <string>
#include <vector>

namespace hansa::rules::test {

class RulesInZ3 {
 public:
  explicit RulesInZ3(std::vector<Pack> packs) : packs_(std::move(packs)) {}

  z3::context& context() { return context_; }
  [[nodiscard]] const std::vector<Pack>& packs() const { return packs_; }

  z3::expr known(Attribute attribute);
  /// Of a single value: the place of a word, a country or an id; 0 or 1; the number; milliseconds.
  z3::expr value(Attribute attribute);
  /// Of several words.
  z3::expr includes(Attribute attribute, std::string_view word);
  z3::expr is(Attribute attribute, const Scalar& scalar);
  z3::expr one_of(Attribute attribute, const std::vector<std::string>& texts);
  /// "project.permits any_of dataset.permit" and the like: free, but the same wherever it is asked.
  z3::expr includes_fact(Attribute several, Attribute one);

  z3::expr surely(const Clause& clause, const Pack& pack);
  z3::expr surely_not(const Clause& clause, const Pack& pack);
  z3::expr permits(const Rule& rule, const Pack& pack);
  /// Surely or perhaps: either denies.
  z3::expr forbids(const Rule& rule, const Pack& pack);

  /// That no forbid, but those that `skipped` names by their beginning, stands against `action` on a dataset or on a job without.
  z3::expr nothing_forbids(Action action, bool about_dataset, const std::string& skipped = "-");
  z3::expr something_permits(Action action, bool about_dataset);

  /// What all facts obey: values in their domains, at least one member where there must be one, packs in effect.
  z3::expr domains();

 private:
  z3::expr holds(const Clause& clause, const Pack& pack);
  z3::expr number_of(Attribute attribute, const Scalar& scalar);
  z3::expr number(std::int64_t value) { return context_.int_val(static_cast<std::int64_t>(value)); }
  z3::expr flag(const std::string& name) { return context_.bool_const(name.c_str()); }

  z3::context context_;
  std::vector<Pack> packs_;
  std::map<std::string, std::int64_t> ids_;
};

}  // namespace hansa::rules::test
