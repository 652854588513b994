// SPDX-License-Identifier: Apache-2.0
#pragma once
// What another rule set would have answered: the same question, with the evidence as it was then, put to both. Pure.

#include "policies/rules/explain.hpp"

namespace hansa::rules {

struct ChangedAnswer {
  Action action{};
  Explanation before;
  Explanation after;
};

/// One job in one second, before both rule sets. Refers to all that it is made from.
class Retrial {
 public:
  Retrial(const RuleSet& before, const RuleSet& after, UtcTime now, const Evidence& job, std::span<const Evidence> datasets);

  /// The actions whose answer at this place changes: another code, or other obligations of a permit.
  [[nodiscard]] std::vector<ChangedAnswer> at(const Evidence& place, std::span<const Action> actions) const;

 private:
  struct Side {
    const RuleSet& rules;
    Bound job;
    std::vector<Bound> datasets;
  };
  Side before_, after_;
};

}  // namespace hansa::rules
