// SPDX-License-Identifier: Apache-2.0
#pragma once
// What clauses together leave possible, attribute by attribute: the ground of all static checks. Exact for every single
// attribute; clauses that compare two facts are only ever taken as equal or not, so no check claims more than is so.

#include "policies/rules/domain.hpp"

#include <map>

namespace hansa::rules {

/// The domains of all attributes, as the clauses of some rules tell their values apart.
class Domains {
 public:
  Domains(const std::vector<const Rule*>& rules, FindSet sets);
  [[nodiscard]] const Domain& of(Attribute attribute) const { return domains_.at(attribute); }
  [[nodiscard]] Bits named_by(const Clause& clause) const {
    return of(clause.attribute).named_by(clause, sets_) & of(clause.attribute).possible();
  }

 private:
  FindSet sets_;
  std::map<Attribute, Domain> domains_;
};

class Region {
 public:
  Region(const Domains& domains, const std::vector<Clause>& clauses) : domains_(&domains) {
    for (const auto& clause : clauses) add(clause);
  }
  void add(const Clause& clause);

  /// An attribute that no value is left for, or nothing.
  [[nodiscard]] std::optional<Attribute> contradiction() const;
  [[nodiscard]] bool empty() const { return contradiction().has_value(); }
  /// Whether `clause` holds everywhere in it. False may also mean: not found out.
  [[nodiscard]] bool implies(const Clause& clause) const;
  [[nodiscard]] bool implies(const std::vector<Clause>& clauses) const;

 private:
  /// Of an attribute with several values.
  struct Several {
    Bits must, may;
    std::vector<Bits> any;
  };
  [[nodiscard]] bool implies_several(const Clause& clause) const;

  const Domains* domains_;
  std::map<Attribute, Bits> single_;
  std::map<Attribute, Several> several_;
  std::vector<const Clause*> compared_;
};

/// Whether `rule` applies wherever and whenever `narrower` does, for every action of `narrower`. False may also mean: not found
/// out. `region`: that of the narrower's `when`.
bool covers(const Rule& rule, const Rule& narrower, const Region& region);

}  // namespace hansa::rules
