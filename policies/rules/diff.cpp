// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/diff.hpp"

namespace hansa::rules {
namespace {

std::vector<Bound> bind_all(const RuleSet& rules, std::span<const Evidence> datasets, UtcTime now) {
  std::vector<Bound> all;
  for (const auto& dataset : datasets) all.push_back(rules.bind(Subject::dataset, dataset, now));
  return all;
}

}  // namespace

Retrial::Retrial(const RuleSet& before, const RuleSet& after, UtcTime now, const Evidence& job,
                 std::span<const Evidence> datasets)
    : before_{before, before.bind(Subject::job, job, now), bind_all(before, datasets, now)},
      after_{after, after.bind(Subject::job, job, now), bind_all(after, datasets, now)} {}

std::vector<ChangedAnswer> Retrial::at(const Evidence& place, std::span<const Action> actions) const {
  std::vector<ChangedAnswer> changed;
  if (before_.rules.hash() == after_.rules.hash()) return changed;
  const auto then = before_.rules.bind(Subject::site, place, before_.job.now());
  const auto now = after_.rules.bind(Subject::site, place, after_.job.now());
  for (const auto action : actions) {
    const auto was = before_.rules.decide(action, before_.job, then, before_.datasets).code;
    const auto is = after_.rules.decide(action, after_.job, now, after_.datasets).code;
    if (was == is && was != Code::permitted) continue;
    ChangedAnswer answer{.action = action,
                         .before = explain(before_.rules, action, before_.job, then, before_.datasets),
                         .after = explain(after_.rules, action, after_.job, now, after_.datasets)};
    if (was != is || answer.before.obligations != answer.after.obligations) changed.push_back(std::move(answer));
  }
  return changed;
}

}  // namespace hansa::rules
