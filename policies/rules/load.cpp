// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/load.hpp"

#include "policies/rules/check.hpp"
#include "policies/rules/fields.hpp"
#include "policies/rules/parse_pack.hpp"
#include "policies/rules/run_tests.hpp"

namespace hansa::rules {
namespace {

std::string name_of(std::span<const PackText> packs) {
  return packs.size() == 1 ? packs[0].file : "the set of " + std::to_string(packs.size()) + " rule packs";
}

}  // namespace

Result<std::vector<Pack>> parse_packs(std::span<const PackText> packs) {
  std::vector<Pack> parsed;
  std::vector<Fault> faults;
  for (const auto& [file, text] : packs) {
    if (auto pack = parse_pack(text, file))
      parsed.push_back(std::move(*pack));
    else
      append(faults, pack.error().faults);
  }
  if (faults.empty()) return parsed;
  for (const auto& good : parsed) append(faults, check({&good, 1}));  // so that one run tells all that there is to mend
  return std::unexpected(pack_error(name_of(packs), std::move(faults)));
}

Result<RuleSet> load(std::span<const PackText> packs) {
  auto parsed = parse_packs(packs);
  if (!parsed) return std::unexpected(parsed.error());
  auto faults = check(*parsed);
  for (const auto& pack : *parsed) {
    if (const auto report = run_tests(pack))
      append(faults, report->faults(pack));
    else
      append(faults, report.error().faults);
  }
  auto rules = RuleSet::compile(std::move(*parsed));
  if (!rules) append(faults, rules.error().faults);
  if (!faults.empty()) return std::unexpected(pack_error(name_of(packs), std::move(faults)));
  return rules;
}

}  // namespace hansa::rules
