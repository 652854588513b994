// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/fair_share.hpp"

#include "broker/core/wide.hpp"

#include <algorithm>
#include <array>

namespace hansa::domain {
namespace {

constexpr std::int64_t kOne = 1'000'000;
constexpr std::int64_t kSecondsOfDay = 86'400;

/// 2^(-i/32), in millionths.
constexpr std::array<std::int64_t, 33> kHalfPowers{
    1'000'000, 978'572, 957'603, 937'084, 917'004, 897'355, 878'126, 859'310, 840'896, 822'878, 805'245,
    787'990,   771'105, 754'582, 738'413, 722'590, 707'107, 691'955, 677'128, 662'618, 648'420, 634'525,
    620'929,   607'624, 594'604, 581'862, 569'394, 557'193, 545'254, 533'570, 522'137, 510'949, 500'000};

std::int64_t part_of(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<std::int64_t>(Wide{part} * kOne / whole);
}

std::string tenths(std::int64_t ppm) {
  const auto of_a_percent = (ppm + 500) / 1'000;
  return std::to_string(of_a_percent / 10) + "." + std::to_string(of_a_percent % 10) + " %";
}

}  // namespace

std::int64_t half_to_the(std::int64_t numerator, std::int64_t denominator) {
  if (denominator <= 0 || numerator / denominator >= 32) return 0;
  constexpr auto kSteps = static_cast<std::int64_t>(kHalfPowers.size()) - 1;
  const auto fraction = part_of(numerator % denominator, denominator) * kSteps;  // in millionths of a step
  const auto& low = kHalfPowers[static_cast<std::size_t>(fraction / kOne)];
  const auto& high = *(&low + 1);
  return (low - (low - high) * (fraction % kOne) / kOne) >> (numerator / denominator);
}

std::map<ProjectId, FairShare> fair_shares(const std::map<ProjectId, std::int64_t>& shares, const std::vector<DayOfUse>& use,
                                           Seconds half_life, UtcTime now) {
  std::map<ProjectId, std::int64_t> decayed;
  std::int64_t all_used = 0, all_shares = 0;
  for (const auto& [project, amount] : shares) all_shares += amount;
  const auto today = std::chrono::floor<std::chrono::days>(now).time_since_epoch().count();
  constexpr std::int64_t kMost = 1'000'000'000'000'000;
  for (const auto& day : use) {
    const auto age = std::max<std::int64_t>(today - day.day, 0) * kSecondsOfDay;
    const auto left = Wide{std::clamp<std::int64_t>(day.amount, 0, kMost)} * half_to_the(age, half_life.count()) / kOne;
    decayed[day.project] += static_cast<std::int64_t>(left);
    all_used += static_cast<std::int64_t>(left);
  }
  std::map<ProjectId, FairShare> found;
  for (const auto& [project, amount] : shares) {
    FairShare share{.share_ppm = part_of(amount, all_shares), .used_ppm = part_of(decayed[project], all_used)};
    share.factor_ppm = share.used_ppm == 0 ? kOne : half_to_the(share.used_ppm, share.share_ppm);
    found.emplace(project, share);
  }
  return found;
}

std::string to_text(const FairShare& share) {
  auto factor = std::to_string((share.factor_ppm + 500) / 1'000);
  factor.insert(0, factor.size() < 4 ? 4 - factor.size() : 0, '0');
  return "used " + tenths(share.used_ppm) + " of late, its share is " + tenths(share.share_ppm) + ": factor " +
         factor.substr(0, factor.size() - 3) + "." + factor.substr(factor.size() - 3);
}

}  // namespace hansa::domain
