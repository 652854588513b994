// SPDX-License-Identifier: Apache-2.0
#include "simulation/rules_of_play.hpp"

#include "simulation/seeded_random.hpp"

#include <algorithm>

namespace hansa::simulation {
namespace {

using rules::Action;
using rules::Evidence;

constexpr Action kAsked[] = {Action::place, Action::dispatch};
constexpr std::uint64_t kForLabels = 0x6c6162656c730000;  // its own random numbers: labels change nothing else of a workload
constexpr std::uint64_t kAllJobs = 1'000'000;

}  // namespace

RulesOfPlay::RulesOfPlay(const rules::RuleSet& rules, UtcTime at, std::vector<rules::SiteFacts> sites, Evidence given,
                         std::vector<LabelShare> labels)
    : rules_(rules), at_(at), sites_(std::move(sites)), labels_(std::move(labels)) {
  for (auto& fact : given) {
    const bool about_dataset = rules::record_of(fact.attribute).subject == rules::Subject::dataset;
    (about_dataset ? dataset_ : job_).push_back(std::move(fact));
  }
}

Evidence RulesOfPlay::dataset_of(const std::string& label) const {
  auto facts = dataset_;
  std::erase_if(facts, [](const auto& fact) { return fact.attribute == rules::Attribute::dataset_labels; });
  facts.push_back({rules::Attribute::dataset_labels, std::vector{label}, rules::Source::dataset_registry, at_});
  return facts;
}

std::vector<SiteIndex> RulesOfPlay::allowed(const std::string& label) const {
  const auto job = rules_.bind(rules::Subject::job, job_, at_);
  const auto facts = dataset_of(label);
  std::vector<rules::Bound> datasets;
  if (!label.empty()) datasets.push_back(rules_.bind(rules::Subject::dataset, facts, at_));
  std::vector<SiteIndex> found;
  for (SiteIndex i = 0; i < sites_.size(); ++i) {
    const auto site = rules_.bind(rules::Subject::site, sites_[i].facts, at_);
    if (std::ranges::all_of(kAsked, [&](Action action) { return rules_.decide(action, job, site, datasets).allowed(); }))
      found.push_back(i);
  }
  return found;
}

void RulesOfPlay::apply(Workload& workload, const std::vector<SimulatedSite>& sites, std::uint64_t seed) const {
  workload.kinds.clear();
  workload.kinds.push_back({.label = "", .allowed = allowed("")});
  for (const auto& label : labels_) workload.kinds.push_back({.label = label.label, .allowed = allowed(label.label)});
  SeededRandom random(seed ^ kForLabels);
  for (auto& job : workload.jobs) {
    auto mark = static_cast<std::int64_t>(random.below(kAllJobs));
    if (job.local) continue;
    for (std::uint32_t i = 0; i < labels_.size(); ++i) {
      mark -= labels_[i].share;
      if (mark >= 0) continue;
      job.kind = i + 1;
      break;
    }
  }
  std::erase_if(workload.jobs, [&](const ReplayJob& job) {
    if (job.local) return false;
    auto& kind = workload.kinds[job.kind];
    const bool somewhere = std::ranges::any_of(kind.allowed, [&](SiteIndex site) { return job.cores <= sites[site].cores; });
    if (!somewhere) ++kind.kept_out;
    return !somewhere;
  });
}

bool RulesOfPlay::permitted(Action action, const std::string& label, SiteIndex site) const {
  const auto facts = dataset_of(label);
  const auto* dataset = label.empty() ? nullptr : &facts;
  const rules::FactView view(job_, sites_[site].facts, dataset, at_);
  const auto set = [&](const std::string& id) -> const rules::ValueSet& { return rules_.find_set(id); };
  bool permit = false;
  for (std::size_t i = 0; i < rules_.rules().size(); ++i) {
    const auto& rule = rules_.rules()[i];
    const auto& pack = rules_.pack_of(i);
    const auto begun = [&](const std::optional<UtcTime>& from) { return !from || *from <= at_; };
    const auto over = [&](const std::optional<UtcTime>& until) { return until && *until <= at_; };
    const bool in_effect =
        begun(rule.effective_from) && begun(pack.effective_from) && !over(rule.effective_until) && !over(pack.effective_until);
    if (!rule.covers(action) || !in_effect || (rule.about_datasets() && dataset == nullptr)) continue;
    const auto stand = rules::applies(rule, view, set);
    if (rule.effect == rules::Effect::forbid && stand != rules::Truth::no) return false;
    if (rule.effect == rules::Effect::permit && stand == rules::Truth::yes && !over(rule.basis_until) &&
        rule.about_datasets() == (dataset != nullptr))
      permit = true;
  }
  return permit;
}

std::int64_t RulesOfPlay::violations(const Workload& workload, const Outcome& outcome) const {
  std::vector<std::vector<int>> known(workload.kinds.size(), std::vector<int>(sites_.size(), -1));
  std::int64_t found = 0;
  for (std::size_t i = 0; i < workload.jobs.size(); ++i) {
    const auto& job = workload.jobs[i];
    if (job.local) continue;
    auto& good = known[job.kind][outcome.fates[i].site];
    if (good < 0) {
      good = std::ranges::all_of(
          kAsked, [&](Action action) { return permitted(action, workload.kinds[job.kind].label, outcome.fates[i].site); });
    }
    if (good == 0) ++found;
  }
  return found;
}

}  // namespace hansa::simulation
