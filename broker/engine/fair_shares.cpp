// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/fair_shares.hpp"

#include "broker/core/time_text.hpp"
#include "broker/core/wide.hpp"

#include <algorithm>

namespace hansa::engine {
namespace {

constexpr Milliseconds kCounts{300'000};
constexpr std::int64_t kHalfLives = 10;  // what is older counts for less than a thousandth

}  // namespace

async::Task<> FairShares::refresh() {
  const auto now = scheduler_.now_monotonic();
  if (options_.fair_share_half_life.count() == 0 || options_.shares.empty() || (read_at_ && now - *read_at_ < kCounts))
    co_return Result<void>{};
  const auto utc = scheduler_.now_utc();
  auto rows = co_await usage_.usage_report({.from = utc - kHalfLives * options_.fair_share_half_life,
                                            .to = std::nullopt,
                                            .owner = std::nullopt,
                                            .by = {ports::UsageGroup::project, ports::UsageGroup::day}});
  if (!rows) co_return std::unexpected(rows.error());
  std::vector<domain::DayOfUse> use;
  for (const auto& row : *rows) {
    const auto day = parse_utc(row.keys.at(1));
    if (!day) continue;
    use.push_back({.project = ProjectId(row.keys.at(0)),
                   .day = std::chrono::floor<std::chrono::days>(*day).time_since_epoch().count(),
                   .amount = row.core_seconds.value + options_.gpu_as_cores * row.gpu_seconds.value});
  }
  known_ = domain::fair_shares(options_.shares, use, options_.fair_share_half_life, utc);
  read_at_ = now;
  co_return Result<void>{};
}

std::int64_t FairShares::weighed(const ProjectId& project, std::int64_t urgency) const {
  const auto share = of(project);
  if (!share) return urgency;
  return static_cast<std::int64_t>(Wide{urgency} * (1'000'000 + share->factor_ppm) / 1'000'000);
}

std::optional<domain::FairShare> FairShares::of(const ProjectId& project) const {
  const auto at = known_.find(project);
  return at == known_.end() ? std::nullopt : std::optional(at->second);
}

}  // namespace hansa::engine
