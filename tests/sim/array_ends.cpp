// SPDX-License-Identifier: Apache-2.0
// What a job array must have come to, and whose tasks were cancelled alone.
#include "tests/sim/auditor.hpp"

#include <algorithm>

namespace hansa::sim {

using namespace domain;
using connectors::model::ClusterJob;
using connectors::model::ClusterState;

// ---- tasks that are cancelled alone

void Auditor::task_cancel_acknowledged(const JobId& id, const std::vector<std::int32_t>& tasks) {
  const auto& job = jobs_.at(id);
  if (job.cancel || is_terminal(job.state)) return;
  const auto* attempt = job.live_attempt();
  for (const auto task : tasks) {
    const auto* run = attempt == nullptr ? nullptr : attempt->last_run(task);
    if (!asked_tasks_[id].contains(task) && (run == nullptr || !run->outcome))
      violation("I1", "the cancel of task " + std::to_string(task) + " of " + id.str() + " was acknowledged and is not durable");
  }
}

void Auditor::note_tasks(const Job& job, const EventBody& body) {
  auto& on_record = cancelled_tasks_[job.id];
  if (const auto* asked = std::get_if<TaskCancelRequested>(&body)) {
    asked_tasks_[job.id].insert(asked->tasks.begin(), asked->tasks.end());
    task_cancels_ += std::ssize(asked->tasks);
  } else if (std::holds_alternative<AttemptIntended>(body)) {
    on_record.clear();
    for (const auto task : asked_tasks_[job.id]) on_record[task] = {.starts = starts_of(job.id, task), .left_out = true};
  } else if (std::holds_alternative<AttemptBound>(body)) {  // what was told before was of another site job
    std::erase_if(on_record, [](const auto& entry) { return !entry.second.left_out; });
  } else if (const auto* seen = std::get_if<TasksSeen>(&body)) {
    // Before any has started another submission of the array may still take its right. What was sealed alone never starts.
    auto runs = job.attempts.back().runs;
    runs.insert(runs.end(), seen->runs.begin(), seen->runs.end());
    const bool begun = std::ranges::any_of(runs, [](const Run& run) { return run.started_at.has_value(); });
    for (const auto& run : runs) {
      if (run.outcome == Outcome::cancelled && (begun || run.left_out()))
        on_record.try_emplace(run.task_index, Cancelled{.starts = starts_of(job.id, run.task_index), .left_out = run.left_out()});
    }
  }
}

bool Auditor::was_asked_for(const Job& job, std::int32_t task) const {
  const auto asked = asked_tasks_.find(job.id);
  return job.cancel || (asked != asked_tasks_.end() && asked->second.contains(task));
}

int Auditor::starts_of(const JobId& job, std::int32_t task) {
  int starts = 0;
  each_of_ours([&](const std::string&, const ClusterJob& at_site, const TagParts& tag) {
    if (tag.job == job && at_site.task == task) starts += at_site.payload_starts;
  });
  return starts;
}

void Auditor::cancelling_tasks(const std::string& site, const Job& job, const std::vector<std::int32_t>& tasks) {
  for (const auto task : tasks) {
    if (!was_asked_for(job, task))
      violation("I23", "task " + std::to_string(task) + " of job " + job.id.str() + " is cancelled at " + site +
                           ", and nobody asked for it");
  }
}

// ---- the end

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
    const bool all_asked = std::ranges::all_of(job.spec.array.tasks, [&](auto task) { return was_asked_for(job, task); });
    const bool cancelled = job.state == JobState::cancelled && all_asked;
    const bool fence = job.state == JobState::failed && refused_a_fence;
    const bool refused = refusals_possible && (job.state == JobState::rejected || job.reason.code == "NO_SITE_TOOK_IT");
    if (!cancelled && !fence && !refused) violation("I2", about + ", and no task of it ever ran");
    return;
  }
  if (only_a_person_knows(job)) return violation("I2", about + ", which only a person can know");
  std::size_t succeeded = 0, failed = 0;
  for (const auto task : job.spec.array.tasks) {
    const auto which = about + ", task " + std::to_string(task);
    const auto* told = job.attempts.back().last_run(task);
    const auto at = ran.find(task);
    if (at == ran.end()) {
      if (!was_asked_for(job, task)) violation("I2", which + " never ran, and nobody cancelled it");
      if (!job.cancel && (told == nullptr || told->outcome != Outcome::cancelled || told->started_at))
        violation("I23", which + " never ran, and is not on record as cancelled before it began");
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
    if (outcome == Outcome::cancelled && !was_asked_for(job, task))
      violation("I23", which + " was cancelled, and nobody asked for it");
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
