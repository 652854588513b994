// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/observation.hpp"

#include "broker/engine/rulebook.hpp"
#include "broker/engine/secret_vault.hpp"
#include "broker/ports/task_statuses.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

namespace hansa::engine {

using namespace domain;
using ports::Phase;

namespace {

/// A start that found its fence taken.
bool ran_nothing(const ports::JobStatus& status) { return status.reason.code == "DUPLICATE"; }

/// The runs of tasks that are news; a run that ended is told once. What ran nothing is no run.
std::vector<Run> changed_runs(const Attempt& attempt, const ports::JobStatus& array) {
  std::map<std::pair<std::int32_t, std::int32_t>, const Run*> known;
  for (const auto& run : attempt.runs) known.emplace(std::pair{run.task_index, run.number}, &run);
  std::vector<Run> changed;
  for (const auto& task : array.tasks) {
    const bool over = task.phase == Phase::ended;
    if (over && ran_nothing(task)) continue;
    if (!over && task.phase != Phase::running && task.phase != Phase::finishing) continue;
    Run run{.task_index = task.task_index, .number = task.run, .started_at = task.started_at};
    if (over) {
      run.ended_at = task.ended_at;
      run.exit_code = task.exit_code;
      run.signal = task.signal;
      run.outcome = task.outcome.value_or(Outcome::failed);
    }
    const auto at = known.find({run.task_index, run.number});
    const auto* before = at == known.end() ? nullptr : at->second;
    if (before != nullptr && before->outcome) continue;
    if (before != nullptr && before->started_at) run.started_at = before->started_at;  // as it was told first
    if (before == nullptr ? over || run.started_at : run != *before) changed.push_back(run);
  }
  return changed;
}

/// What the site gives it, if that is news. What the accounting tells of an end counts only where the queue was never heard: the
/// two do not tell all alike. Of an array the first task that is given something else speaks for all: tasks that run and tasks
/// that wait are told of in different words.
void note_grant(const Job& job, const Attempt& attempt, const ports::JobStatus& status, std::vector<EventBody>& events) {
  const auto judged = [&](const Grant& grant) { return compare(job.spec, attempt, grant); };
  const auto* told = status.granted ? &*status.granted : nullptr;
  for (const auto& task : status.tasks) {
    if (!task.granted) continue;
    const bool is_odd = !judged(*task.granted).code.empty();
    if (told == nullptr || is_odd) told = &*task.granted;
    if (is_odd) break;
  }
  const auto& known = attempt.granted;
  if (told == nullptr || (known && status.phase == Phase::ended)) return;
  const auto grant = known ? joined(*told, *known) : *told;
  auto reason = judged(grant);
  if (known && (job.spec.array.empty() ? grant == *known : reason.code.empty() || reason == judged(*known))) return;
  events.emplace_back(AttemptGranted{.attempt = attempt.number, .grant = grant, .reason = std::move(reason)});
}

/// An attempt has ended that was taken back from a site that would have charged somebody else, or whose secrets are not there: a
/// person is to look at that first.
void hold_for_a_person(const Job& job, const Reason& reason, std::vector<EventBody>& events) {
  if ((reason.code == kOtherAccount || reason.code == kSecretMissing) && !job.cancel)
    events.emplace_back(Held{.reason = reason, .by_user = true});
}

std::size_t untold_tasks(const Job& job, const ports::JobStatus& array) {
  return static_cast<std::size_t>(std::ranges::count_if(job.spec.array.tasks, [&](std::int32_t task) {
    return !std::ranges::binary_search(job.cancelled_tasks, task) &&
           !std::ranges::binary_search(array.tasks, task, {}, &ports::JobStatus::task_index);
  }));
}

const Run* find_run(const Attempt& attempt, std::int32_t number) {
  const auto at = std::ranges::find(attempt.runs, number, &Run::number);
  return at == attempt.runs.end() ? nullptr : &*at;
}

}  // namespace

bool asks_for_the_fence(const Job& job, const ports::JobStatus& status) {
  if (status.phase == Phase::ended)
    return status.outcome == Outcome::never_started || status.outcome == Outcome::cancelled || ran_nothing(status);
  // The first task that finds its array's right taken tells it for all of them.
  const auto* attempt = job.live_attempt();
  return attempt != nullptr && !attempt->sealed && std::ranges::any_of(status.tasks, ran_nothing);
}

const Move* move_under_way(const Job& job) {
  const auto* attempt = job.live_attempt();
  if (attempt == nullptr || job.state != JobState::queued || job.cancel || !attempt->move) return nullptr;
  return attempt->move->from == attempt->site_job_id ? &*attempt->move : nullptr;
}

std::optional<Reason> why_taken_back(const Job& job) {
  const auto* attempt = job.live_attempt();
  if (attempt == nullptr) return std::nullopt;
  if (attempt->move && attempt->move->from == attempt->site_job_id) {
    return Reason{std::string(kMoved), "taken from " + attempt->site.str() + " before it started, to go to " +
                                           attempt->move->to.str() + ": " + attempt->move->why};
  }
  auto reason = attempt->granted ? compare(job.spec, *attempt, *attempt->granted) : Reason{};
  if (reason.code != kOtherAccount) return std::nullopt;
  reason.message +=
      "; it was taken back before it started. Once its operators have set that right: hansa release " + job.id.str();
  return reason;
}

std::optional<Reason> taking_back(const Job& job) {
  const auto* attempt = job.live_attempt();
  if (attempt == nullptr || attempt->state != AttemptState::bound || job.state != JobState::queued || job.cancel ||
      !attempt->none_began())
    return std::nullopt;
  return why_taken_back(job);
}

void read_as_taken_back(const Job& job, ports::JobStatus& status) {
  const auto* attempt = job.live_attempt();
  auto why = why_taken_back(job);
  if (!why || attempt->site_job_id != status.id) return;
  status.outcome = Outcome::never_started;
  status.reason = std::move(*why);
}

void count_devices(ports::JobStatus& status, std::int32_t devices_per_gpu) {
  if (status.granted) {  // a site may tell any number
    const auto devices = std::int64_t{status.granted->gpus} * devices_per_gpu;
    status.granted->gpus = static_cast<std::int32_t>(std::min<std::int64_t>(devices, std::numeric_limits<std::int32_t>::max()));
  }
  for (auto& task : status.tasks) count_devices(task, devices_per_gpu);
}

ports::JobStatus as_a_whole(const Job& job, ports::JobStatus status) {
  const auto* attempt = job.live_attempt();
  if (job.spec.array.empty() || attempt == nullptr) return status;
  const std::set<std::int32_t> wanted(job.spec.array.tasks.begin(), job.spec.array.tasks.end());
  std::erase_if(status.tasks, [&](const auto& task) { return !wanted.contains(task.task_index); });
  const bool any_seen = !status.tasks.empty();
  std::set<std::int32_t> told;
  for (const auto& task : status.tasks) told.insert(task.task_index);
  for (const auto& task : wanted) {
    const auto* run = told.contains(task) ? nullptr : attempt->last_run(task);
    if (run == nullptr || !run->outcome) continue;
    status.tasks.push_back({.id = status.id,
                            .phase = Phase::ended,
                            .run = run->number,
                            .site_state = {},
                            .pending_reason = {},
                            .started_at = run->started_at,
                            .ended_at = run->ended_at,
                            .outcome = run->outcome,
                            .exit_code = run->exit_code,
                            .signal = run->signal,
                            .reason = {},
                            .task_index = task});
  }
  std::ranges::sort(status.tasks, {}, &ports::JobStatus::task_index);
  ports::sum_up(status, wanted.size());
  if (!any_seen && status.phase != Phase::ended) status.phase = Phase::not_seen;
  return status;
}

std::vector<EventBody> observe(const Job& job, const ports::JobStatus& status) {
  std::vector<EventBody> events;
  const auto* attempt = job.live_attempt();
  if (attempt == nullptr || attempt->state != AttemptState::bound) return events;
  const auto number = attempt->number;

  if (status.phase == Phase::not_seen) {
    const auto& code = attempt->reason.code;
    if (!attempt->unknown_since || (code != kNotSeen && code != kRanUnseen)) {
      events.emplace_back(AttemptUnknown{
          number,
          {std::string(kNotSeen), "the site's queue and accounting do not show site job " + attempt->site_job_id.str() +
                                      "; that proves nothing, it is looked for again"}});
    }
    return events;
  }
  const bool is_array = !job.spec.array.empty();
  // Whose cancel was asked for may well be seen no more: their fences tell (Dispatch).
  const auto untold = is_array ? untold_tasks(job, status) : 0;
  if (untold > 0) {
    if (!attempt->unknown_since) {
      events.emplace_back(AttemptUnknown{
          number,
          {std::string(kTasksNotSeen), std::to_string(untold) + " tasks of site job " + attempt->site_job_id.str() +
                                           " are in neither the site's queue nor its accounting"}});
    }
  } else if (attempt->unknown_since) {
    events.emplace_back(AttemptSeenAgain{number});
  }
  note_grant(job, *attempt, status, events);
  if (is_array) {
    if (auto changed = changed_runs(*attempt, status); !changed.empty())
      events.emplace_back(TasksSeen{.attempt = number, .runs = std::move(changed)});
    if (status.phase != Phase::ended) return events;
  }

  const auto start_run = [&] {
    const auto* run = find_run(*attempt, status.run);
    if (status.started_at && (run == nullptr || !run->started_at)) {
      events.emplace_back(RunStarted{.attempt = number, .run = status.run, .started_at = *status.started_at});
      return true;
    }
    return false;
  };

  switch (status.phase) {
    case Phase::queued:
      // The restart count tells a requeue from accounting that does not know of the start yet.
      if (job.state == JobState::running || job.state == JobState::finishing) {
        const auto last = attempt->runs.empty() ? 0 : attempt->runs.back().number;
        if (status.run > last) events.emplace_back(RunRequeued{.attempt = number, .run = last});
      }
      break;
    case Phase::running: start_run(); break;
    case Phase::finishing: {
      start_run();
      if (job.state != JobState::finishing) events.emplace_back(RunFinishing{number});
      break;
    }
    case Phase::ended: {
      events.emplace_back(AttemptEnded{.attempt = number,
                                       .run = status.run,
                                       .outcome = status.outcome.value_or(Outcome::failed),
                                       .started_at = status.started_at,
                                       .ended_at = status.ended_at,
                                       .exit_code = status.exit_code,
                                       .signal = status.signal,
                                       .reason = status.reason});
      const bool open = job.cancel && (!job.cancel->outcome || *job.cancel->outcome == CancelOutcome::unknown);
      if (open) {
        const bool cut_off = status.outcome == Outcome::cancelled || status.outcome == Outcome::never_started;
        const auto outcome = !cut_off            ? CancelOutcome::already_ended
                             : status.started_at ? CancelOutcome::stopped
                                                 : CancelOutcome::never_started;
        events.emplace_back(CancelResolved{outcome});
      }
      if (status.outcome == Outcome::never_started && job.cancel) {
        events.emplace_back(Ended{JobState::cancelled, {"CANCELLED", "cancelled by " + job.cancel->by.str()}});
      }
      if (status.outcome == Outcome::never_started) hold_for_a_person(job, status.reason, events);
      break;
    }
    case Phase::not_seen: break;
  }
  return events;
}

std::optional<Reason> why_foreign(const Attempt& attempt, const ports::Sighting& sighting, const std::string& cluster,
                                  Milliseconds clock_skew) {
  const auto& id = sighting.status.id.str();
  if (!cluster.empty() && !sighting.cluster.empty() && sighting.cluster != cluster) {
    return Reason{"FOREIGN_CLUSTER", "site job " + id + " carries this tag on cluster " + sighting.cluster + ", not " + cluster};
  }
  if (!attempt.account.empty() && sighting.account != attempt.account) {
    return Reason{"FOREIGN_ACCOUNT", "site job " + id + " carries this tag but belongs to account " + sighting.account.str() +
                                         ", not " + attempt.account.str()};
  }
  if (sighting.submitted_at < attempt.intended_at - clock_skew) {
    return Reason{"OLDER_THAN_INTENT", "site job " + id + " carries this tag but is older than the attempt"};
  }
  return std::nullopt;
}

bool is_refused(const Reason& reason) { return reason.code == "SITE_REFUSED" || is_withheld(reason); }

Step end_never_started(const Job& job, Reason reason, bool sealed) {
  Step step;
  const auto* attempt = job.live_attempt();
  if (attempt == nullptr) return step;
  if (sealed && !attempt->sealed) step.events.emplace_back(AttemptSealed{attempt->number});
  step.events.emplace_back(AttemptEnded{.attempt = attempt->number, .outcome = Outcome::never_started, .reason = reason});
  hold_for_a_person(job, reason, step.events);
  if (job.cancel) {
    if (!job.cancel->outcome || *job.cancel->outcome == CancelOutcome::unknown) {
      step.events.emplace_back(CancelResolved{CancelOutcome::never_started});
    }
    step.events.emplace_back(Ended{JobState::cancelled, {"CANCELLED", "cancelled by " + job.cancel->by.str()}});
  }
  return step;
}

}  // namespace hansa::engine
