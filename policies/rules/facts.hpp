// SPDX-License-Identifier: Apache-2.0
#pragma once
// Evidence: what is known about a job, a dataset or a place, from whom and since when.

#include "broker/domain/fact.hpp"
#include "policies/rules/vocabulary.hpp"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace hansa::rules {

using Scalar = std::variant<bool, std::int64_t, UtcTime, std::string>;
using Value = domain::FactValue;

struct Fact {
  Attribute attribute{};
  Value value;
  Source source{};
  UtcTime observed_at{};  // when the source said so
  std::optional<domain::ChangeId> change = {};  // of the register, that made it so; none: nobody changed what the source says
};

/// Facts about one subject. Of each attribute at most one: where two are told, neither is believed.
using Evidence = std::vector<Fact>;

/// Clocks of sources may run ahead of ours so far; a fact from later on is no evidence.
inline constexpr Seconds kClockSkew{300};

enum class FactState : std::uint8_t {
  known,
  missing,
  stale,         // older than the attribute's maximum age
  from_future,
  wrong_source,  // not from the attribute's source of truth
  ill_typed,     // of another type, an unknown word, no country, beyond its limits
  told_twice,
};
std::string_view to_string(FactState state);

/// What is wrong with `fact` at `now`; `known` if nothing is.
FactState state_of(const Fact& fact, UtcTime now);

/// Whether `value` is in the attribute's domain.
bool fits(const AttributeRecord& record, const Value& value);
bool is_id(std::string_view text);

/// The fact about `attribute`, or null, and what is to be thought of it.
struct FoundFact {
  const Fact* fact = nullptr;
  FactState state = FactState::missing;
};
FoundFact find_fact(const Evidence& evidence, Attribute attribute, UtcTime now);

/// "site descriptor"; "register, change 01J..." of what was changed there.
std::string source_text(Source source, const std::optional<domain::ChangeId>& change);

/// As a person reads it: FI, true, 2026-12-01T00:00:00Z, "a, b".
std::string text_of(const Scalar& value);
std::string text_of(const Value& value);

}  // namespace hansa::rules
