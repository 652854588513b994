// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tasks of an array come to. Pure.
//
//   phase     ended once all are; running once one has started; queued; not_seen if none is seen
//   outcome   succeeded if all have; nothing at all ran: as an attempt that never did (never_started, cancelled, or failed as a
//             DUPLICATE); cancelled if the rest was cancelled; else failed, with the numbers in the reason
//   exit_code the highest of them

#include "broker/domain/task_array.hpp"
#include "broker/ports/site_connector.hpp"

#include <algorithm>

namespace hansa::ports {

/// The array that a task is of, by the task's id: "7_3" -> "7", "7[3].pbs01" -> "7[].pbs01"; others stay as they are.
inline SiteJobId array_of(const SiteJobId& id) {
  const auto& text = id.str();
  const auto open = text.find('['), close = text.find(']');
  if (open != std::string::npos && close != std::string::npos && open < close)
    return SiteJobId(text.substr(0, open + 1) + text.substr(close));
  const auto underscore = text.rfind('_');
  return underscore == std::string::npos ? id : SiteJobId(text.substr(0, underscore));
}

namespace detail {

inline void sum_up_ends(JobStatus& array) {
  using domain::Outcome;
  struct Kind {
    Outcome outcome;
    const char* word;
    std::vector<std::int32_t> tasks = {};
  };
  Kind kinds[] = {{Outcome::failed, "failed"},
                  {Outcome::timed_out, "timed out"},
                  {Outcome::cancelled, "were cancelled"},
                  {Outcome::never_started, "never started"}};
  std::size_t succeeded = 0;
  bool any_ran = false, duplicate = false;
  for (const auto& task : array.tasks) {
    const auto outcome = task.outcome.value_or(Outcome::failed);
    duplicate = duplicate || task.reason.code == "DUPLICATE";
    any_ran = any_ran || (task.reason.code != "DUPLICATE" && (task.started_at || outcome == Outcome::succeeded));
    if (task.ended_at && (!array.ended_at || *array.ended_at < *task.ended_at)) array.ended_at = task.ended_at;
    if (task.exit_code && outcome != Outcome::cancelled)  // whoever ended that one has made its exit status
      array.exit_code = std::max(array.exit_code.value_or(0), *task.exit_code);
    const auto kind = std::ranges::find(kinds, outcome, &Kind::outcome);
    if (kind == std::end(kinds))
      ++succeeded;
    else
      kind->tasks.push_back(task.task_index);
  }
  const auto all = array.tasks.size();
  if (succeeded == all) {
    array.outcome = Outcome::succeeded;
    return;
  }
  std::string text = std::to_string(succeeded) + " of " + std::to_string(all) + " tasks succeeded";
  for (const auto& kind : kinds) {
    if (kind.tasks.empty()) continue;
    auto which = domain::task_ranges(kind.tasks);
    if (which.size() > 60) which = which.substr(0, which.rfind(',', 60)) + ",...";
    text += "; " + std::to_string(kind.tasks.size()) + ' ' + kind.word + " (" + which + ")";
  }
  const auto count = [&](Outcome outcome) { return std::ranges::find(kinds, outcome, &Kind::outcome)->tasks.size(); };
  // What was cancelled before it started some schedulers call so, and some say that it never did.
  const bool only_cancelled = count(Outcome::failed) + count(Outcome::timed_out) == 0 && count(Outcome::cancelled) > 0;
  if (!any_ran && duplicate) {
    array.outcome = Outcome::failed;
    array.reason = {"DUPLICATE", "none of its tasks ran: another site job has the attempt's fence"};
  } else if (!any_ran && count(Outcome::never_started) == all) {
    array.outcome = Outcome::never_started;
    array.reason = array.tasks.front().reason;
  } else {
    array.outcome = only_cancelled ? Outcome::cancelled : Outcome::failed;
    array.reason = {only_cancelled ? "CANCELLED" : "TASKS_FAILED", std::move(text)};
  }
  if (!any_ran) array.started_at.reset();
}

}  // namespace detail

/// Fills what stands of an array beside its tasks, of which `all` are wanted.
inline void sum_up(JobStatus& array, std::size_t all) {
  std::size_t ended = 0;
  array.phase = Phase::not_seen;
  array.started_at.reset();
  array.ended_at.reset();
  array.outcome.reset();
  array.exit_code.reset();
  array.reason = {};
  array.expected_start.reset();
  for (const auto& task : array.tasks) {
    if (task.started_at && (!array.started_at || *task.started_at < *array.started_at)) array.started_at = task.started_at;
    if (task.phase == Phase::ended) ++ended;
    if (task.phase != Phase::queued) continue;
    if (task.expected_start && (!array.expected_start || *task.expected_start < *array.expected_start))
      array.expected_start = task.expected_start;
    if (array.pending_reason.empty()) array.pending_reason = task.pending_reason;
    array.site_state = task.site_state;
  }
  if (array.tasks.empty()) return;
  if (ended == all) {
    array.phase = Phase::ended;
    array.site_state = array.tasks.back().site_state;
    return detail::sum_up_ends(array);
  }
  array.phase = array.started_at ? Phase::running : Phase::queued;
  if (array.started_at) array.site_state = "RUNNING";
}

}  // namespace hansa::ports
