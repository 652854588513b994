// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/two_persons.hpp"

#include <algorithm>
#include <string>

namespace hansa::domain {
namespace {

constexpr TwoPersonRule kTwoPersonRules[] = {
    {TwoPersons::dataset_change,
     "a dataset's label removed or lowered, terms that loosen, another owner, a copy verified by hand",
     "hansa data label, terms, owner, replica verify", "hansa data approve", "OWN_CHANGE", "would make you the owner"},
    {TwoPersons::fact_change, "a fact about a place, a project or a person stated or loosened", "hansa facts set",
     "hansa facts approve", "OWN_CHANGE", "is about yourself"},
    {TwoPersons::adjustment, "an amount added to a record of the ledger", "hansa ledger adjust", "hansa ledger approve",
     "OWN_CHANGE", ""},
    {TwoPersons::erasure, "a person's erasure", "hansa privacy erase", "hansa privacy approve", "SECOND_PERSON",
     "is about yourself"},
    {TwoPersons::break_glass, "what is a job's owner's alone, opened to an operator for a time", "hansa break-glass request",
     "hansa break-glass approve", "SECOND_PERSON", "opens what is your own", false},
};
static_assert(std::ranges::is_sorted(kTwoPersonRules, {}, &TwoPersonRule::action));

std::unexpected<Error> not_second(const TwoPersonRule& rule, std::string_view which, std::string_view why) {
  return fail(ErrorKind::permission_denied, std::string(rule.code),
              std::string(which) + " " + std::string(why) + ": it takes two people, and another operator must approve it (" +
                  std::string(rule.approve) + ")");
}

}  // namespace

std::span<const TwoPersonRule> two_person_rules() { return kTwoPersonRules; }
const TwoPersonRule& rule_of(TwoPersons action) { return kTwoPersonRules[static_cast<std::size_t>(action)]; }

Result<void> second_person(TwoPersons action, std::string_view which, const Approver& approver, const Principal& asked_by,
                           const Principal& concerned, std::span<const Principal> makers) {
  const auto& rule = rule_of(action);
  if (approver.by == asked_by) return not_second(rule, which, "is your own");
  if (!rule.nor.empty() && approver.by == concerned) return not_second(rule, which, rule.nor);
  if (rule.token_of_asker) return {};
  const auto among = [](std::span<const Principal> names, std::string_view name) {
    return std::ranges::any_of(names, [&](const Principal& one) { return one.str() == name; });
  };
  if (among(approver.makers, asked_by.str()))
    return not_second(rule, which,
                      "was asked for by " + asked_by.str() + ", who made the token that you come with, or its maker's");
  if (among(makers, approver.by.str()))
    return not_second(rule, which, "was asked for with a token that you made, or its maker's");
  if (among(approver.makers, kUnknownMaker))
    return not_second(rule, which, "cannot be yours to approve: nobody knows who made your token, have it made anew");
  if (among(makers, kUnknownMaker))
    return not_second(rule, which, "was asked for with a token of which nobody knows who made it: have it made anew, ask again");
  for (const auto& maker : makers) {
    if (maker.str() != kFirstOperator && among(approver.makers, maker.str()))
      return not_second(rule, which, "was asked for with a token that " + maker.str() + " had a hand in, as in yours");
  }
  return {};
}

}  // namespace hansa::domain
