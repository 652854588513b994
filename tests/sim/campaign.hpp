// SPDX-License-Identifier: Apache-2.0
#pragma once
// Many seeds, each played twice: sums, tables, and for the first seed that fails a command and the faults that it needs.

#include "tests/sim/play.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace hansa::sim {

struct Campaign {
  std::ostream& out;
  std::uint64_t seeds = 2000;
  std::uint64_t from = 1;
  std::optional<std::uint64_t> one;
  bool verbose = false;
  bool check_coverage = false;
  std::string planted;              // a wrong broker, or "all"

  /// The exit status.
  int run();

 private:
  int play_all();
  int play_one(std::uint64_t seed);
  int find_planted();
};

/// The violations of a plan; those of I14 too, for which it is played twice.
Played play_twice(const Plan& plan, const Mistake* mistake);

/// The plan without the faults that its failure does not need.
Plan shrink(Plan plan, const Mistake* mistake);

const std::vector<Mistake>& mistakes();

}  // namespace hansa::sim
