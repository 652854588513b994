// SPDX-License-Identifier: Apache-2.0
#pragma once
// Why a question was answered so: the rules that applied, every fact that was looked at with its source and age, and what would
// have to be different. Made from the rules; the same question always gives the same words.

#include "broker/core/canonical_json.hpp"
#include "policies/rules/rule_set.hpp"

namespace hansa::rules {

struct AppliedRule {
  std::string rule;
  Effect effect{};
  std::string pack;                    // "gdpr-eea 1.0.0"
  std::string sentence;
  std::string legal_basis;
  std::string owner;
  friend bool operator==(const AppliedRule&, const AppliedRule&) = default;
};

struct SeenFact {
  Attribute attribute{};
  FactState state{};
  std::string value;                   // as told, whatever its state
  Source source{};                     // who told it; of one that is missing: who should
  std::optional<Seconds> age;
  std::optional<domain::ChangeId> change = {};  // as of a Fact
  friend bool operator==(const SeenFact&, const SeenFact&) = default;
};

/// One thing that would have to be so: "the site's country is in EEA@2026-01", and what is so instead.
struct Condition {
  std::string rule;
  std::string wanted;
  std::string found;                   // "CH, from the site descriptor, 75d old", "missing from the token"
  friend bool operator==(const Condition&, const Condition&) = default;
};

struct Explanation {
  Code code{};
  std::string policy_hash;
  std::string dataset;                 // the id of the one that was not allowed, or its number where it tells none
  std::vector<AppliedRule> applied;    // permits and forbids; of several datasets, if all are allowed, those of all
  std::vector<AppliedRule> undecided;  // that evidence was lacking for
  std::vector<Attribute> lacking;      // that evidence
  std::vector<SeenFact> facts;         // all that were looked at
  std::vector<Condition> allowed_if;   // all of these together; empty: allowed, or nothing would help
  std::vector<std::string> obligations;  // of the permits that applied and the forbids that were lifted
  std::string sentence;
  friend bool operator==(const Explanation&, const Explanation&) = default;
};

/// How much of it. `verdict`, for every site of every decision: the code, the dataset, which rules (AppliedRule: name and
/// effect), what evidence lacks, obligations, and of a denial the sentence.
enum class Told : std::uint8_t { all, verdict };

/// Of RuleSet::decide with the same arguments.
Explanation explain(const RuleSet& rules, Action action, const Bound& job, const Bound& site, std::span<const Bound> datasets,
                    Told told = Told::all);

Json to_json(const Explanation& explanation);

}  // namespace hansa::rules
