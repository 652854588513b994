// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/allocation.hpp"

#include "broker/core/time_text.hpp"
#include "broker/core/wide.hpp"

#include <algorithm>
#include <tuple>

namespace hansa::domain {
namespace {

constexpr std::int64_t kDay = 86'400;

std::string amount(Charge charge, std::string_view unit) { return format_charge(charge) + " " + std::string(unit); }

/// Which of two grants is spent first.
auto turn(const Allocation& grant) { return std::tuple(grant.site.empty(), grant.until.value_or(UtcTime::max()), grant.id); }

Reason none_granted(const ProjectId& project, const SiteId& site, std::string_view unit) {
  return {std::string(kNotGranted), (project.empty() ? "a job without a project" : "project " + project.str()) +
                                        " has no allocation of " + std::string(unit) + " at " + site.str() +
                                        ": ask an operator of this broker for one (hansa allocation grant " +
                                        (project.empty() ? "PROJECT" : project.str()) + " AMOUNT --unit " + std::string(unit) +
                                        " --site " + site.str() + ")"};
}

Reason not_enough(const Allocation& has, const SiteId& site, Charge need, UtcTime now) {
  auto text = "project " + has.project.str() + " has " + amount(has.left(), has.unit) + " left at " + site.str();
  if (has.kind == AllocationKind::balance) {
    const auto age = std::max(std::chrono::floor<Seconds>(now - has.from), Seconds{0});
    text += " by the site's own word of " + format_duration(age) + " ago";
  } else {
    text += " of allocation " + has.id.str();
  }
  text += ", and this job may need " + amount(need, has.unit) +
          ": wait until what is kept for others is settled, shorten its time limit, or ask " +
          (has.kind == AllocationKind::balance ? "whoever grants there for more" : "an operator of this broker for more");
  return {std::string(kAllocationSpent), std::move(text)};
}

}  // namespace

std::string_view to_string(AllocationKind kind) { return kind == AllocationKind::grant ? "grant" : "balance"; }

Headroom find_room(std::span<const Allocation> allocations, const ProjectId& project, const SiteId& site, std::string_view unit,
                   Charge need, UtcTime now) {
  Headroom room;
  const Allocation* nearest = nullptr;  // the grant with the most left, if none has enough
  for (const auto& one : allocations) {
    if (one.project != project || one.unit != unit) continue;
    if (one.kind == AllocationKind::balance) {  // the clock that told it may be ahead
      if (one.site == site) room.balance = &one;
      continue;
    }
    if (!one.counts(now) || (!one.site.empty() && one.site != site)) continue;
    if (nearest == nullptr || nearest->left() < one.left()) nearest = &one;
    if (one.left() >= need && (room.grant == nullptr || turn(one) < turn(*room.grant))) room.grant = &one;
  }
  if (nearest == nullptr && room.balance == nullptr)
    room.lacking = none_granted(project, site, unit);
  else if (nearest != nullptr && room.grant == nullptr)
    room.lacking = not_enough(*nearest, site, need, now);
  else if (room.balance != nullptr && room.balance->left() < need)
    room.lacking = not_enough(*room.balance, site, need, now);
  if (room.lacking) room.grant = nullptr;
  return room;
}

OpenRuns open_runs(const Job& job, const Attempt& attempt) {
  OpenRuns open;
  const bool over = attempt.state == AttemptState::ended;
  if (over && (attempt.outcome == Outcome::never_started || job.state == JobState::lost)) return open;
  for (const auto& run : attempt.runs) open.ended += run.started_at && (over || run.ended_at || run.outcome) ? 1 : 0;
  if (over) return open;
  open.not_over = job.spec.array.empty() ? 1 : std::ssize(job.open_tasks(attempt));
  return open;
}

Use most_use(const Resources& resources, Seconds time_limit) {
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(time_limit);
  return {.nodes = resources.nodes,
          .cores = std::int64_t{resources.cores_per_node()} * resources.nodes,
          .gpus = std::int64_t{resources.gpus_per_node} * resources.nodes,
          .memory = {resources.memory_per_node.value * resources.nodes},
          .exclusive = resources.exclusive,
          .time = minutes};
}

Forecast forecast(const Allocation& allocation, UtcTime now) {
  Forecast told;
  const auto age = std::chrono::floor<Seconds>(now - allocation.from).count();
  const auto window = std::clamp<std::int64_t>(age, kDay, kForecastWindow.count());
  told.per_day = {static_cast<std::int64_t>(Wide{allocation.lately.value} * kDay / window)};
  if (allocation.until && allocation.counts(now)) {
    const auto rest = std::chrono::floor<Seconds>(*allocation.until - now).count();
    const auto more = Wide{allocation.lately.value} * rest / window;
    told.left_at_end = Charge{static_cast<std::int64_t>(
        std::max(Wide{allocation.granted.value} - allocation.used.value - more, Wide{-kMostCharge.value}))};
  }
  if (allocation.lately.value <= 0 || !allocation.counts(now)) return told;
  const auto unspent = std::max<std::int64_t>((allocation.granted - allocation.used).value, 0);
  const auto seconds = Wide{unspent} * window / allocation.lately.value;
  constexpr Wide kCentury = Wide{100} * 366 * kDay;
  if (seconds < kCentury) told.spent_at = now + Seconds{static_cast<std::int64_t>(seconds)};
  return told;
}

}  // namespace hansa::domain
