// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/arrivals.hpp"

#include "broker/engine/dispatch.hpp"
#include "broker/engine/placement.hpp"

#include <algorithm>
#include <optional>

namespace hansa::engine {

namespace {

constexpr Milliseconds kBetweenArrivals{5'000};  // of one person at one site that are taken up

}  // namespace

void Arrivals::came(SiteDesk& desk, const Principal& person) {
  const auto now = context_.scheduler.now_monotonic();
  std::erase_if(arrivals_, [now](const auto& entry) { return !entry.second.again && now >= entry.second.next_at; });
  const auto [at, first] =
      arrivals_.try_emplace({desk.site().id, person}, Arrival{.next_at = now + kBetweenArrivals, .again = false});
  if (first) return take_up(desk, person);
  at->second.again = true;
  came_again_.set();
}

async::Task<> Arrivals::run() {
  while (true) {
    const auto now = context_.scheduler.now_monotonic();
    std::optional<MonotonicTime> next;
    for (auto& [whose, arrival] : arrivals_) {
      if (!arrival.again) continue;
      if (now >= arrival.next_at) {
        arrival = {.next_at = now + kBetweenArrivals, .again = false};
        take_up(*context_.desk(whose.first), whose.second);
      } else {
        next = std::min(next.value_or(arrival.next_at), arrival.next_at);
      }
    }
    if (next)
      co_await came_again_.wait_until(context_.scheduler, *next);
    else
      co_await came_again_.wait();
  }
}

void Arrivals::take_up(SiteDesk& desk, const Principal& person) {
  const auto bound = desk.bound;
  for (const auto& id : bound) {
    const auto* job = context_.book.find(id);
    if (job == nullptr || job->owner != person) continue;
    desk.stir(id);
    if (job->to_be_cancelled()) dispatch_.carry_cancel(id, true);
  }
  desk.wake_reconciler.set();
  desk.wake_usage.set();
  const auto interval = context_.options.snapshot_interval;
  if (!desk.snapshot() || context_.scheduler.now_monotonic() - desk.snapshot_at() > interval) desk.wake_snapshot.set();
  placement_.login_good(desk.site().id, person);
}

}  // namespace hansa::engine
