// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/transition.hpp"

#include <algorithm>

namespace hansa::domain {
namespace {

/// Applies one event to a copy of the job; the caller keeps the copy only if nothing was refused.
class Step {
 public:
  Step(Job& job, UtcTime at) : job_(job), at_(at) {}

  Result<void> operator()(const Accepted&) { return refuse("the job exists already"); }

  Result<void> operator()(const Waiting& e) {
    if (job_.held_by_user) return refuse("its user holds it");
    return in_broker() ? enter(JobState::waiting, e.reason) : refuse("it is not in the broker's hands");
  }

  Result<void> operator()(const Staging& e) {
    if (job_.held_by_user) return refuse("its user holds it");
    if (job_.awaits_others()) return refuse("it waits for other jobs");
    return in_broker() ? enter(JobState::staging, e.reason) : refuse("it is not in the broker's hands");
  }

  Result<void> operator()(const Held& e) {
    if (!in_broker()) return refuse("it is not in the broker's hands");
    job_.held_by_user = job_.held_by_user || e.by_user;
    return enter(JobState::held, e.reason);
  }

  Result<void> operator()(const Released&) {
    if (!job_.held_by_user || job_.state != JobState::held) return refuse("its user does not hold it");
    job_.held_by_user = false;
    return enter(JobState::waiting, {"RELEASED", "released by its user"});
  }

  Result<void> operator()(const Rejected& e) {
    return in_broker() ? finish(JobState::rejected, e.reason) : refuse("a site may have it");
  }

  Result<void> operator()(const AttemptIntended& e) {
    if (!in_broker() || job_.held_by_user || job_.cancel) return refuse("it is not free to go to a site");
    if (job_.awaits_others()) return refuse("it waits for other jobs");
    if (!job_.spec.array.empty() && job_.array_left().tasks.empty()) return refuse("none of its tasks is left");
    if (e.attempt != static_cast<std::int32_t>(job_.attempts.size()) + 1) return refuse("attempts are numbered 1, 2, 3");
    job_.attempts.push_back(Attempt{.number = e.attempt,
                                    .site = e.site,
                                    .queue = e.queue,
                                    .account = e.account,
                                    .scheduler_account = e.scheduler_account,
                                    .variant = e.variant,
                                    .intended_at = at_,
                                    .sends = 1});
    for (const auto task : job_.cancelled_tasks)
      job_.attempts.back().runs.push_back(Run{.task_index = task, .outcome = Outcome::cancelled});
    return enter(JobState::submitting, {});
  }

  Result<void> operator()(const AttemptResent& e) {
    return live(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (attempt.state == AttemptState::bound || attempt.sealed) return refuse("the attempt is bound or sealed");
      ++attempt.sends;
      return {};
    });
  }

  Result<void> operator()(const AttemptUnknown& e) {
    return live(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (attempt.state == AttemptState::intended) attempt.state = AttemptState::sent;
      if (!attempt.unknown_since) attempt.unknown_since = at_;
      attempt.reason = e.reason;
      return {};
    });
  }

