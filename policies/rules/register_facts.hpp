// SPDX-License-Identifier: Apache-2.0
#pragma once
// What registers say of places, projects and people, and how it becomes evidence.

#include "policies/rules/facts.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hansa::rules {

struct RegisterFact {
  Attribute attribute{};
  Value value;
  std::optional<UtcTime> as_of;  // when its source said so; none: the register is the source, and says so whenever it is asked
  std::optional<UtcTime> until = {};            // from then on it is no evidence
  std::string evidence = {};                    // where that is written down; for people
  std::optional<domain::ChangeId> change = {};  // of the register, that took the configuration's place
  bool withdrawn = false;                       // by that change: nothing is known

  /// Else it is as if nobody had told it.
  [[nodiscard]] bool counts(UtcTime now) const { return !withdrawn && (!until || now < *until); }
};
using RegisterFacts = std::vector<RegisterFact>;

/// From the attribute's own source, at that moment.
void tell(Evidence& evidence, Attribute attribute, Value value, UtcTime at);
/// Those that count.
void tell(Evidence& evidence, const RegisterFacts& facts, UtcTime now);

}  // namespace hansa::rules
