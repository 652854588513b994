// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/binder.hpp"

#include <algorithm>
#include <tuple>

namespace hansa::routing {

Binder::Binder(const std::vector<std::int64_t>& pools, const BindingOptions& options) : options_(options) {
  pools_.reserve(pools.size());
  for (const auto cores : pools) pools_.push_back({.view = PoolView(cores), .reservation = {}, .recent = {}});
}

bool Binder::allows(const Job& job, PoolIndex pool) const {
  return job.demand.cores <= pools_[pool].view.cores() &&
         (job.allowed.empty() || std::ranges::find(job.allowed, pool) != job.allowed.end());
}

bool Binder::may(const Held& held, PoolIndex pool) const {
  return held.any_pool ? held.demand.cores <= pools_[pool].view.cores() : allows(jobs_.at(held.id), pool);
}

void Binder::accept(BindingJob job) {
  ++accepted_;
  const auto length = counted_length(job.demand.limit, job.expected_run);
  const Held held{job.id, job.demand, length, job.submitted_at, job.allowed.empty()};
  jobs_.insert_or_assign(
      job.id, Job{.demand = job.demand, .length = length, .submitted_at = job.submitted_at, .allowed = std::move(job.allowed)});
  keep_held(held);
}

void Binder::keep_held(const Held& held) {
  const auto at = std::ranges::upper_bound(held_, held.submitted_at, {}, &Held::submitted_at);
  if (at != held_.end()) news_ = true;  // not the last: the planned ones are not in front any more
  held_.insert(at, held);
}

void Binder::observe(PoolIndex index, const PoolSnapshot& snapshot) {
  auto& pool = pools_[index];
  const auto observation = ++observations_;
  const auto see = [&](BoundId id) {
    if (id == kNotOurs) return;
    if (const auto job = jobs_.find(id); job != jobs_.end()) job->second.seen = observation;
  };
  for (const auto& running : snapshot.running) see(running.id);
  for (const auto& waiting : snapshot.waiting) see(waiting.id);
  pool.view.observe(snapshot);
  std::erase_if(pool.recent, [&](BoundId id) {
    const auto job = jobs_.find(id);
    return job == jobs_.end() || job->second.at != index || job->second.seen == observation ||
           job->second.sent_at < snapshot.taken_at;
  });
  for (const auto id : pool.recent) {
    const auto& job = jobs_.at(id);
    pool.view.send(id, job.demand, job.sent_at);
  }
  news_ = true;
}

void Binder::forget(BoundId id) {
  const auto job = jobs_.find(id);
  if (job == jobs_.end()) return;
  if (job->second.at) {
    if (pools_[*job->second.at].view.withdraw(id)) news_ = true;
  } else if (std::erase_if(held_, [&](const Held& held) { return held.id == id; }) > 0) {
    news_ = true;
  }
  jobs_.erase(job);
}

void Binder::refused(const BindingStep& step) {
  const auto found = jobs_.find(step.id);
  if (found == jobs_.end()) return;
  auto& job = found->second;
  pools_[step.to].view.withdraw(step.id);
  news_ = true;
  job.at = step.from;
  if (step.from) return;
  keep_held({step.id, job.demand, job.length, job.submitted_at, job.allowed.empty()});
}

bool Binder::startable(const PoolDemand& demand, PoolIndex index, Instant now) {
  auto& pool = pools_[index];
  if (demand.cores > pool.view.free() || !pool.view.starts_now(demand, now)) return false;
  const auto& kept = pool.reservation;
  return !kept.stands() || now + demand.limit <= kept.at || demand.cores <= kept.spare;
}

std::optional<PoolIndex> Binder::best_fit(const Held& held, Instant now) {
  std::optional<PoolIndex> best;
  for (PoolIndex i = 0; i < pools_.size(); ++i) {
    if (best && pools_[i].view.free() >= pools_[*best].view.free()) continue;
    if (may(held, i) && startable(held.demand, i, now)) best = i;
  }
  return best;
}

std::optional<PoolIndex> Binder::earliest(const Held& held, Instant now, bool without_reservation, Instant& start) {
  std::optional<PoolIndex> best;
  start = kForever;
  for (PoolIndex i = 0; i < pools_.size(); ++i) {
    auto& pool = pools_[i];
    if (!may(held, i) || (without_reservation && pool.reservation.stands())) continue;
    auto at = pool.view.predicted_start(held.demand, now);
    const auto& kept = pool.reservation;
    if (kept.stands() && at < kept.at && at + held.demand.limit > kept.at && held.demand.cores > kept.spare)
      at = std::max(kept.at, pool.view.profile(now).earliest(held.demand.cores, held.demand.limit, kept.at));
    if (at < start) {
      start = at;
      best = i;
    }
  }
  return best;
}

bool Binder::takes_place(const Held& held, PoolIndex index, Instant now) const {
  const auto& view = pools_[index].view;
  if (!options_.hold) return true;
  if (view.others_waiting() == 0) return false;
  return held.demand.cores * 100 >= options_.place_percent * view.cores() || now - held.submitted_at >= options_.place_after;
}

bool Binder::reservations_complete() const {
  return reserved_ == static_cast<std::int32_t>(pools_.size()) || blocked_ >= options_.blocked_most;
}

void Binder::send(BoundId id, const PoolDemand& demand, PoolIndex index, Instant now, std::vector<BindingStep>& steps) {
  auto& pool = pools_[index];
  auto& kept = pool.reservation;
  if (kept.stands() && now + demand.limit > kept.at) kept.spare = std::max<std::int64_t>(kept.spare - demand.cores, 0);
  pool.view.send(id, demand, now);
  pool.recent.push_back(id);
  auto& job = jobs_.at(id);
  steps.push_back({.id = id, .from = job.at, .to = index});
  job.at = index;
  job.sent_at = now;
}

void Binder::move_waiting(Instant now, std::vector<BindingStep>& steps) {
  struct Candidate {
    Instant submitted_at;
    BoundId id;
    PoolIndex pool;
    Instant start;
    PoolDemand demand;
  };
  std::int64_t most_free = 0;
  for (const auto& pool : pools_) most_free = std::max(most_free, pool.view.free());
  if (most_free == 0) return;
  std::vector<Candidate> candidates;
  for (PoolIndex i = 0; i < pools_.size(); ++i) {
    auto& view = pools_[i].view;
    for (std::size_t place = 0; place < view.waiting().size(); ++place) {
      const auto& waiting = view.waiting()[place];
      if (waiting.id == kNotOurs || waiting.demand.cores > most_free) continue;
      const auto start = view.predicted_start_in_line(place, now);
      if (start - now < options_.move_gain) continue;
      const auto job = jobs_.find(waiting.id);
      if (job != jobs_.end() && !job->second.moved)
        candidates.push_back({job->second.submitted_at, waiting.id, i, start, waiting.demand});
    }
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return std::tie(a.submitted_at, a.id) < std::tie(b.submitted_at, b.id);
  });
  for (const auto& candidate : candidates) {
    if ((moves_ + 1) * 1000 > accepted_ * options_.moves_per_thousand) return;
    auto& job = jobs_.at(candidate.id);
    std::optional<PoolIndex> best;
    for (PoolIndex i = 0; i < pools_.size(); ++i) {
      if (i == candidate.pool || !allows(job, i) || (best && pools_[i].view.free() >= pools_[*best].view.free())) continue;
      if (startable(candidate.demand, i, now)) best = i;
    }
    if (!best) continue;
    pools_[candidate.pool].view.withdraw(candidate.id);
    job.moved = true;
    ++moves_;
    send(candidate.id, candidate.demand, *best, now, steps);
  }
}

