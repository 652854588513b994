// SPDX-License-Identifier: Apache-2.0
#pragma once
// How it stands with what a site tells of its projects' balances; `hansa site show` shows it.

#include "broker/domain/job.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hansa::engine {

struct BalanceReading {
  std::optional<UtcTime> read_at;           // the last answer, since the start
  std::size_t balances = 0;                 // that it told
  std::vector<std::string> left_out;        // "PROJECT: why nothing is told of it"
  std::optional<domain::Reason> failing;    // why the last question got no answer
};

}  // namespace hansa::engine
