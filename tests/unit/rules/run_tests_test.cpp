// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/run_tests.hpp"

#include "tests/unit/rules/pack_text.hpp"

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

const std::string kTestedRules =
    rule("P", "permit", clause("site.country", "eq", "\"FI\""), "", "obligations = [\"encrypt_scratch\"]\n") +
    rule("F", "forbid", clause("site.status", "eq", "\"leaving\"")) +
    "[given]\nsite.country = \"FI\"\nsite.status = \"member\"\n";

std::string case_of(const std::string& name, const std::string& body) {
  return "[[test]]\nname = \"" + name + "\"\naction = \"place\"\n" + body;
}
const std::string kYes = case_of("yes", "expect = \"permit\"\nbecause = [\"P\"]\nobligations = [\"encrypt_scratch\"]\n");
const std::string kNo =
    case_of("no", "given = {site.country = \"SE\", site.status = \"leaving\"}\nexpect = \"deny\"\ncode = \"FORBIDDEN\"\n");

std::vector<std::string> messages_of(const std::string& tests) {
  const auto pack = good_pack(kTestedRules + tests);
  const auto report = run_tests(pack);
  REQUIRE(report);
  std::vector<std::string> messages;
  for (const auto& fault : report->faults(pack)) messages.push_back(fault.where + ": " + fault.message);
  return messages;
}

}  // namespace

TEST_CASE("tests that hold, and rules that they show both ways") { CHECK(messages_of(kYes + kNo).empty()); }

TEST_CASE("a test that does not hold says what is so instead") {
  using Catch::Contains;
  const auto wrong = [&](const std::string& body) {
    auto faults = messages_of(kYes + kNo + case_of("t", body));
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::StartsWith("p.toml:36: test[t]: "));
    return faults[0];
  };
  CHECK_THAT(wrong("expect = \"deny\"\ncode = \"NO_PERMIT\"\n"), Contains("expected NO_PERMIT, but place is permitted by P."));
  CHECK_THAT(wrong("given = {site.country = \"SE\"}\nexpect = \"permit\"\n"),
             Contains("no rule permits it. It would be allowed if"));
  CHECK_THAT(wrong("given = {site.country = \"SE\"}\nexpect = \"deny\"\ncode = \"FORBIDDEN\"\n"), Contains("expected FORBIDDEN"));
  CHECK_THAT(wrong("expect = \"permit\"\nbecause = [\"F\"]\n"), Contains("expected that F applies; it does not"));
  CHECK_THAT(wrong("expect = \"permit\"\nsilent = [\"F\", \"P\"]\n"), Contains("expected that P does not apply; it does"));
  CHECK_THAT(wrong("expect = \"permit\"\nobligations = []\n"), Contains("expected obligations: none; found: encrypt_scratch"));
  CHECK_THAT(wrong("without = [\"site.status\"]\nexpect = \"deny\"\ncode = \"EVIDENCE_MISSING\"\nlacking = [\"site.country\"]\n"),
             Contains("expected lacking evidence: site.country; lacking: site.status"));
  CHECK_THAT(wrong("stale = [\"site.country\"]\nexpect = \"permit\"\n"), Contains("evidence is missing: site.country (stale)"));
}

TEST_CASE("rules that no test shows applying, or not applying, are listed") {
  CHECK(messages_of(kYes) ==
        std::vector<std::string>{
            "p.toml:6: rule[P]: is in no test of the pack seen not to apply; write a test in which it does not",
            "p.toml:14: rule[F]: applies in no test of the pack; write a test in which it does"});
  // Another action asks the rule nothing.
  const auto other =
      "[[test]]\nname = \"x\"\naction = \"intake\"\ngiven = {site.country = \"SE\"}\nexpect = \"deny\"\ncode = \"NO_PERMIT\"\n";
  CHECK(messages_of(kYes + other).size() == 2);
  // A rule that evidence is lacking for is neither.
  const auto lacking = case_of("l", "without = [\"site.country\"]\nexpect = \"deny\"\ncode = \"EVIDENCE_MISSING\"\n");
  CHECK(messages_of(kYes + lacking).size() == 2);
}

TEST_CASE("a test's own facts go before the pack's, and datasets before both") {
  const auto rules =
      rule("P", "permit", clause("dataset.labels", "within", R"(["open"])")) + "[given]\ndataset.labels = [\"open\"]\n";
  const auto pack = good_pack(
      rules + case_of("one", "expect = \"permit\"\n") +
      case_of("two",
              "datasets = [{dataset.id = \"a\"}, {dataset.labels = [\"health\"]}]\nexpect = \"deny\"\ncode = \"NO_PERMIT\"\n") +
      case_of("none", "without = [\"dataset.labels\"]\nexpect = \"deny\"\ncode = \"NO_PERMIT\"\n"));
  CHECK(pack.tests[0].datasets.size() == 1);
  REQUIRE(pack.tests[1].datasets.size() == 2);
  CHECK(pack.tests[1].datasets[0].size() == 2);
  CHECK(pack.tests[2].datasets.empty());
  const auto report = run_tests(pack);
  REQUIRE(report);
  CHECK(report->failed() == 0);
}