bool Binder::place(const Held& held, Instant now, std::vector<BindingStep>& steps) {
  if (const auto pool = best_fit(held, now)) {
    send(held.id, held.demand, *pool, now, steps);
    return true;
  }
  if (reservations_complete() && options_.hold) return false;
  bool fits = false;
  for (PoolIndex i = 0; i < pools_.size() && !fits; ++i) fits = may(held, i);
  if (!fits) return false;  // nor does it keep others from being looked at
  Instant start = kForever;
  bool others = !options_.hold;
  for (const auto& pool : pools_) others = others || pool.view.others_waiting() > 0;
  if (others) {
    const auto pool = earliest(held, now, false, start);
    if (!pool) return false;
    if (takes_place(held, *pool, now)) {
      send(held.id, held.demand, *pool, now, steps);
      return true;
    }
  }
  ++blocked_;
  if (const auto pool = earliest(held, now, true, start)) {
    auto& chosen = pools_[*pool];
    chosen.reservation = {start, std::max<std::int64_t>(chosen.view.profile(now).free_at(start) - held.demand.cores, 0)};
    ++reserved_;
  }
  return false;
}

/// Nothing can start, and nobody stands in line whom a job might have to stand behind.
bool Binder::full_of_ours() const {
  return std::ranges::all_of(pools_, [](const Pool& pool) { return pool.view.free() <= 0 && pool.view.others_waiting() == 0; });
}

void Binder::place_all(Instant now, std::vector<BindingStep>& steps) {
  for (auto& pool : pools_) pool.reservation = {};
  reserved_ = blocked_ = 0;
  if (options_.hold && full_of_ours()) return;
  std::int64_t most_free = 0;
  for (const auto& pool : pools_) most_free = std::max(most_free, pool.view.free());

  turns_.clear();
  for (std::size_t k = 0; k < held_.size(); ++k)
    turns_.push_back({urgency(now - held_[k].submitted_at, options_.head_start, held_[k].length), k});
  std::ranges::sort(turns_,
                    [](const Turn& a, const Turn& b) { return std::tie(b.urgency, a.place) < std::tie(a.urgency, b.place); });
  std::vector<bool> gone(held_.size(), false);
  for (const auto& turn : turns_) {
    const auto& held = held_[turn.place];
    if (options_.hold && held.demand.cores > most_free && reservations_complete()) continue;
    gone[turn.place] = place(held, now, steps);
  }
  std::size_t kept = 0;
  for (std::size_t k = 0; k < held_.size(); ++k) {
    if (!gone[k]) held_[kept++] = held_[k];
  }
  held_.resize(kept);
}

std::vector<BindingStep> Binder::plan(Instant now) {
  std::vector<BindingStep> steps;
  if (news_ || now >= due_) {
    move_waiting(now, steps);
    place_all(now, steps);
  } else if (!options_.hold || !full_of_ours()) {
    // Nobody but the new ones: what could not start before cannot now, there is only less room.
    std::size_t kept = planned_;
    for (auto k = planned_; k < held_.size(); ++k) {
      const auto held = held_[k];
      if (!place(held, now, steps)) held_[kept++] = held;
    }
    held_.resize(kept);
  }
  planned_ = held_.size();
  news_ = false;
  due_ = next_plan(now);
  return steps;
}

Instant Binder::next_plan(Instant now) const {
  if (!options_.hold) return kForever;
  bool others = false;
  for (const auto& pool : pools_) others = others || pool.view.others_waiting() > 0;
  if (!others) return kForever;
  for (const auto& held : held_) {
    if (held.submitted_at + options_.place_after > now) return held.submitted_at + options_.place_after;
  }
  return kForever;
}

}  // namespace hansa::routing
