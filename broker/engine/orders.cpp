// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/orders.hpp"

#include "broker/engine/dependencies.hpp"
#include "broker/engine/dispatch.hpp"
#include "broker/engine/fence.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::engine {

using namespace domain;

namespace {

/// A change of a job that is not in the book: it is over, or it never was.
Error explain_absence(Error error) {
  if (error.code == "JOB_NOT_ACTIVE") {
    error.kind = ErrorKind::conflict;
    error.code = "JOB_OVER";
    error.message = "the job is over";
  }
  return error;
}

}  // namespace

async::Task<Job> Orders::change(JobId id, std::function<Result<Step>(const Job&)> decide) {
  auto done = co_await context_.book.change(id, std::move(decide));
  if (!done) co_return std::unexpected(explain_absence(done.error()));
  co_return done;
}

async::Task<Job> Orders::hold(JobId id) {
  co_return co_await change(id, [](const Job& job) -> Result<Step> {
    if (job.held_by_user) return Step{};
    if (job.live_attempt() != nullptr) {
      return fail(
          ErrorKind::conflict, "JOB_AT_SITE",
          "job " + job.id.str() + " is at site " + job.live_attempt()->site.str() + " already; cancel it if it must not run");
    }
    return Step{.events = {Held{.reason = {"HELD_BY_USER", "held by its user; release it with: hansa release " + job.id.str()},
                                .by_user = true}}};
  });
}

async::Task<Job> Orders::release(JobId id) {
  co_return co_await change(id, [this](const Job& job) -> Result<Step> {
    if (job.held_by_user) {
      Step step{.events = {Released{}}};
      if (auto waits = dependencies_.why_not_yet(job.id)) step.events.emplace_back(Held{.reason = std::move(*waits)});
      return step;
    }
    if (job.state != JobState::held) return Step{};
    return fail(ErrorKind::conflict, "NOT_HELD",
                "job " + job.id.str() + " is not held by its user: " +
                    (job.awaits_others() ? job.reason.message : "no site can take it now (" + job.reason.message + ")"));
  });
}

async::Task<Job> Orders::cancel(JobId id, Principal by) {
  bool more = false;
  auto done = co_await change(id, [&](const Job& job) -> Result<Step> {
    more = !job.cancel;
    if (job.cancel) return Step{};
    Step step{.events = {CancelRequested{by}}};
    if (job.live_attempt() == nullptr) {
      step.events.emplace_back(CancelResolved{CancelOutcome::never_started});
      step.events.emplace_back(Ended{JobState::cancelled, {"CANCELLED", "cancelled by " + by.str()}});
    }
    return step;
  });
  if (!done) co_return done;
  if (const auto* attempt = done->live_attempt(); attempt != nullptr) {
    if (attempt->state == AttemptState::bound) dispatch_.carry_cancel(id, more);
    if (auto* desk = context_.desk(attempt->site)) desk->wake_reconciler.set();
  }
  co_return done;
}

async::Task<Job> Orders::cancel_tasks(JobId id, Principal by, std::vector<std::int32_t> tasks) {
  bool all = false, more = false;
  auto done = co_await change(id, [&](const Job& job) -> Result<Step> {
    if (job.spec.array.empty())
      return fail(ErrorKind::invalid_argument, "NOT_AN_ARRAY", "job " + job.id.str() + " is no array; cancel it without tasks");
    std::vector<std::int32_t> unknown;
    std::ranges::set_difference(tasks, job.spec.array.tasks, std::back_inserter(unknown));
    if (!unknown.empty()) {
      return fail(ErrorKind::invalid_argument, "NO_SUCH_TASK",
                  "job " + job.id.str() + " has no task " + task_ranges(unknown).substr(0, 200) + "; its array is " +
                      to_text(job.spec.array).substr(0, 200));
    }
    if (job.cancel) return Step{};
    const auto* attempt = job.live_attempt();
    std::erase_if(tasks, [&](std::int32_t task) {
      const auto* run = attempt == nullptr ? nullptr : attempt->last_run(task);
      return std::ranges::binary_search(job.cancelled_tasks, task) || (run != nullptr && run->outcome);
    });
    auto left = attempt == nullptr ? job.spec.array.tasks : job.open_tasks(*attempt);
    std::erase_if(left, [&](std::int32_t task) {
      return std::ranges::binary_search(job.cancelled_tasks, task) || std::ranges::binary_search(tasks, task);
    });
    all = left.empty() && !tasks.empty();
    more = !all && !tasks.empty();
    if (!more) return Step{};
    return Step{.events = {TaskCancelRequested{by, tasks}}};
  });
  if (!done) co_return done;
  if (all) co_return co_await cancel(id, std::move(by));  // nothing would be left of it
  if (const auto* attempt = done->live_attempt(); attempt != nullptr && attempt->state == AttemptState::bound)
    dispatch_.carry_cancel(id, more);
  co_return done;
}

async::Task<Job> Orders::resolve_lost(JobId id, Principal by, std::string reason) {
  SiteDesk* desk = nullptr;
  std::optional<ports::Fence> fence;
  auto done = co_await change(id, [&](const Job& job) -> Result<Step> {
    if (const auto* attempt = job.live_attempt(); attempt != nullptr) {
      desk = context_.desk(attempt->site);
      fence = fence_of(job, *attempt);
    }
    return Step{.events = {ResolvedLost{by, reason}}};
  });
  // What may still lie there must not start when the site is back. If it runs already it goes on to its end, and is booked.
  if (done && desk != nullptr && fence) (void)context_.tasks.spawn("seal", seal_given_up(*desk, *fence));
  co_return done;
}

async::Task<> Orders::seal_given_up(SiteDesk& desk, ports::Fence fence) {
  constexpr Milliseconds kFirstPause{10'000}, kLongestPause{3'600'000};
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    const auto outcome = co_await seal_fence(context_, desk, fence);
    if (outcome && !outcome->sealed) {
      context_.log.write(ports::LogLevel::warning, "a job that was given up has run at its site",
                       {{"tag", fence.tag.str()}, {"site", desk.site().id.str()}, {"site_job_id", outcome->holder.str()}});
    }
    if (outcome) co_return Result<void>{};
    co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic() + pause);
  }
}

}  // namespace hansa::engine
