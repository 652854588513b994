// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the rules say of a job at a site, and what must be kept so that they say it again: the packs' texts in a document, once
// for all decisions, and the evidence in each decision's input.

#include "broker/domain/decision.hpp"
#include "policies/routing/profile.hpp"
#include "policies/rules/explain.hpp"
#include "policies/rules/load.hpp"

#include <span>
#include <vector>

namespace hansa::routing {

inline constexpr std::string_view kRulesDeny = "RULES_DENY";
/// By the site's own rules, which its own end keeps: final, whatever the broker's say.
inline constexpr std::string_view kSiteRulesDeny = "SITE_RULES_DENY";

/// What a job brings before the rules. Borrowed for the call.
struct RuledJob {
  const rules::RuleSet* rules = nullptr;
  std::string packs_hash;                // of packs_document()
  const rules::Evidence* job = nullptr;
  std::vector<const rules::Evidence*> datasets;
};

/// Evidence grows old by the second: all questions of one second are asked at its beginning, and share what they look at.
UtcTime ruling_time(UtcTime now);

/// Whether the job may be placed there and, once placed, be sent: the first that is denied, or else the permit to place it,
/// with the obligations of both. By default what a verdict needs of it.
rules::Explanation ruling(const rules::RuleSet& rules, const rules::Bound& job, const rules::Bound& site,
                          std::span<const rules::Bound> datasets, rules::Told told = rules::Told::verdict);

/// Whether one dataset may be brought there for this job; asked of the place that it is taken from as well.
rules::Explanation stage_ruling(const rules::RuleSet& rules, const rules::Bound& job, const rules::Bound& place,
                                const rules::Bound& dataset);

/// permission_denied, RULES_DENY: the message has the rules, what they found and what they would allow; the faults have every
/// fact that they asked for, with its source and age.
std::unexpected<Error> denial(const rules::Explanation& why);

/// As a verdict keeps it.
domain::RuleVerdict rule_verdict(const rules::Explanation& ruling);

/// Canonical JSON; its SHA-256 is the packs_hash.
std::string packs_document(std::span<const rules::PackText> packs);
/// Errors: those of read_document, BAD_STORED_JSON, and what parsing the packs says.
Result<rules::RuleSet> load_packs(const std::string& packs_hash, const FetchDocument& fetch);

}  // namespace hansa::routing
