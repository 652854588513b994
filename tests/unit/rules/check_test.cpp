// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/check.hpp"

#include "tests/unit/rules/pack_text.hpp"

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

std::vector<Fault> faults_of(const std::string& text, const CheckOptions& options = {}) {
  return check(std::vector{good_pack(text)}, options);
}

std::string one_fault(const std::string& text, const CheckOptions& options = {}) {
  const auto faults = faults_of(text, options);
  for (const auto& fault : faults) UNSCOPED_INFO(fault.where << ": " << fault.message);
  REQUIRE(faults.size() == 1);
  return faults[0].where + ": " + faults[0].message;
}

const std::string kPersonal = clause("dataset.labels", "any_of", R"(["personal"])");

}  // namespace

TEST_CASE("what makes sense has no faults") {
  CHECK(faults_of(kSets +
                  rule("P", "permit",
                       kPersonal + ", " + clause("site.country", "in_set", "\"EU@1\"") + ", " +
                           clause("site.id", "not_in_set", "\"SITES@1\"")) +
                  rule("F", "forbid", kPersonal, kFinland)) == std::vector<Fault>{});
}

TEST_CASE("clauses that contradict each other") {
  using Catch::Contains;
  const auto contradiction = "contradict each other, so the rule is unreachable";
  for (const auto& when : {
           kFinland + ", " + clause("site.country", "eq", "\"SE\""),
           clause("site.country", "in", R"(["SE", "NO"])") + ", " + clause("site.country", "not_in", R"(["SE", "NO"])"),
           clause("project.training_petaflop", "lt", "5") + ", " + clause("project.training_petaflop", "gt", "4"),
           clause("now", "ge", "2027-01-02") + ", " + clause("now", "lt", "2027-01-02"),
           clause("user.assurance", "at_least", "\"high\"") + ", " + clause("user.assurance", "at_most", "\"medium\""),
           clause("dataset.labels", "all_of", R"(["open", "health"])") + ", " + clause("dataset.labels", "within", R"(["open"])"),
           clause("dataset.labels", "none_of", R"(["open"])") + ", " + clause("dataset.labels", "any_of", R"(["open"])"),
           clause("dataset.labels", "none_of", R"(["open"])") + ", " + clause("dataset.labels", "within", R"(["open"])"),
           clause("site.id", "eq", "\"a\"") + ", " + clause("site.id", "eq", "\"b\""),
           clause("site.eurohpc", "eq", "true") + ", " + clause("site.eurohpc", "ne", "true"),
       }) {
    CAPTURE(when);
    const auto faults = faults_of(rule("P", "permit", when));
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0].message, Contains(contradiction));
    CHECK(faults[0].where == "p.toml:6: rule[P].when");
  }
  // Neighbours on the same attribute that do not.
  CHECK(faults_of(rule("P", "permit",
                       clause("project.training_petaflop", "lt", "6") + ", " + clause("project.training_petaflop", "gt", "4")))
            .empty());
  CHECK(faults_of(rule("P", "permit",
                       clause("project.labels", "none_of", R"(["open"])") + ", " +
                           clause("project.labels", "within", R"(["open", "health"])")))
            .empty());
}

TEST_CASE("clauses that are always true or always false, or say nothing new") {
  using Catch::Contains;
  CHECK_THAT(one_fault(rule("P", "permit", kFinland + ", " + clause("project.training_petaflop", "ge", "0"))),
             Contains("is always true"));
  CHECK_THAT(one_fault(rule("P", "permit", kFinland + ", " + clause("user.assurance", "in", R"(["high", "low", "medium"])"))),
             Contains("is always true"));
  CHECK_THAT(one_fault(rule("P", "permit",
                            kFinland + ", " +
                                clause("dataset.labels", "any_of",
                                       R"(["open", "internal", "personal", "health", "trade-secret", "export-controlled"])"))),
             Contains("is always true"));
  const auto never = faults_of(rule("P", "permit", clause("project.training_petaflop", "lt", "0")));
  REQUIRE(never.size() == 2);
  CHECK_THAT(never[0].message + never[1].message, Contains("is always false"));
  CHECK_THAT(one_fault(rule("P", "permit", kFinland + ", " + clause("site.country", "ne", "\"SE\""))),
             Contains("follows from the other"));
  CHECK_THAT(one_fault(rule("P", "permit", kFinland + ", " + kFinland)), Contains("stands here twice"));
  CHECK_THAT(one_fault(rule("P", "permit",
                            clause("dataset.labels", "all_of", R"(["open"])") + ", " +
                                clause("dataset.labels", "any_of", R"(["open", "health"])"))),
             Contains("follows from the other"));
}

TEST_CASE("unless that never lifts, or always does") {
  using Catch::Contains;
  CHECK_THAT(one_fault(rule("F", "forbid", kFinland, clause("site.country", "in", R"(["SE", "NO"])"))),
             Contains("so it lifts nothing"));
  CHECK_THAT(one_fault(rule("F", "forbid", kFinland, clause("site.country", "in", R"(["FI", "NO"])"))),
             Contains("can never apply"));
  CHECK_THAT(one_fault(rule("F", "forbid", kPersonal, kFinland + ", " + clause("site.country", "eq", "\"NO\""))),
             Contains("all of them must hold"));
}

TEST_CASE("a permit without a condition") {
  CHECK_THAT(one_fault(rule("P", "permit", "")), Catch::Contains("would permit everything"));
}

