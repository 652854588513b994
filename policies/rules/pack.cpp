// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/pack.hpp"

#include <algorithm>

namespace hansa::rules {

bool same(const Clause& a, const Clause& b) {
  return a.attribute == b.attribute && a.op == b.op && a.values == b.values && a.set == b.set && a.other == b.other;
}

bool Rule::covers(Action action) const { return std::ranges::binary_search(actions, action); }

bool Rule::about_datasets() const {
  const auto asks = [](const Clause& clause) {
    return record_of(clause.attribute).subject == Subject::dataset ||
           (clause.other && record_of(*clause.other).subject == Subject::dataset);
  };
  return std::ranges::any_of(when, asks) || std::ranges::any_of(unless, asks);
}

std::string_view to_string(Code code) {
  switch (code) {
    case Code::permitted: return "PERMITTED";
    case Code::no_permit: return "NO_PERMIT";
    case Code::forbidden: return "FORBIDDEN";
    case Code::evidence_missing: return "EVIDENCE_MISSING";
  }
  return {};
}

const ValueSet* Pack::find_set(std::string_view set) const {
  const auto found = std::ranges::find(sets, set, &ValueSet::id);
  return found == sets.end() ? nullptr : &*found;
}

}  // namespace hansa::rules
