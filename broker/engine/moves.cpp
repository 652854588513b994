// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/moves.hpp"

#include "broker/core/time_text.hpp"
#include "broker/engine/dossier.hpp"
#include "broker/engine/fence.hpp"
#include "broker/engine/observation.hpp"
#include "broker/engine/placement.hpp"
#include "broker/engine/reconciler.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr std::size_t kAskedInALook = 64;  // where else they would start: the oldest

}  // namespace

bool Moves::allowed() const { return (tally_.moves + 1) * 1'000 <= tally_.accepted * context_.options.moves_per_thousand; }

async::Task<> Moves::run() {
  while (context_.options.moves_per_thousand > 0) {
    co_await news_.wait();
    if (auto looked = co_await look(); !looked) {
      context_.log.write(ports::LogLevel::warning, "no jobs are moved for now",
                         {{"code", looked.error().code}, {"error", looked.error().message}});
    }
  }
  co_return Result<void>{};
}

/// In order of submission.
std::vector<Moves::Candidate> Moves::candidates() const {
  std::vector<Candidate> found;
  const auto now = context_.scheduler.now_utc();
  for (const auto& [site, desk] : context_.desks) {
    const bool fresh = context_.scheduler.now_monotonic() - desk->snapshot_at() <= context_.options.snapshot_freshness;
    if (desk->state().health != SiteHealth::up || !desk->snapshot() || !fresh) continue;
    for (const auto& id : desk->waiting_there) {
      const auto* job = context_.book.find(id);
      const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
      if (attempt == nullptr || job->state != JobState::queued || attempt->unknown_since || !attempt->none_began()) continue;
      if (job->cancel || job->move_begun() || job->spec.placement.sites.size() == 1) continue;
      // Where other people's jobs are hidden the scheduler alone knows its line.
      auto start = desk->snapshot()->sees_everyone ? std::nullopt : context_.forecasts.planned(id);
      if (!start) start = placement_.start_of(site, attempt->site_job_id);
      if (!start || *start - now < context_.options.move_gain) continue;
      found.push_back({.id = id, .site = site, .wait = std::chrono::floor<Seconds>(*start - now)});
    }
  }
  std::ranges::sort(found, {}, &Candidate::id);
  return found;
}

async::Task<> Moves::look() {
  if (!allowed() || context_.desks.size() < 2) co_return Result<void>{};
  std::size_t asked = 0;
  for (const auto& candidate : candidates()) {
    if (!allowed() || ++asked > kAskedInALook) break;
    if (under_way_.contains(candidate.id)) continue;
    const auto* job = context_.book.find(candidate.id);
    if (job == nullptr) continue;
    const auto dossier = co_await open_dossier(&context_, job->owner, job->spec.datasets);
    if (!dossier) co_return std::unexpected(dossier.error());
    job = context_.book.find(candidate.id);
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    if (attempt == nullptr || attempt->site != candidate.site || job->state != JobState::queued) continue;
    const auto decision = placement_.elsewhere(*job, *dossier);
    if (!decision) continue;
    Move move{.to = *decision->chosen,
              .from = attempt->site_job_id,
              .why = "at " + candidate.site.str() + " it was predicted to start in " + format_duration(candidate.wait) + ", at " +
                     decision->chosen->str() + " now (queue " + decision->queue.str() + "); a move has to win " +
                     format_duration(context_.options.move_gain)};
    ++tally_.moves;
    under_way_.insert(candidate.id);
    if (!context_.tasks.spawn("move", this->move(candidate.id, attempt->number, std::move(move)))) {
      under_way_.erase(candidate.id);
      --tally_.moves;
    }
  }
  co_return Result<void>{};
}

async::Task<> Moves::move(JobId id, std::int32_t attempt, Move move) {
  bool begun = false;
  auto done = co_await context_.book.change(id, [&](const Job& now) -> Result<Step> {
    const auto* live = now.live_attempt();
    begun = live != nullptr && live->number == attempt && live->site_job_id == move.from && now.state == JobState::queued &&
            !live->unknown_since && !now.cancel && !now.move_begun();
    return begun ? Step{.events = {MoveIntended{attempt, move}}} : Step{};
  });
  under_way_.erase(id);
  if (done && begun) {
    carry(id);
    co_return Result<void>{};
  }
  --tally_.moves;
  placement_.withdraw(id);
  if (!done && done.error().kind != ErrorKind::not_found && !done.error().retryable) co_return std::unexpected(done.error());
  co_return Result<void>{};
}

void Moves::carry(const JobId& id) {
  if (!under_way_.insert(id).second) return;
  if (!context_.tasks.spawn("move", carry_on(id))) under_way_.erase(id);
}

async::Task<> Moves::carry_on(JobId id) {
  struct Done {
    std::unordered_set<JobId>& set;
    JobId id;
    ~Done() { set.erase(id); }
  } done{under_way_, id};

  constexpr Milliseconds kFirstPause{2'000}, kLongestPause{300'000};
  bool sealed = false;
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    const auto* job = context_.book.find(id);
    if (job == nullptr || !taking_back(*job)) break;  // over: Watch and others saw to it
    const auto* attempt = job->live_attempt();
    auto* desk = context_.desk(attempt->site);
    if (desk == nullptr) break;
    const auto ours = site_job(*job, *attempt);

    if (!sealed) {
      const auto fence = co_await seal_fence(context_, *desk, fence_of(*job, *attempt));
      if (fence && !fence->sealed) {
        context_.log.write(ports::LogLevel::info, "too late to take a job back: it has started",
                           {{"job", id.str()}, {"site", desk->site().id.str()}, {"site_job_id", fence->holder.str()}});
        placement_.withdraw(id);
        desk->stir(id);
        if (fence->holder != ours.id) co_return co_await reconciler_.bind_holder(*desk, id, ours.id, fence->holder);
        co_return Result<void>{};
      }
      sealed = fence.has_value();
      job = context_.book.find(id);
      if (job == nullptr || !taking_back(*job)) break;
    }
    if (sealed) {
      auto outcome = co_await desk->call<CancelOutcome>(
          CallKind::cancel, context_.call_deadline(), [&](ports::SiteConnector& connector, async::Deadline until) {
            return connector.cancel(ours, ports::CancelWhen::only_while_pending, until);
          });
      if (outcome && *outcome == CancelOutcome::never_started) {
        auto ended = co_await context_.book.change_surely(id, [&](const Job& now) -> Result<Step> {
          const auto* live = now.live_attempt();
          const auto why = why_taken_back(now);
          if (live == nullptr || live->site_job_id != ours.id || !why) return Step{};
          return end_never_started(now, *why, true);
        });
        if (!ended && ended.error().kind != ErrorKind::not_found) co_return std::unexpected(ended.error());
        break;
      }
      if (!outcome) {
        context_.log.write(ports::LogLevel::warning, "taking a job back: no answer",
                           {{"job", id.str()},
                            {"site", desk->site().id.str()},
                            {"code", outcome.error().code},
                            {"error", outcome.error().message}});
      }
    }
    placement_.withdraw(id);  // nobody else waits for what may take hours
    desk->stir(id);
    co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic() + pause);
  }
  co_return Result<void>{};
}

}  // namespace hansa::engine