TEST_CASE("a permit that a forbid swallows") {
  using Catch::Contains;
  const auto permit = rule("P", "permit", kPersonal + ", " + kFinland);
  CHECK_THAT(one_fault(permit + rule("F", "forbid", kPersonal)), Contains("permits nothing: wherever it applies, F forbids"));
  CHECK_THAT(one_fault(permit + rule("F", "forbid", clause("dataset.labels", "any_of", R"(["health", "personal"])"))),
             Contains("permits nothing"));
  CHECK_THAT(one_fault(permit + rule("F", "forbid", clause("site.country", "ne", "\"SE\""))), Contains("permits nothing"));
  CHECK_THAT(one_fault(permit + rule("F", "forbid", kPersonal, clause("site.country", "eq", "\"SE\""))),
             Contains("permits nothing"));
  // Not swallowed: it can be lifted, covers another action, asks for more, ends earlier.
  CHECK(faults_of(permit + rule("F", "forbid", kPersonal, kFinland)).empty());
  CHECK(faults_of(permit + rule("F", "forbid", kPersonal, clause("site.status", "eq", "\"member\""))).empty());
  CHECK(faults_of(permit + rule("F", "forbid", kPersonal, "", "", "\"stage_out\"")).empty());
  CHECK(faults_of(permit + rule("F", "forbid", kPersonal + ", " + clause("site.status", "eq", "\"leaving\""))).empty());
  CHECK(faults_of(permit + rule("F", "forbid", kPersonal, "", "effective_until = 2028-01-01\n")).empty());
}

TEST_CASE("rules that say the same, or less than another") {
  using Catch::Contains;
  CHECK_THAT(one_fault(rule("A", "permit", kFinland + ", " + clause("site.status", "eq", "\"member\"")) +
                       rule("B", "permit", clause("site.status", "eq", "\"member\"") + ", " + kFinland)),
             Contains("rule[B]: says the same as A"));
  CHECK_THAT(
      one_fault(rule("A", "permit", kFinland) + rule("B", "permit", kFinland + ", " + clause("site.status", "eq", "\"member\""))),
      Contains("rule[B]: adds nothing: wherever it applies, A permits too"));
  CHECK(faults_of(rule("A", "permit", kFinland) + rule("B", "permit", kFinland + ", " + clause("site.status", "eq", "\"member\""),
                                                       "", "obligations = [\"keep_log_days:30\"]\n"))
            .empty());
  CHECK(faults_of(rule("A", "permit", kFinland) + rule("B", "permit", kFinland + ", " + kPersonal)).empty());  // another question
}

TEST_CASE("an obligation that nobody would keep is refused, with what to write") {
  using Catch::Contains;
  const auto with = [](const std::string& obligation) {
    return rule("P", "permit", kFinland, "", "obligations = [\"" + obligation + "\"]\n");
  };
  for (const std::string theirs : {"encrypt_scratch", "exclusive_nodes", "wipe_within_hours:24", "notify_owner"}) {
    CHECK_THAT(one_fault(with(theirs)),
               Contains("rule[P].obligations: has \"" + theirs + "\", which this broker cannot see to") &&
                   Contains("write \"" + theirs + " by site\""));
    CHECK(faults_of(with(theirs + " by site")).empty());
  }
  for (const std::string ours : {"no_log_export", "no_stage_out", "airlock_output", "keep_log_days:30"}) {
    CHECK(faults_of(with(ours)).empty());
    CHECK_THAT(one_fault(with(ours + " by site")), Contains("the broker keeps that itself"));
  }
}

TEST_CASE("faults of several packs together have each its own file") {
  auto a = good_pack(rule("P", "permit", kPersonal));
  auto b = good_pack(rule("F", "forbid", kPersonal));
  b.file = "q.toml";
  const auto faults = check(std::vector{a, b});
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].where == "p.toml:6: rule[P]");
  CHECK(faults[0].message.contains("F (q.toml) forbids"));
}

TEST_CASE("what one pack has in common with another is no fault: each may be used alone") {
  auto a = good_pack(rule("A", "permit", kFinland));
  auto b = good_pack(rule("B", "permit", kFinland));
  CHECK(check(std::vector{a, b}).empty());
}

TEST_CASE("what has ended is told from its day on") {
  const auto text =
      rule("P", "permit", kFinland, "", "review_by = 2027-02-01\nbasis_until = 2027-03-01\neffective_until = 2027-04-01\n");
  CHECK(faults_of(text).empty());
  CHECK(faults_of(text, {.now = day(30)}).empty());  // 2027-01-31
  CHECK(faults_of(text, {.now = day(31)}).size() == 1);
  CHECK(faults_of(text, {.now = day(59)}).size() == 2);
  const auto all = faults_of(text, {.now = day(90)});
  CHECK(all.size() == 3);
  CHECK(all[0].message.contains("o@example must"));
  CHECK(ended(std::vector{good_pack(text)}, day(30)).empty());
  CHECK(ended(std::vector{good_pack(text)}, day(90)) == all);  // of packs in force: nothing else is looked at
}

TEST_CASE("a set that no rule uses") {
  CHECK_THAT(one_fault(kSets + rule("P", "permit", clause("site.country", "in_set", "\"EU@1\""))),
             Catch::Contains("set[SITES@1]: is used by no rule"));
}
