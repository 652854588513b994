// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/forecasts.hpp"

#include "broker/engine/job_book.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr std::size_t kResumed = 2'000;  // of each site: many times a window, and milliseconds

/// Whoever asks for no more of anything and stands in line already starts no later.
bool asks_no_more(const Resources& x, Seconds limit, const JobSpec& than) {
  const auto& y = than.resources;
  return x.nodes <= y.nodes && x.cores_per_node() <= y.cores_per_node() && x.memory_per_node <= y.memory_per_node &&
         x.gpus_per_node <= y.gpus_per_node && x.exclusive <= y.exclusive && limit <= than.time_limit;
}

}  // namespace

const Attempt* Forecasts::starting(const Job* job, const ports::JobStatus& status) {
  const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
  const bool first = attempt != nullptr && attempt->site_job_id == status.id && status.started_at && status.run == 0 &&
                     std::ranges::none_of(attempt->runs, [](const Run& run) { return run.started_at.has_value(); });
  return first ? attempt : nullptr;
}

async::Task<> Forecasts::resume(SiteId site) {
  if (store_ == nullptr) co_return Result<void>{};
  const auto scores = co_await store_->recent_waits(site, kResumed);
  if (!scores) co_return std::unexpected(scores.error());
  auto& history = histories_[site];
  for (const auto& score : *scores) history.add(score);
  co_return Result<void>{};
}

routing::Outlook Forecasts::outlook(const SiteDesk& desk, const JobSpec& spec, UtcTime now) const {
  const bool sees_everyone = !desk.snapshot() || desk.snapshot()->sees_everyone;
  const auto history = histories_.find(desk.site().id);
  auto outlook = history == histories_.end() ? routing::Outlook{} : history->second.outlook(spec, sees_everyone);
  if (sees_everyone) return outlook;
  outlook.ours_first = std::ranges::any_of(desk.snapshot()->waiting, [&](const WaitingWork& work) {
    return work.eligible && asks_no_more(work.resources, work.time_limit, spec);
  });
  for (const auto& id : desk.waiting_there) {
    const auto* job = book_.find(id);
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    // Its account may see in a snapshot none of ours: what was sent before it and is told to wait did not get the room.
    outlook.ours_first = outlook.ours_first || (attempt != nullptr && job->state == JobState::queued &&
                                                attempt->intended_at < desk.snapshot()->taken_at &&
                                                asks_no_more(job->spec.resources, job->spec.time_limit, spec));
    const auto planned = planned_.find(id);
    if (job == nullptr || planned == planned_.end() || !asks_no_more(job->spec.resources, job->spec.time_limit, spec)) continue;
    const auto wait = std::max(std::chrono::floor<Seconds>(planned->second - now), Seconds{0});
    outlook.scheduler_says = std::max(outlook.scheduler_says.value_or(wait), wait);
  }
  return outlook;
}

std::optional<UtcTime> Forecasts::planned(const JobId& id) const {
  const auto at = planned_.find(id);
  return at == planned_.end() ? std::nullopt : std::optional(at->second);
}

void Forecasts::heard(const JobId& id, const ports::JobStatus& status) {
  if (status.phase == ports::Phase::queued && status.expected_start)
    planned_.insert_or_assign(id, *status.expected_start);
  else
    planned_.erase(id);
}

async::Task<std::optional<WaitScore>> Forecasts::score(JobId id, ports::JobStatus status) const {
  if (store_ == nullptr || starting(book_.find(id), status) == nullptr) co_return std::nullopt;
  const auto decision = co_await jobs_.decision(id);
  const auto* job = book_.find(id);
  const auto* attempt = starting(job, status);
  if (!decision || attempt == nullptr || decision->chosen != attempt->site) co_return std::nullopt;
  const auto verdict = std::ranges::find(decision->verdicts, attempt->site, &Verdict::site);
  if (verdict == decision->verdicts.end() || !verdict->basis) co_return std::nullopt;
  const auto waited = std::chrono::floor<Seconds>(*status.started_at - decision->at);
  co_return WaitScore{.attempt = attempt->number,
                      .site = attempt->site,
                      .project = job->spec.project,
                      .size_class = std::string(routing::to_string(routing::size_class(job->spec.resources))),
                      .basis = *verdict->basis,
                      .predicted = verdict->predicted,
                      .p50 = verdict->wait,
                      .p90 = verdict->wait_p90,
                      .actual = std::max(waited, Seconds{0}),  // a site's clock may be behind ours
                      .started_at = *status.started_at};
}

void Forecasts::learn(const WaitScore& score) { histories_[score.site].add(score); }

}  // namespace hansa::engine
