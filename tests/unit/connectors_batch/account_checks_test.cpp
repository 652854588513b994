// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/account_checks.hpp"

#include <catch2/catch.hpp>

namespace hansa::connectors::batch {

using enum domain::DoctorVerdict;

TEST_CASE("limits of CPU time are read as prlimit writes them") {
  const auto none = parse_cpu_limit("unlimited unlimited\n");
  REQUIRE(none.has_value());
  CHECK_FALSE(none->has_value());
  CHECK(parse_cpu_limit("3600 unlimited\n").value() == Seconds{3600});
  for (const auto* text : {"", "\n", "none\n", "-1 5\n", "99999999999999999999 1\n"}) CHECK_FALSE(parse_cpu_limit(text));
}

TEST_CASE("file systems are read as stat -f writes them") {
  const auto seen = parse_file_system("1000 900 4096 500 400\n");
  REQUIRE(seen);
  CHECK(seen->free * seen->size == 900 * 4096);
  CHECK(seen->files_free == 400);
  for (const auto* text :
       {"", "1 2 3 4", "1 2 3 4 5 6", "1 2 x 4 5", "-1 2 3 4 5", "999999999999999999 2 3 4 5", "1 2 999999999 4 5"}) {
    INFO(text);
    CHECK_FALSE(parse_file_system(text));
  }
}

TEST_CASE("quotas are read as quota -w -p writes them") {
  CHECK(judge_quota("").verdict == not_checked);
  CHECK(judge_quota("Disk quotas for user alice (uid 1001): none\n").verdict == not_checked);
  const std::string head =
      "Disk quotas for user alice (uid 1001): \n     Filesystem  blocks   quota   limit   grace   files   quota   limit   "
      "grace\n";
  CHECK(judge_quota(head + "/dev/sda1 500 0 0 0 10 0 0 0\n").verdict == not_checked);  // no limit
  CHECK(judge_quota(head + "/dev/sda1 500 800 1000 0 10 0 0 0\n").value == "/dev/sda1 is 50% full");
  CHECK(judge_quota(head + "/dev/sda1 500 800 1000 0 10 0 0 0\n/dev/sdb1 970 0 1000 0 1 0 0 0\n").verdict == warning);
  const auto over = judge_quota(head + "/dev/sda1 1000* 800 1000 1795341999 10 0 0 0\n");
  CHECK(over.verdict == fault);
  CHECK_FALSE(over.remedy.empty());
  CHECK(judge_quota(head + "/dev/sda1 1 0 1000000 0 99 0 100 0\n").verdict == warning);  // files
  CHECK(judge_quota(std::string(1000, 'x') + "\n1 2 3 4 5 6 7 8 9\n").verdict == ok);
  CHECK(judge_quota("\xFF a b c d e f g h\n").verdict == not_checked);
}

}  // namespace hansa::connectors::batch
