// SPDX-License-Identifier: Apache-2.0
// What is left to accounts, of sshare.
#include "tests/unit/connectors_slurm/bench.hpp"

namespace hansa::connectors::slurm {

using namespace test;

namespace {

const std::vector<ports::ProjectAccount> kAsked{
    {ProjectId("ai-lab"), "proj1"}, {ProjectId("climate"), "proj2"}, {ProjectId("x"), ""}};

const std::string kHead = "Account|User|GrpTRESMins|GrpTRESRaw|TRESRunMins\n";

struct Counting : Bench {
  Counting() {
    site.configuration = std::string(kConfiguration) +
                         "AccountingStorageEnforce = associations,limits\nPriorityType            = priority/multifactor\n";
    site.players["sshare"] = [this](const Command&) { return answer(out); };
  }
  auto limits() { return ask(connector->account_limits(kAsked, soon())); }
  std::string out;
};

}  // namespace

TEST_CASE("limits: what real Slurm printed of two accounts with limits is told by project") {
  Counting bench;
  // proj1 had a job of 8 CPUs for 26 s, counted at its end, and one of 2 CPUs runs that may for 7 minutes.
  bench.out = capture("22.05", "sshare.limits.out");
  const auto told = bench.limits();
  REQUIRE(told);
  CHECK(told->told);
  CHECK(told->age.count() == 0);
  CHECK(told->limits == std::vector<ports::ProjectLimit>{{ProjectId("ai-lab"), {"cpu", 600, 3, 14}},
                                                         {ProjectId("ai-lab"), {"gres/gpu", 60, 0, 0}},
                                                         {ProjectId("climate"), {"billing", 90, 0, 0}}});
}

TEST_CASE("limits: both versions print the columns alike, and what was not asked for in ours is not taken") {
  for (const auto* version : {"22.05", "26.05"}) {
    INFO(version);
    const auto plain = capture(version, "sshare.plain.out");  // sshare -P -l: no GrpTRESRaw
    const auto header = plain.substr(0, plain.find('\n'));
    for (const auto* column : {"Account|User|", "|GrpTRESMins|TRESRunMins"}) CHECK(header.contains(column));
    CHECK(plain.contains("\n proj1||"));
    CHECK(plain.contains("\n  proj1|alice|"));
    Counting bench;
    bench.out = plain;
    CHECK(bench.limits().error().code == "SITE_GARBLED");
    // With usage told, accounts that have no limit are left out, as those of people are.
    std::string wider;
    for (const auto line : split_at(plain, '\n')) {
      if (!line.empty()) wider += std::string(line) + (wider.empty() ? "|GrpTRESRaw|TRESRunMins\n" : "|cpu=1|cpu=0\n");
    }
    bench.out = wider;
    const auto none = bench.limits();
    REQUIRE(none);
    CHECK(none->limits.empty());
  }
}

TEST_CASE("limits: sshare is asked once, as the broker, of the accounts that are asked about") {
  Counting bench;
  bench.out = kHead + "root|||cpu=9|cpu=0\n proj1||cpu=600|cpu=61|cpu=4\n proj3||cpu=5|cpu=0|cpu=0\n";
  const auto told = bench.limits();
  REQUIRE(told);
  CHECK(told->limits == std::vector<ports::ProjectLimit>{{ProjectId("ai-lab"), {"cpu", 600, 61, 4}}});
  CHECK(bench.site.count("sshare") == 1);
  const auto& asked = bench.site.last("sshare");
  CHECK(asked.account.empty());
  CHECK(has_argument(asked, "--accounts=proj1,proj2"));
  CHECK(has_argument(asked, "--parsable2"));
  CHECK(has_argument(asked, "--format=Account,User,GrpTRESMins,GrpTRESRaw,TRESRunMins"));
  CHECK(std::ranges::count(asked.environment, std::pair<std::string, std::string>{"SLURM_CONF", "/etc/slurm/slurm.conf"}) == 1);
}

TEST_CASE("limits: what is not understood is left out and takes no other limit with it") {
  Counting bench;
  bench.out = kHead +
              "root||mem=?|cpu=9|cpu=0\n proj1||cpu=600,mem=5M,billing=7|cpu=61,mem=1,billing=?|cpu=4,mem=0,billing=0\n"
              " proj2||cpu=9|cpu=1|cpu=0\n";
  const auto told = bench.limits();
  REQUIRE(told);
  CHECK(told->limits ==
        std::vector<ports::ProjectLimit>{{ProjectId("ai-lab"), {"cpu", 600, 61, 4}}, {ProjectId("climate"), {"cpu", 9, 1, 0}}});
}

TEST_CASE("limits: an answer that is none is no balance") {
  Counting bench;
  for (const auto* garbled : {"", "Account\nproj1\n", "Account|User|GrpTRESMins|GrpTRESRaw|TRESRunMins\nproj1|",
                              "Account|User|GrpTRESMins|GrpTRESRaw\nproj1||cpu=5|cpu=0\n"}) {
    INFO(garbled);
    bench.out = garbled;
    const auto refused = bench.limits();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "SITE_GARBLED");
    CHECK(refused.error().kind == ErrorKind::internal);
  }
  // 22.05.8: a column that is not there, a controller that does not answer.
  for (const auto* name : {"sshare.unknown-column", "down.sshare"}) {
    INFO(name);
    bench.site.players["sshare"] = [&](const Command&) {
      return answer(capture("22.05", std::string(name) + ".out"), std::stoi(capture("22.05", std::string(name) + ".rc")),
                    capture("22.05", std::string(name) + ".err"));
    };
    const auto refused = bench.limits();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::unavailable);
    CHECK(refused.error().message.contains("sshare"));
  }
  bench.site.players["sshare"] = [](const Command&) { return answer(capture("22.05", "sshare.unknown-account.out")); };
  const auto nobody = bench.limits();
  REQUIRE(nobody);
  CHECK(nobody->told);
  CHECK(nobody->limits.empty());
}

TEST_CASE("limits: where nothing counts against them nothing is known of what is left") {
  for (const auto* counted : {"AccountingStorageEnforce = associations,limits,safe\nPriorityType = priority/multifactor\n",
                              "AccountingStorageEnforce = associations,limits,qos,safe\nPriorityType = priority/multifactor\n"}) {
    Counting bench;
    bench.site.configuration = std::string(kConfiguration) + counted;
    bench.out = kHead;
    CHECK(bench.limits().has_value());
  }
  for (const auto* uncounted : {"", "AccountingStorageEnforce = none\nPriorityType = priority/multifactor\n",
                                "AccountingStorageEnforce = associations\nPriorityType = priority/multifactor\n",
                                "AccountingStorageEnforce = associations,limits\nPriorityType = priority/basic\n"}) {
    INFO(uncounted);
    Counting bench;
    bench.site.configuration = std::string(kConfiguration) + uncounted;
    const auto refused = bench.limits();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "USAGE_NOT_COUNTED");
    CHECK(refused.error().message.contains("hansa allocation import"));
    CHECK(bench.site.count("sshare") == 0);
  }
}

}  // namespace hansa::connectors::slurm
