// SPDX-License-Identifier: Apache-2.0
#pragma once
// From the texts of packs to rules that may decide: parsed, checked, tested, compiled. All of it or nothing.

#include "policies/rules/rule_set.hpp"

namespace hansa::rules {

struct PackText {
  std::string file;
  std::string text;
};

/// Every fault of every pack: its syntax, its sense (check.hpp), tests that fail, rules that no test covers both ways, packs that
/// do not go together. What has ended by its date is no fault here: a broker must start on the day after; `hansa policy check`
/// tells it, and a permit whose basis has ended permits nothing.
Result<RuleSet> load(std::span<const PackText> packs);

/// The packs, parsed; all faults of all of them. If there are any, then also those of sense of each pack that could be read.
Result<std::vector<Pack>> parse_packs(std::span<const PackText> packs);

}  // namespace hansa::rules
