// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/account_limit.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>

using namespace hansa;
using namespace hansa::domain;

namespace {

const std::string kHead = "Account|User|GrpTRESMins|GrpTRESRaw|TRESRunMins\n";

using Limits = std::vector<AccountLimit>;

}  // namespace

TEST_CASE("what accounts have left is read from what sshare prints") {
  const auto limits = parse_sshare(kHead +
                                   "root|||cpu=70,mem=9,gres/gpu=0|cpu=1,mem=2,gres/gpu=0\n"
                                   " proj1||cpu=600,gres/gpu=100|cpu=61,mem=100,gres/gpu=130|cpu=120,mem=1,gres/gpu=0\n"
                                   "  proj1|alice||cpu=61|cpu=120\n"
                                   " proj2|||cpu=9|cpu=0\n");
  REQUIRE(limits);
  CHECK(limits->odd.empty());
  CHECK(limits->limits == Limits{{"proj1", {"cpu", 600, 61, 120}}, {"proj1", {"gres/gpu", 100, 130, 0}}});
  CHECK(limits->limits[0].limit.left() == Charge{419 * kChargesPerUnit / 60});
  CHECK(limits->limits[1].limit.left().value == 0);
}

TEST_CASE("a list by a person's hand need not say what runs, in whatever order its columns are") {
  CHECK(parse_sshare("GrpTRESRaw|Account|GrpTRESMins\ncpu=2|p|cpu=5\n").value().limits == Limits{{"p", {"cpu", 5, 2, 0}}});
}

TEST_CASE("no line of sshare's is misread") {
  for (const auto* text : {"", "\n", "Account|User\nproj1|\n", "sshare: error: Invalid field requested: \"TRESRunMins\"\n",
                           "account|user|grptresmins|grptresraw|tresrunmins\n"}) {
    INFO(text);
    const auto read = parse_sshare(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "BAD_SSHARE");
    CHECK(read.error().message.contains("line 1"));
  }
  CHECK(parse_sshare(kHead)->limits.empty());
  CHECK(parse_sshare(kHead + "proj1|\n").error().message.contains("line 2: has 2 fields, and the first line 5"));
  CHECK(parse_sshare(kHead + "p||cpu=1|cpu=0|cpu=0|more\n").error().message.contains("line 2: has 6 fields"));
  const struct {
    const char* row;
    Limits limits;
  } kRows[] = {{"p||cpu=1|cpu=0|cpu=0", {{"p", {"cpu", 1, 0, 0}}}},
               {"p||cpu=0|cpu=0|cpu=0", {{"p", {"cpu", 0, 0, 0}}}},
               {"p||cpu=99999999999999999999|cpu=18446744073709551615|cpu=0", {{"p", {"cpu", kMostMinutes, kMostMinutes, 0}}}},
               {"   ||cpu=1|cpu=0|cpu=0", {}},
               {"p||gres/gpu:a100=7|gres/gpu=9,gres/gpu:a100=2|gres/gpu:a100=1", {{"p", {"gres/gpu:a100", 7, 2, 1}}}}};
  for (const auto& [row, expected] : kRows) {
    INFO(row);
    CHECK(parse_sshare(kHead + row + "\n").value().limits == expected);
    CHECK(parse_sshare(kHead + row).value().limits == expected);
  }
}

TEST_CASE("what is not understood of one account is not nothing used and takes nothing from the others") {
  for (const auto* row : {"p||cpu=1||cpu=0", "p||cpu=1|cpu=x|cpu=0", "p||cpu=1|cpu=0|", "p||cpu=1|cpu=0|cpu=-1",
                          "p||cpu=|cpu=1|cpu=0", "p||cpu=1.5|cpu=1|cpu=0", "p||=1|cpu=1|cpu=0", "p||cpu=-5|cpu=0|cpu=0",
                          "p||cpu=1,,mem=2|cpu=1,mem=0|cpu=0,mem=0", "p||cpu=1|mem=1|cpu=0"}) {
    INFO(row);
    const auto read = parse_sshare(kHead + row + "\nq||cpu=9|cpu=1|cpu=2\n");
    REQUIRE(read);
    REQUIRE(read->odd.size() == 1);
    CHECK(read->odd[0].account == "p");
    CHECK(read->odd[0].why.contains("line 2: does not say"));
    REQUIRE_FALSE(read->limits.empty());
    CHECK(read->limits.back() == AccountLimit{"q", {"cpu", 9, 1, 2}});
    CHECK(std::ranges::none_of(read->limits, [&](const AccountLimit& one) {
      return one.account == "p" && one.limit.resource == read->odd[0].resource;
    }));
  }
  CHECK(parse_sshare(kHead + "p||cpu=5,mem=?|cpu=1,mem=1|cpu=0,mem=0").value().odd[0].resource == "mem");
}

TEST_CASE("what is left is never less than nothing, nor more than the most") {
  CHECK(UsageLimit{"cpu", kMostMinutes, 0, 0}.left() <= kMostCharge);
  CHECK(UsageLimit{"cpu", kMostMinutes, kMostMinutes, kMostMinutes}.left().value == 0);
  CHECK(UsageLimit{"cpu", 0, kMostMinutes, kMostMinutes}.left().value == 0);
  CHECK(UsageLimit{"cpu", 10, 4, 5}.left() == Charge{kChargesPerUnit / 60});
}
