// SPDX-License-Identifier: Apache-2.0
// What a job array must have come to.
#include "tests/sim/auditor.hpp"

namespace hansa::sim {

using namespace domain;
using connectors::model::ClusterJob;
using connectors::model::ClusterState;

/// By its tasks at the site alone: what each came to, what the broker has on record of it, and what they come to together.
void Auditor::check_end_of_array(const Job& job, bool refusals_possible) {
  const auto about = "array " + job.id.str() + " is " + std::string(to_string(job.state)) + " (" + job.reason.code + ")";
  if (!is_terminal(job.state)) return violation("I2", about + " and never ended");
  if (job.state == JobState::lost) return;  // a person's word
  std::map<std::int32_t, const ClusterJob*> ran;
  bool refused_a_fence = false;
  each_of_ours([&](const std::string&, const ClusterJob& at_site, const TagParts& tag) {
    if (tag.job != job.id) return;
    if (at_site.payload_starts > 0) ran.emplace(at_site.task, &at_site);
    refused_a_fence = refused_a_fence || at_site.request.behaviour.fence_error;
  });
  if (ran.empty()) {
    const bool cancelled = job.state == JobState::cancelled && job.cancel;
    const bool fence = job.state == JobState::failed && refused_a_fence;
    const bool refused = refusals_possible && (job.state == JobState::rejected || job.reason.code == "NO_SITE_TOOK_IT");
    if (!cancelled && !fence && !refused) violation("I2", about + ", and no task of it ever ran");
    return;
  }
  if (only_a_person_knows(job)) return violation("I2", about + ", which only a person can know");
  std::size_t succeeded = 0, failed = 0;
  for (const auto task : job.spec.array.tasks) {
    const auto which = about + ", task " + std::to_string(task);
    const auto at = ran.find(task);
    if (at == ran.end()) {
      if (!job.cancel) violation("I2", which + " never ran, and nobody cancelled it");
      continue;
    }
    const auto& there = *at->second;
    if (there.state != ClusterState::ended && there.state != ClusterState::completing) {
      violation("I2", which + " runs in site job " + there.id.str());
      continue;
    }
    const auto outcome = *there.outcome;
    succeeded += outcome == Outcome::succeeded ? 1 : 0;
    failed += outcome == Outcome::failed || outcome == Outcome::timed_out ? 1 : 0;
    if (outcome == Outcome::cancelled && !job.cancel) violation("I2", which + " was cancelled, and nobody asked for it");
    const Run* told = nullptr;
    for (const auto& run : job.attempts.back().runs) {
      if (run.task_index == task && (told == nullptr || run.number > told->number)) told = &run;
    }
    if (told == nullptr || told->outcome != outcome)
      violation("I22", which + " ended " + std::string(to_string(outcome)) + " in site job " + there.id.str() +
                           ", and is on record as " +
                           (told == nullptr ? "never run"
                            : told->outcome ? std::string(to_string(*told->outcome))
                                            : "running"));
  }
  const auto all = job.spec.array.tasks.size();
  const auto expected = succeeded == all ? JobState::succeeded : failed == 0 ? JobState::cancelled : JobState::failed;
  if (job.state != expected)
    violation("I22", about + ", and its tasks make it " + std::string(to_string(expected)) + ": " + std::to_string(succeeded) +
                         " of " + std::to_string(all) + " succeeded, " + std::to_string(failed) + " failed");
}

}  // namespace hansa::sim