  Result<void> operator()(const AttemptSeenAgain& e) {
    return live(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (!attempt.unknown_since) return refuse("the attempt is not unknown");
      attempt.unknown_since.reset();
      attempt.reason = {};
      return {};
    });
  }

  Result<void> operator()(const AttemptBound& e) {
    return live(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (e.site_job_id.empty()) return refuse("only a site's job id binds");
      if (attempt.state == AttemptState::bound) {  // to a duplicate: what was seen of that one is no history of this one
        if (!e.adopted || e.site_job_id == attempt.site_job_id) return refuse("the attempt is bound already");
        for (auto& run : attempt.runs) {
          if (!run.left_out()) run = Run{.task_index = run.task_index, .number = run.number};
        }
        attempt.granted.reset();
        job_.started_at.reset();
      }
      attempt.state = AttemptState::bound;
      attempt.site_job_id = e.site_job_id;
      attempt.unknown_since.reset();
      attempt.reason = {};
      return enter(JobState::queued, {});
    });
  }

  Result<void> operator()(const SightingQuarantined& e) {
    return find(e.attempt) == nullptr ? refuse("there is no such attempt") : Result<void>{};
  }

  Result<void> operator()(const AttemptSealed& e) {
    auto* attempt = find(e.attempt);
    if (attempt == nullptr || attempt->sealed) return refuse("there is no such attempt, or it is sealed already");
    const bool started = std::ranges::any_of(attempt->runs, [](const Run& run) { return run.started_at.has_value(); });
    if (started) return refuse("its payload has started: a seal cannot have won");
    attempt->sealed = true;
    return {};
  }

  Result<void> operator()(const RunStarted& e) {
    return bound(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (!job_.spec.array.empty()) return refuse("its tasks are seen");
      auto& run = run_of(attempt, e.task_index, e.run);
      if (run.started_at) return refuse("that run has started already");
      run.started_at = e.started_at;
      job_.started_at = e.started_at;
      return enter(JobState::running, told_of_the_grant());
    });
  }

  Result<void> operator()(const RunRequeued& e) {
    return bound(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (!job_.spec.array.empty()) return refuse("its tasks are seen");
      auto& run = run_of(attempt, e.task_index, e.run);
      if (job_.state == JobState::queued) return refuse("it is in the site's queue already");
      run.ended_at = run.ended_at.value_or(at_);
      return enter(JobState::queued, {"SITE_REQUEUED", "the site put it back into its queue"});
    });
  }

  Result<void> operator()(const TasksSeen& e) {
    return bound(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (job_.spec.array.empty() || e.runs.empty()) return refuse("it has no tasks that could be seen");
      for (const auto& seen : e.runs) {
        if (!std::ranges::binary_search(job_.spec.array.tasks, seen.task_index)) return refuse("it has no such task");
        auto& run = run_of(attempt, seen.task_index, seen.number);
        if (run.outcome) return refuse("that run is over");
        if (run.started_at && seen.started_at != run.started_at) return refuse("that run has started already");
        run = seen;
        if (seen.started_at && (!job_.started_at || *seen.started_at < *job_.started_at)) job_.started_at = seen.started_at;
      }
      return job_.started_at ? enter(JobState::running, told_of_the_grant()) : Result<void>{};
    });
  }

  Result<void> operator()(const AttemptGranted& e) {
    return bound(e.attempt, [&](Attempt& attempt) -> Result<void> {
      attempt.granted = e.grant;
      if (!e.reason.code.empty() || job_.reason == told_of_the_grant()) job_.reason = e.reason;
      return {};
    });
  }

  Result<void> operator()(const RunFinishing& e) {
    return bound(e.attempt, [&](Attempt&) -> Result<void> {
      return job_.state == JobState::finishing ? refuse("it is finishing already") : enter(JobState::finishing, {});
    });
  }

  Result<void> operator()(const AttemptEnded& e) {
    return live(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (e.outcome != Outcome::never_started && attempt.state != AttemptState::bound)
        return refuse("what never was bound cannot have run");
      if (job_.spec.array.empty() && (e.started_at || e.outcome != Outcome::never_started)) {
        auto& run = run_of(attempt, e.task_index, e.run);
        if (e.started_at) run.started_at = e.started_at;
        run.ended_at = e.ended_at;
        run.exit_code = e.exit_code;
        run.signal = e.signal;
        run.outcome = e.outcome;
      }
      attempt.state = AttemptState::ended;
      attempt.outcome = e.outcome;
      attempt.unknown_since.reset();
      attempt.reason = e.reason;
      if (e.outcome == Outcome::never_started) {
        job_.started_at.reset();
        return enter(job_.held_by_user ? JobState::held : JobState::waiting, e.reason);
      }
      if (e.started_at) job_.started_at = e.started_at;
      job_.exit_code = e.exit_code;
      job_.signal = e.signal;
      job_.ended_at = e.ended_at;
      return finish(state_for(e.outcome), e.reason);
    });
  }

  Result<void> operator()(const MoveIntended& e) {
    return bound(e.attempt, [&](Attempt& attempt) -> Result<void> {
      if (job_.move_begun()) return refuse("it moves once");
      if (job_.state != JobState::queued || job_.cancel) return refuse("it does not wait at a site");
      if (e.move.to.empty() || e.move.to == attempt.site || e.move.from != attempt.site_job_id)
        return refuse("a move is from its site job to another site");
      if (!attempt.none_began()) return refuse("it has started there");
      attempt.move = e.move;
      return {};
    });
  }

  Result<void> operator()(const CancelRequested& e) {
    if (is_terminal(job_.state)) return refuse("it is over");
    if (job_.cancel) return refuse("its cancel was asked for already");
    job_.cancel = CancelIntent{.by = e.by, .at = at_, .outcome = std::nullopt};
    return {};
  }

  Result<void> operator()(const TaskCancelRequested& e) {
    if (is_terminal(job_.state)) return refuse("it is over");
    if (job_.cancel) return refuse("the cancel of all of it was asked for already");
    if (e.tasks.empty()) return refuse("no task is named");
    auto& asked = job_.cancelled_tasks;
    for (const auto task : e.tasks) {
      if (!std::ranges::binary_search(job_.spec.array.tasks, task)) return refuse("it has no such task");
      const auto at = std::ranges::lower_bound(asked, task);
      if (at != asked.end() && *at == task) return refuse("the cancel of that task was asked for already");
      asked.insert(at, task);
    }
    return {};
  }

  Result<void> operator()(const CancelResolved& e) {
    if (!job_.cancel) return refuse("nobody asked for its cancel");
    if (job_.cancel->outcome && *job_.cancel->outcome != CancelOutcome::unknown) return refuse("the cancel has its outcome");
    job_.cancel->outcome = e.outcome;
    return {};
  }

  Result<void> operator()(const Ended& e) {
    if (!in_broker()) return refuse("a site may have it");
    if (e.state != JobState::cancelled && e.state != JobState::failed)
      return refuse("the broker's own word is cancelled or failed");
    return finish(e.state, e.reason);
  }

  Result<void> operator()(const ResolvedLost& e) {
    if (is_terminal(job_.state)) return refuse("it is over");
    if (job_.live_attempt() != nullptr) {
      auto& attempt = job_.attempts.back();
      attempt.state = AttemptState::ended;
      attempt.reason = {"LOST", e.reason};
    }
    return finish(JobState::lost, {"LOST", e.reason});
  }

 private:
  static JobState state_for(Outcome outcome) {
    switch (outcome) {
      case Outcome::succeeded: return JobState::succeeded;
      case Outcome::timed_out: return JobState::timed_out;
      case Outcome::cancelled: return JobState::cancelled;
      case Outcome::failed:
      case Outcome::never_started: break;
    }
    return JobState::failed;
  }

  /// What the job says of its grant: that stands while it runs.
  [[nodiscard]] Reason told_of_the_grant() const {
    const auto& code = job_.reason.code;
    return code == kGrantedElsewhere || code == kGrantedLess || code == kOtherAccount ? job_.reason : Reason{};
  }

  [[nodiscard]] bool in_broker() const { return !is_terminal(job_.state) && job_.live_attempt() == nullptr; }

  Result<void> enter(JobState state, const Reason& reason) {
    job_.state = state;
    job_.reason = reason;
    return {};
  }

  Result<void> finish(JobState state, const Reason& reason) {
    if (!job_.ended_at) job_.ended_at = at_;
    return enter(state, reason);
  }

  Attempt* find(std::int32_t number) {
    return number >= 1 && number <= static_cast<std::int32_t>(job_.attempts.size())
               ? &job_.attempts[static_cast<std::size_t>(number) - 1]
               : nullptr;
  }

  template <typename Action>
  Result<void> live(std::int32_t number, Action action) {
    auto* attempt = find(number);
    if (is_terminal(job_.state) || attempt == nullptr || attempt->state == AttemptState::ended)
      return refuse("that attempt is not alive");
    return action(*attempt);
  }

  template <typename Action>
  Result<void> bound(std::int32_t number, Action action) {
    return live(number, [&](Attempt& attempt) -> Result<void> {
      return attempt.state == AttemptState::bound ? action(attempt) : refuse("that attempt is not bound");
    });
  }

  static Run& run_of(Attempt& attempt, std::int32_t task_index, std::int32_t number) {
    const auto at =
        std::ranges::find_if(attempt.runs, [&](const Run& r) { return r.task_index == task_index && r.number == number; });
    if (at != attempt.runs.end()) return *at;
    attempt.runs.push_back(Run{.task_index = task_index, .number = number});
    return attempt.runs.back();
  }

  std::unexpected<Error> refuse(std::string_view why) const {
    return fail(ErrorKind::conflict, "ILLEGAL_TRANSITION",
                "job " + job_.id.str() + " is " + std::string(to_string(job_.state)) + ": " + std::string(why));
  }

  Job& job_;
  UtcTime at_;
};

}  // namespace

