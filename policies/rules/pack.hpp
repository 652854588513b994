// SPDX-License-Identifier: Apache-2.0
#pragma once
// A pack as written: rules, the sets they name, and the tests they must pass. Values only; parse_pack.hpp makes them.

#include "policies/rules/facts.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace hansa::rules {

/// Of one pack, and of all packs of a broker together.
inline constexpr std::size_t kMostRules = 4096;

/// "site.country in_set EEA@2026-01". Exactly one of `values`, `set` and `other` is given.
struct Clause {
  Attribute attribute{};
  Op op{};
  std::vector<Scalar> values;          // sorted; words, countries and ids are text
  std::string set;
  std::optional<Attribute> other;      // compared with another fact
  std::uint32_t line = 0;
};
bool same(const Clause& a, const Clause& b);  // whatever their lines

/// A versioned list: "EEA@2026-01". A list that changes gets a new version, so that old decisions keep their meaning.
struct ValueSet {
  std::string id;
  Type type = Type::country;           // or Type::id
  std::vector<std::string> values;     // sorted
  std::string basis;                   // where the list comes from
  std::uint32_t line = 0;
};

/// Applies when all of `when` hold and, if there is any `unless`, not all of them do.
struct Rule {
  std::string id;
  Effect effect = Effect::forbid;
  std::vector<Action> actions;         // sorted
  std::vector<Clause> when;
  std::vector<Clause> unless;
  std::vector<std::string> obligations;
  std::string legal_basis;
  std::string owner;                   // a person or office at the data holder
  std::optional<UtcTime> review_by;
  std::optional<UtcTime> basis_until;  // when the legal basis ends; a permit ends with it, a forbid stays
  std::optional<UtcTime> effective_from;
  std::optional<UtcTime> effective_until;
  std::uint32_t line = 0;

  [[nodiscard]] bool covers(Action action) const;
  /// Whether a clause asks about a dataset: such a rule says nothing about a job without any.
  [[nodiscard]] bool about_datasets() const;
};

/// What a test gives: facts of the right source, fresh.
struct Given {
  Attribute attribute{};
  Value value;
};

enum class Code : std::uint8_t { permitted, no_permit, forbidden, evidence_missing };
std::string_view to_string(Code code);  // "PERMITTED", "NO_PERMIT", "FORBIDDEN", "EVIDENCE_MISSING"

struct PackTest {
  std::string name;
  Action action = Action::place;
  UtcTime now{};
  std::vector<Given> given;                  // of the job and the place, the pack's [given] included
  std::vector<std::vector<Given>> datasets;  // none: a job without datasets
  std::vector<Attribute> stale;              // told too long ago
  Code expect = Code::permitted;
  std::vector<std::string> because;          // rules that must apply, all of them
  std::vector<std::string> silent;           // rules that must not apply, none of them
  std::vector<Attribute> lacking;            // evidence that must be found missing, exactly
  std::optional<std::vector<std::string>> obligations;  // exactly
  std::uint32_t line = 0;
};

struct Pack {
  std::string file;
  std::string id;
  std::string version;                 // semantic versioning
  std::string title;
  std::optional<UtcTime> effective_from;
  std::optional<UtcTime> effective_until;
  std::vector<std::string> approved_by;
  std::vector<ValueSet> sets;          // in the order of the file, as rules and tests
  std::vector<Rule> rules;
  std::vector<PackTest> tests;

  [[nodiscard]] const ValueSet* find_set(std::string_view set) const;
};

}  // namespace hansa::rules
