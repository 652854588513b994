// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/pool_view.hpp"

#include "policies/routing/play_forward.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace hansa::routing {
namespace {

/// Work whose limit has passed is about to be killed: nobody knows when, so it is counted as play_forward counts it.
Instant believed_end(const PoolRunning& running, Instant now) {
  return running.ends > now ? running.ends : now + kPastDueGrace.count();
}

}  // namespace

void PoolView::changed() {
  profile_known_ = false;
  shadow_known_ = false;
}

void PoolView::observe(const PoolSnapshot& snapshot) {
  running_ = snapshot.running;
  std::ranges::sort(running_, [](const PoolRunning& a, const PoolRunning& b) {
    return std::tie(a.ends, a.id, a.cores) < std::tie(b.ends, b.id, b.cores);
  });
  waiting_ = snapshot.waiting;
  free_ = cores_;
  for (const auto& running : running_) free_ -= running.cores;
  others_waiting_ = std::ranges::count(waiting_, kNotOurs, &PoolWaiting::id);
  hidden_cores_ = snapshot.hidden_cores;
  free_ -= hidden_cores_;
  hides_ = hides_ || !snapshot.sees_everyone;
  changed();
}

void PoolView::send(BoundId id, const PoolDemand& demand, Instant now) {
  if (starts_now(demand, now)) {
    const PoolRunning running{id, demand.cores, now + demand.limit};
    running_.insert(std::ranges::upper_bound(running_, running.ends, {}, &PoolRunning::ends), running);
    free_ -= demand.cores;
    if (profile_known_) profile_.take(now, running.ends, demand.cores);
    shadow_known_ = false;
    return;
  }
  if (profile_known_) {
    const auto start = profile_.earliest(demand.cores, demand.limit, now);
    starts_.push_back(start);
    if (start != kForever) profile_.take(start, start + demand.limit, demand.cores);
  }
  if (waiting_.empty()) shadow_known_ = false;
  waiting_.push_back({.id = id, .demand = demand});
}

bool PoolView::withdraw(BoundId id) {
  const auto at = std::ranges::find(waiting_, id, &PoolWaiting::id);
  if (at == waiting_.end()) return false;
  waiting_.erase(at);
  changed();
  return true;
}

const PoolView::Shadow& PoolView::shadow(Instant now) {
  if (shadow_known_) return shadow_;
  shadow_ = {};
  shadow_known_ = true;
  if (waiting_.empty()) return shadow_;
  const auto need = waiting_.front().demand.cores;
  auto free = free_;
  if (free >= need) {  // about to start: the site's next pass
    shadow_ = {now, free - need};
    return shadow_;
  }
  for (std::size_t i = 0; i < running_.size(); ++i) {
    free += running_[i].cores;
    const bool last_of_its_time = i + 1 == running_.size() || running_[i + 1].ends != running_[i].ends;
    if (free < need || !last_of_its_time) continue;
    shadow_ = {believed_end(running_[i], now), free - need};
    break;
  }
  return shadow_;
}

bool PoolView::starts_now(const PoolDemand& demand, Instant now) {
  if (demand.cores > free_) return false;
  if (waiting_.empty()) return true;
  if (hides_) {
    const auto waits = [&](const PoolWaiting& waiting) { return asks_no_more(waiting.demand, demand); };
    return std::ranges::none_of(waiting_, waits) && profile(now).earliest(demand.cores, demand.limit, now) <= now;
  }
  const auto& head = shadow(now);
  return now + demand.limit <= head.at || demand.cores <= head.spare;
}

const PoolProfile& PoolView::profile(Instant now) {
  if (profile_known_) return profile_;
  profile_.reset(now, free_);
  for (const auto& running : running_) profile_.take(believed_end(running, now), kForever, -running.cores);
  starts_.assign(waiting_.size(), kForever);
  take_planned(now);
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    const auto& demand = waiting_[i].demand;
    if (waiting_[i].planned != kForever) continue;
    starts_[i] = profile_.earliest(demand.cores, demand.limit, now);
    if (starts_[i] != kForever) profile_.take(starts_[i], starts_[i] + demand.limit, demand.cores);
  }
  profile_known_ = true;
  return profile_;
}

/// What has a planned start takes its room first. The scheduler saw room for it: where nothing that we know makes any, hidden
/// work will have ended.
void PoolView::take_planned(Instant now) {
  std::vector<std::size_t> planned;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i].planned != kForever) planned.push_back(i);
  }
  std::ranges::sort(planned, {}, [&](std::size_t i) { return std::pair(waiting_[i].planned, i); });
  auto hidden = hidden_cores_;
  for (const auto i : planned) {
    const auto& demand = waiting_[i].demand;
    const auto start = starts_[i] = std::max(waiting_[i].planned, now);
    auto free = profile_.free_at(start);
    for (const auto& step : profile_.steps()) {
      if (step.from > start && step.from < start + demand.limit) free = std::min(free, step.free);
    }
    const auto ended = std::clamp<std::int64_t>(demand.cores - free, 0, hidden);
    profile_.take(start, kForever, -ended);
    hidden -= ended;
    profile_.take(start, start + demand.limit, demand.cores);
  }
  if (hidden > 0) profile_.take(now + domain::kHiddenLasts.count(), kForever, -hidden);
}

Instant PoolView::predicted_start(const PoolDemand& demand, Instant now) {
  if (demand.cores > cores_) return kForever;
  if (starts_now(demand, now)) return now;
  auto start = profile(now).earliest(demand.cores, demand.limit, now);
  for (std::size_t i = 0; hides_ && i < waiting_.size(); ++i) {
    if (asks_no_more(waiting_[i].demand, demand) && starts_[i] != kForever) start = std::max(start, starts_[i]);
  }
  return start;
}

Instant PoolView::predicted_start_in_line(std::size_t place, Instant now) {
  static_cast<void>(profile(now));  // sets starts_
  return std::max(starts_[place], now);
}

}  // namespace hansa::routing
