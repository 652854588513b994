// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/job.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <span>

namespace hansa::domain {
namespace {

template <typename Enum>
struct Spelling {
  Enum value;
  std::string_view text;
};

constexpr Spelling<JobState> kJobStates[] = {
    {JobState::accepted, "accepted"}, {JobState::waiting, "waiting"},       {JobState::held, "held"},
    {JobState::staging, "staging"},   {JobState::submitting, "submitting"}, {JobState::queued, "queued"},
    {JobState::running, "running"},   {JobState::finishing, "finishing"},   {JobState::succeeded, "succeeded"},
    {JobState::failed, "failed"},     {JobState::timed_out, "timed_out"},   {JobState::cancelled, "cancelled"},
    {JobState::lost, "lost"},         {JobState::rejected, "rejected"}};
constexpr Spelling<AttemptState> kAttemptStates[] = {{AttemptState::intended, "intended"},
                                                     {AttemptState::sent, "sent"},
                                                     {AttemptState::bound, "bound"},
                                                     {AttemptState::ended, "ended"}};
constexpr Spelling<Outcome> kOutcomes[] = {{Outcome::succeeded, "succeeded"},
                                           {Outcome::failed, "failed"},
                                           {Outcome::timed_out, "timed_out"},
                                           {Outcome::cancelled, "cancelled"},
                                           {Outcome::never_started, "never_started"}};
constexpr Spelling<CancelOutcome> kCancelOutcomes[] = {{CancelOutcome::never_started, "never_started"},
                                                       {CancelOutcome::stopped, "stopped"},
                                                       {CancelOutcome::already_ended, "already_ended"},
                                                       {CancelOutcome::unknown, "unknown"}};

template <typename Enum, std::size_t N>
std::string_view spell(const Spelling<Enum> (&table)[N], Enum value) {
  for (const auto& row : table) {
    if (row.value == value) return row.text;
  }
  return "?";
}

template <typename Enum, std::size_t N>
std::optional<Enum> read(const Spelling<Enum> (&table)[N], std::string_view text) {
  for (const auto& row : table) {
    if (row.text == text) return row.value;
  }
  return std::nullopt;
}

constexpr std::string_view kTagPrefix = "hansa-";
constexpr std::size_t kIdLength = 26;

}  // namespace

bool is_terminal(JobState state) {
  switch (state) {
    case JobState::succeeded:
    case JobState::failed:
    case JobState::timed_out:
    case JobState::cancelled:
    case JobState::lost:
    case JobState::rejected: return true;
    default: return false;
  }
}

std::string_view to_string(JobState state) { return spell(kJobStates, state); }
std::string_view to_string(AttemptState state) { return spell(kAttemptStates, state); }
std::string_view to_string(Outcome outcome) { return spell(kOutcomes, outcome); }
std::string_view to_string(CancelOutcome outcome) { return spell(kCancelOutcomes, outcome); }
std::optional<JobState> parse_job_state(std::string_view text) { return read(kJobStates, text); }
std::optional<AttemptState> parse_attempt_state(std::string_view text) { return read(kAttemptStates, text); }
std::optional<Outcome> parse_outcome(std::string_view text) { return read(kOutcomes, text); }
std::optional<CancelOutcome> parse_cancel_outcome(std::string_view text) { return read(kCancelOutcomes, text); }

const Attempt* Job::live_attempt() const {
  return attempts.empty() || attempts.back().state == AttemptState::ended ? nullptr : &attempts.back();
}

const Run* Attempt::last_run(std::int32_t task_index) const {
  const Run* last = nullptr;
  for (const auto& run : runs) {
    if (run.task_index == task_index && (last == nullptr || run.number > last->number)) last = &run;
  }
  return last;
}

std::vector<std::int32_t> Job::open_tasks(const Attempt& attempt) const {
  std::set<std::int32_t> open(spec.array.tasks.begin(), spec.array.tasks.end());
  std::map<std::int32_t, const Run*> last;
  for (const auto& run : attempt.runs) {
    auto& known = last[run.task_index];
    if (known == nullptr || run.number > known->number) known = &run;
  }
  for (const auto& [task, run] : last) {
    if (run->outcome) open.erase(task);
  }
  return {open.begin(), open.end()};
}

std::vector<std::int32_t> Job::tasks_to_cancel(const Attempt& attempt) const {
  auto open = open_tasks(attempt);
  std::erase_if(open, [&](std::int32_t task) { return !std::ranges::binary_search(cancelled_tasks, task); });
  return open;
}

TaskArray Job::array_left() const {
  auto left = spec.array;
  std::erase_if(left.tasks, [&](std::int32_t task) { return std::ranges::binary_search(cancelled_tasks, task); });
  return left;
}

std::int32_t Job::side_by_side() const {
  return cancelled_tasks.empty() ? spec.array.side_by_side() : array_left().side_by_side();
}

bool Job::awaits_others() const {
  return !spec.after.empty() && (state == JobState::accepted || (state == JobState::held && reason.code == kDependency));
}

bool Job::move_begun() const {
  return std::ranges::any_of(attempts, [](const Attempt& attempt) { return attempt.move.has_value(); });
}

Tag make_tag(const JobId& job, std::int32_t attempt) {
  return Tag{std::string(kTagPrefix) + job.str() + "-" + std::to_string(attempt)};
}

std::optional<TagParts> parse_tag(std::string_view text) {
  if (!text.starts_with(kTagPrefix)) return std::nullopt;
  text.remove_prefix(kTagPrefix.size());
  if (text.size() < kIdLength + 2 || text[kIdLength] != '-') return std::nullopt;
  const auto id = JobId::parse(text.substr(0, kIdLength));
  const auto digits = text.substr(kIdLength + 1);
  std::int32_t attempt = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), attempt);
  if (!id || error != std::errc{} || end != digits.data() + digits.size() || attempt < 1 || digits.front() == '0')
    return std::nullopt;
  return TagParts{*id, attempt};
}

}  // namespace hansa::domain
