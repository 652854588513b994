// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/register_facts.hpp"

#include <utility>

namespace hansa::rules {

void tell(Evidence& evidence, Attribute attribute, Value value, UtcTime at) {
  evidence.push_back({attribute, std::move(value), record_of(attribute).source, at});
}

void tell(Evidence& evidence, const RegisterFacts& facts, UtcTime now) {
  for (const auto& fact : facts) {
    if (!fact.counts(now)) continue;
    tell(evidence, fact.attribute, fact.value, fact.as_of.value_or(now));
    evidence.back().change = fact.change;
  }
}

}  // namespace hansa::rules
