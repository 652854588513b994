// SPDX-License-Identifier: Apache-2.0
// hansa_sim: plays seeds. See README.md of this folder.

#include "tests/sim/campaign.hpp"

#include <charconv>
#include <iostream>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view kUsage =
    "hansa_sim [--seeds N] [--from S] [--check-coverage]   plays N seeds (2000) from S (1) on, each twice\n"
    "hansa_sim --seed S [--verbose] [--planted NAME]       plays one; --verbose tells all that happens\n"
    "hansa_sim --planted all [--seeds N] [--from S]        how many seeds each wrong broker survives\n";

int usage() {
  std::cerr << kUsage;
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  hansa::sim::Campaign campaign{.out = std::cout};
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto number = [&](std::uint64_t& into) {
      if (++i >= argc) return false;
      const std::string_view text = argv[i];
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
      return error == std::errc{} && end == text.data() + text.size();
    };
    if (word == "--seeds") {
      if (!number(campaign.seeds)) return usage();
    } else if (word == "--from") {
      if (!number(campaign.from)) return usage();
    } else if (word == "--seed") {
      campaign.one = 0;
      if (!number(*campaign.one)) return usage();
    } else if (word == "--verbose") {
      campaign.verbose = true;
    } else if (word == "--check-coverage") {
      campaign.check_coverage = true;
    } else if (word == "--planted" && i + 1 < argc) {
      campaign.planted = argv[++i];
    } else {
      return usage();
    }
  }
  return campaign.run();
}
