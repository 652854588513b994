// SPDX-License-Identifier: Apache-2.0
#pragma once
// The values of one attribute as far as a set of clauses can tell them apart, as a small number of cells: every country is one,
// every word is one, every id that is named and all the others together, every number that is named and every gap between. What a
// clause says becomes a set of cells, so that evaluating is a look-up and analysing is finite and exact.

#include "policies/rules/bits.hpp"
#include "policies/rules/pack.hpp"

#include <functional>

namespace hansa::rules {

/// The set of that name; every name has been checked.
using FindSet = std::function<const ValueSet&(const std::string& id)>;

class Domain {
 public:
  /// `clauses`: all that will be asked about; those on other attributes are ignored.
  Domain(Attribute attribute, const std::vector<const Clause*>& clauses, const FindSet& sets);

  [[nodiscard]] std::size_t cells() const { return cells_; }
  /// Cells that some value lies in.
  [[nodiscard]] const Bits& possible() const { return possible_; }

  /// Of a value that fits the attribute; of several values use cell_of_text for each.
  [[nodiscard]] std::size_t cell_of(const Scalar& value) const;
  [[nodiscard]] std::size_t cell_of(const Value& value) const;
  [[nodiscard]] std::size_t cell_of_text(std::string_view text) const;

  /// Of a single value: the cells where `clause` holds. Of several values: the cells that the clause names.
  [[nodiscard]] Bits named_by(const Clause& clause, const FindSet& sets) const;

 private:
  [[nodiscard]] Bits at_most(std::size_t cell, bool itself) const;
  template <typename Variant>
  [[nodiscard]] std::size_t cell_of_any(const Variant& value) const;

  const AttributeRecord& record_;
  Type type_;  // of one member
  std::vector<std::string> ids_;  // named, sorted
  std::vector<std::int64_t> numbers_;  // named, sorted
  std::size_t cells_ = 0;
  Bits possible_;
};

/// Whether a clause on several values holds for `values`, a set of cells.
bool holds(Op op, const Bits& values, const Bits& named);

}  // namespace hansa::rules
