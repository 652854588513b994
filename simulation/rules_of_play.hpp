// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rule packs in a simulation: the broker's jobs have labels, and the evaluator that `hansad` has decides which sites each may
// use.

#include "policies/rules/check.hpp"
#include "policies/rules/rule_set.hpp"
#include "simulation/replay.hpp"

#include <string>
#include <vector>

namespace hansa::simulation {

struct LabelShare {
  std::string label;                   // of the dataset that such jobs read
  std::int64_t share = 0;              // millionths of the broker's jobs; all together at most 1,000,000
};

class RulesOfPlay {
 public:
  /// `sites` in the order of the simulated ones; `given`: facts of the job and of every dataset. `rules` outlives it.
  RulesOfPlay(const rules::RuleSet& rules, UtcTime at, std::vector<rules::SiteFacts> sites, rules::Evidence given,
              std::vector<LabelShare> labels);

  /// Gives each job of the broker its label, by the seed, and takes out those that no site may take.
  void apply(Workload& workload, const std::vector<SimulatedSite>& sites, std::uint64_t seed) const;

  /// Jobs of the broker that ran where the rules, read clause by clause and not from what apply() found, deny them.
  [[nodiscard]] std::int64_t violations(const Workload& workload, const Outcome& outcome) const;

 private:
  [[nodiscard]] rules::Evidence dataset_of(const std::string& label) const;
  [[nodiscard]] std::vector<SiteIndex> allowed(const std::string& label) const;
  /// By the definition: the same answer, another way.
  [[nodiscard]] bool permitted(rules::Action action, const std::string& label, SiteIndex site) const;

  const rules::RuleSet& rules_;
  UtcTime at_;
  std::vector<rules::SiteFacts> sites_;
  rules::Evidence job_, dataset_;
  std::vector<LabelShare> labels_;
};

}  // namespace hansa::simulation
