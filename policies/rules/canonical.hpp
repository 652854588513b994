// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rule packs as canonical JSON: what is hashed, logged and replayed. The order of rules, clauses and sets in the file makes no
// difference, nor do tests, comments and lines.

#include "broker/core/canonical_json.hpp"
#include "policies/rules/pack.hpp"

#include <span>

namespace hansa::rules {

Json to_json(const Clause& clause);
Json to_json(const Rule& rule);
Json to_json(const Pack& pack);

/// SHA-256, hex, of the canonical JSON of all packs, by their ids.
std::string policy_hash(std::span<const Pack> packs);

}  // namespace hansa::rules
