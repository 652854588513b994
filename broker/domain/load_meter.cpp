// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/load_meter.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hansa::domain {

LoadMeter::LoadMeter(LoadBudget budget)
    : budget_(std::move(budget)),
      windows_{RateWindow(budget_.queries_per_minute), RateWindow(budget_.submits_per_minute),
               RateWindow(budget_.cancels_per_minute)} {}

void LoadMeter::set_budget(LoadBudget budget) {
  budget_ = std::move(budget);
  window(Rate::queries).set_limit(budget_.queries_per_minute);
  window(Rate::submits).set_limit(budget_.submits_per_minute);
  window(Rate::cancels).set_limit(budget_.cancels_per_minute);
  quiet_ = {};
}

std::optional<UtcTime> LoadMeter::quiet_until(UtcTime now) {
  const auto& hours = budget_.quiet_hours;
  if (hours.empty() || (quiet_.from <= now && now < quiet_.to)) return quiet_.until;
  quiet_ = {.from = now, .to = now + std::chrono::days{1}, .until = std::nullopt};
  for (bool longer = true; longer;) {  // hours may follow each other without a gap
    longer = false;
    for (const auto& span : hours) {
      const auto end = span.end_of(quiet_.until.value_or(now));
      if (!end || (quiet_.until && *end - now > std::chrono::days{2})) continue;
      quiet_.until = end;
      longer = true;
    }
  }
  if (quiet_.until) quiet_.to = *quiet_.until;
  for (const auto& span : hours) quiet_.to = std::min(quiet_.to, span.next_begin(now));
  window(Rate::queries).set_limit(quiet_.until ? std::max(1, budget_.queries_per_minute / 4) : budget_.queries_per_minute);
  return quiet_.until;
}

}  // namespace hansa::domain
