// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one person asks for and another must approve: all such actions, in one table, which docs/identity.md shows. Whoever
// carries one out asks second_person() in the same transaction. Pure.

#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"

#include <span>
#include <string_view>

namespace hansa::domain {

enum class TwoPersons { dataset_change, fact_change, adjustment, erasure, break_glass };

struct TwoPersonRule {
  TwoPersons action{};
  std::string_view what;      // what waits for a second person
  std::string_view ask;       // the commands
  std::string_view approve;
  std::string_view code;      // of the refusal
  std::string_view nor;       // who else may not approve: completes "change 01J..."; "": nobody else
  bool token_of_asker = true; // whether it may be two tokens of one person's making
};

std::span<const TwoPersonRule> two_person_rules();
const TwoPersonRule& rule_of(TwoPersons action);

/// In place of a token's makers: it is older than the record of them (schema step 22).
inline constexpr std::string_view kUnknownMaker = "unknown:";
/// Whose the token of the broker's first start is, which made all others: two of its making are two people.
inline constexpr std::string_view kFirstOperator = "local:operator";

/// Who approves, and who had a hand in the token by which they come (Principal of whoever made it, of whoever made theirs, ...).
struct Approver {
  Principal by;
  std::span<const Principal> makers = {};
};

/// permission_denied with the rule's code: `approver` asked for it, or is whom it concerns, or one of the two had a hand in the
/// other's token, or a third (but kFirstOperator) in both's. `which` begins the sentence: "adjustment 01J..."; `concerned`: whom
/// the rule's `nor` is about; empty: nobody. `makers`: who had a hand in the token by which it was asked for.
Result<void> second_person(TwoPersons action, std::string_view which, const Approver& approver, const Principal& asked_by,
                           const Principal& concerned = {}, std::span<const Principal> makers = {});

}  // namespace hansa::domain
