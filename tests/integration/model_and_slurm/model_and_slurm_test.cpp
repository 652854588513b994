// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/model_and_slurm/play.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

using namespace hansa::held_against;

namespace {

std::string line_or_none(const std::vector<std::string>& lines, std::size_t i) { return i < lines.size() ? lines[i] : "-"; }

/// Prints one table, and all of what differs. How many are equal.
std::size_t compare(const Histories& model, const Histories& slurm) {
  std::printf("%-34s %12s  %s\n", "history", "observations", "model and Slurm 22.05");
  std::size_t equal = 0;
  for (std::size_t i = 0; i < model.size(); ++i) {
    const auto& ours = model[i]->lines();
    const auto& theirs = slurm[i]->lines();
    const bool same = ours == theirs && !ours.empty();
    equal += same ? 1 : 0;
    std::printf("%-34s %12zu  %s\n", model[i]->name().c_str(), theirs.size(), same ? "equal" : "DIFFERENT");
    for (std::size_t l = 0; l < std::max(ours.size(), theirs.size()); ++l) {
      const auto a = line_or_none(ours, l);
      const auto b = line_or_none(theirs, l);
      if (a != b) std::printf("    model  %s\n    Slurm  %s\n", a.c_str(), b.c_str());
      if (a == b && !same) std::printf("    both   %s\n", a.c_str());
    }
  }
  std::printf("%zu histories, %zu equal\n", model.size(), equal);
  return equal;
}

}  // namespace

// Slurm plays in real time, and a machine that is busy with something else can push it out of step: what differs is played once
// more.
TEST_CASE("the model shows a broker what a real Slurm shows it") {
  if (::geteuid() != 0) {
    WARN("skipped: becomes alice and bob, which needs root");
    return;
  }
  const auto model = play_histories(*make_model_stage());
  REQUIRE(model.size() >= 18);
  std::size_t equal = 0;
  for (int tries = 2; tries > 0 && equal < model.size(); --tries) {
    const auto slurm = play_histories(*make_slurm_stage());
    REQUIRE(slurm.size() == model.size());
    equal = compare(model, slurm);
  }
  CHECK(equal == model.size());
}
