// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/dependencies.hpp"

#include "broker/async/all_of.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr std::size_t kAtATime = 256;          // written side by side, so that they share commits; submissions go between
constexpr std::size_t kNamed = 3;              // in a reason; the API has them all
constexpr std::size_t kMaxFaults = 100;
constexpr std::size_t kMaxDifferent = 1'000;   // jobs that one request comes after

Reason waits_for(const std::set<JobId>& open) {
  std::string names;
  std::size_t named = 0;
  for (const auto& id : open) {
    if (++named > kNamed) break;
    names += (named == 1 ? "" : ", ") + id.str();
  }
  if (open.size() > kNamed) names += " and " + std::to_string(open.size() - kNamed) + " more";
  return {std::string(kDependency), open.size() == 1 ? "waits for job " + names + ", which has to succeed first"
                                                     : "waits for jobs " + names + ", which have to succeed first"};
}

}  // namespace

void Dependencies::job_changed(const Job* before, const Job& after) {
  if (is_terminal(after.state)) {
    forget(after.id);
    ended(after.id, after.state);
  } else if (before == nullptr && (after.awaits_others() || (after.held_by_user && !after.spec.after.empty()))) {
    take(after);
  } else if (!after.awaits_others() && !after.held_by_user) {
    forget(after.id);
  }
}

void Dependencies::take(const Job& job) {
  auto& needs = needs_[job.id];
  for (const auto& id : job.spec.after) {
    needs.open.insert(id);
    dependents_[id].insert(job.id);
    if (context_.book.find(id) == nullptr) unknown_.insert(id);
  }
  due_.insert(job.id);
  news_.set();
}

void Dependencies::forget(const JobId& id) {
  const auto needs = needs_.find(id);
  if (needs == needs_.end()) return;
  for (const auto& other : needs->second.open) {
    const auto at = dependents_.find(other);
    if (at == dependents_.end()) continue;
    at->second.erase(id);
    if (at->second.empty()) dependents_.erase(at);
  }
  needs_.erase(needs);
  due_.erase(id);
}

void Dependencies::ended(const JobId& id, JobState how) {
  unknown_.erase(id);
  const auto waiting = dependents_.extract(id);
  if (waiting.empty()) return;
  for (const auto& dependent : waiting.mapped()) {
    auto& needs = needs_.at(dependent);
    if (how == JobState::succeeded) {
      needs.open.erase(id);
      if (!needs.open.empty()) continue;
    } else if (!needs.never) {
      needs.never = Reason{"DEPENDENCY_NEVER_SATISFIED", "it was to start after job " + id.str() +
                                                             " had succeeded, and that is " + std::string(to_string(how))};
    }
    due_.insert(dependent);
  }
  news_.set();
}

std::optional<Reason> Dependencies::why_not_yet(const JobId& id) const {
  const auto needs = needs_.find(id);
  if (needs == needs_.end() || needs->second.open.empty()) return std::nullopt;
  return waits_for(needs->second.open);
}

async::Task<> Dependencies::run() {
  while (true) {
    co_await news_.wait();
    const auto looked = co_await look_up();
    auto done = co_await settle();
    if (done) done = looked;
    if (done) continue;
    context_.log.write(ports::LogLevel::warning, "jobs that come after others wait longer",
                       {{"code", done.error().code}, {"error", done.error().message}});
    co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic() + kAfterFailure);
    news_.set();
  }
}

/// Those that were not in the book when they were asked about. One that is not over comes into it, and its end is told.
async::Task<> Dependencies::look_up() {
  Result<void> done;
  for (const auto& id : std::vector(unknown_.begin(), unknown_.end())) {
    const auto job = co_await context_.jobs.job(id);
    if (!job) {
      done = std::unexpected(job.error());  // one that cannot be read keeps nobody else waiting
      continue;
    }
    unknown_.erase(id);
    if (is_terminal(job->state)) ended(id, job->state);
  }
  co_return done;
}

async::Task<> Dependencies::settle() {
  while (!due_.empty()) {
    std::vector<JobId> ids;
    std::vector<async::Task<>> steps;
    for (auto next = due_.begin(); next != due_.end() && ids.size() < kAtATime; next = due_.erase(next)) {
      ids.push_back(*next);
      steps.push_back(settle_one(*next));
    }
    const auto done = co_await async::all_of(std::move(steps));
    const auto failed = std::ranges::find_if(done, [](const auto& outcome) { return !outcome; });
    if (failed == done.end()) continue;
    for (const auto& id : ids) {
      if (needs_.contains(id)) due_.insert(id);
    }
    co_return *failed;
  }
  co_return Result<void>{};
}

async::Task<> Dependencies::settle_one(JobId id) {
  auto done = co_await context_.book.change(id, [&](const Job& job) -> Result<Step> { return step_of(job); });
  if (!done && done.error().kind != ErrorKind::not_found) co_return std::unexpected(done.error());
  co_return Result<void>{};
}

Step Dependencies::step_of(const Job& job) const {
  const auto at = needs_.find(job.id);
  if (at == needs_.end() || job.live_attempt() != nullptr) return {};
  const auto& [open, never] = at->second;
  if (never) return {.events = {Ended{JobState::cancelled, *never}}};
  if (job.held_by_user || (!open.empty() && job.state == JobState::held)) return {};
  if (!open.empty()) return {.events = {Held{.reason = waits_for(open)}}};
  return {.events = {Waiting{{"DEPENDENCY_SATISFIED", "what it comes after has succeeded; it is in line"}}}};
}

std::vector<std::vector<JobId>> what_comes_before(const std::vector<Submission>& submissions) {
  std::vector<std::vector<JobId>> before;
  before.reserve(submissions.size());
  for (const auto& submission : submissions) before.push_back(submission.spec.after);
  return before;
}

async::Task<> all_before_known(ports::JobStore& store, Principal owner, std::vector<std::vector<JobId>> before) {
  std::unordered_map<JobId, bool> known;
  std::vector<Fault> faults;
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (const auto& id : before[i]) {
      const auto [at, fresh] = known.try_emplace(id, false);
      if (known.size() > kMaxDifferent) {
        co_return fail(
            ErrorKind::invalid_argument, "TOO_MANY_BEFORE",
            "one request may come after " + std::to_string(kMaxDifferent) + " different jobs at most; submit it in parts");
      }
      if (fresh) {
        const auto job = co_await store.job(id);
        if (!job && job.error().kind != ErrorKind::not_found) co_return std::unexpected(job.error());
        at->second = job && job->owner == owner;
      }
      if (!at->second && faults.size() < kMaxFaults) {
        faults.push_back({.where = (before.size() == 1 ? "" : "/jobs/" + std::to_string(i)) + "/after",
                          .message = "you have no job " + id.str() + "; see: hansa jobs"});
      }
    }
  }
  if (faults.empty()) co_return Result<void>{};
  auto error = fail(ErrorKind::invalid_argument, "NO_SUCH_JOB", faults.front().where + ": " + faults.front().message);
  error.error().faults = std::move(faults);
  co_return error;
}

}  // namespace hansa::engine
