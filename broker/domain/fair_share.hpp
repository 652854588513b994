// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose turn it is among projects, by what each has used of late against its share: the factor of Slurm's classic fair-share
// (slurm.schedmd.com/classic_fair_share.html), 2^(-U/S). Pure; integers only, so that turns are the same on every machine.

#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace hansa::domain {

/// 2^(-numerator/denominator), in millionths. Neither is negative; a denominator of 0 gives 0.
std::int64_t half_to_the(std::int64_t numerator, std::int64_t denominator);

/// What a project used on one day, in whatever all are measured in.
struct DayOfUse {
  ProjectId project;
  std::int64_t day = 0;                // since 1970
  std::int64_t amount = 0;
};

struct FairShare {
  std::int64_t share_ppm = 0;          // of all projects' shares
  std::int64_t used_ppm = 0;           // of all that was used, what is old counting less
  std::int64_t factor_ppm = 1'000'000; // 2^(-used/share): a half where it has used just its share, 1 where nothing
  friend bool operator==(const FairShare&, const FairShare&) = default;
};

/// Of each project with a share. Use counts half of what it did after each half-life.
std::map<ProjectId, FairShare> fair_shares(const std::map<ProjectId, std::int64_t>& shares, const std::vector<DayOfUse>& use,
                                           Seconds half_life, UtcTime now);

/// "used 62.5 % of late, its share is 50.0 %: factor 0.420".
std::string to_text(const FairShare& share);

}  // namespace hansa::domain