Job new_job(const JobId& id, std::int64_t epoch, UtcTime at, const Accepted& accepted) {
  Job job;
  job.id = id;
  job.owner = accepted.owner;
  job.broker_id = accepted.broker_id;
  job.epoch = epoch;
  job.version = 1;
  job.spec = accepted.spec;
  job.accepted_at = at;
  return job;
}

Result<void> apply(Job& job, const JobEvent& event) {
  Job next = job;
  auto done = std::visit(Step(next, event.at), event.body);
  if (!done) {
    done.error().detail = "event " + std::string(event_name(event.body)) + " at version " + std::to_string(job.version);
    return done;
  }
  ++next.version;
  job = std::move(next);
  return {};
}

Result<Job> replay(const JobId& id, std::int64_t epoch, std::span<const JobEvent> events) {
  const auto* accepted = events.empty() ? nullptr : std::get_if<Accepted>(&events.front().body);
  if (accepted == nullptr)
    return fail(ErrorKind::internal, "BAD_EVENTS", "the events of job " + id.str() + " do not begin with its acceptance");
  auto job = new_job(id, epoch, events.front().at, *accepted);
  for (const auto& event : events.subspan(1)) {
    if (auto done = apply(job, event); !done) return std::unexpected(done.error());
  }
  return job;
}

}  // namespace hansa::domain
