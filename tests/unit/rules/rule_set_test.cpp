// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/rule_set.hpp"

#include "policies/rules/canonical.hpp"
#include "tests/unit/rules/pack_text.hpp"

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

using Texts = std::vector<std::string>;

RuleSet compiled(const std::string& text) {
  auto rules = RuleSet::compile({good_pack(text)});
  REQUIRE(rules);
  return std::move(*rules);
}

struct Asking {
  Evidence job;
  Evidence site;
  std::vector<Evidence> datasets;
  Action action = Action::place;
  UtcTime now = day(0);
};

Verdict verdict_on(const RuleSet& rules, const Asking& asked) {
  const auto job = rules.bind(Subject::job, asked.job, asked.now);
  const auto site = rules.bind(Subject::site, asked.site, asked.now);
  std::vector<Bound> datasets;
  for (const auto& dataset : asked.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, asked.now));
  return rules.decide(asked.action, job, site, datasets);
}

const Evidence kAtFinland{fact(Attribute::site_country, "FI")};
const Evidence kAmerica{fact(Attribute::site_country, "US")};
Evidence labelled(Texts labels) { return {fact(Attribute::dataset_labels, std::move(labels))}; }

}  // namespace

TEST_CASE("what no rule permits is denied") {
  const auto rules = compiled(rule("P", "permit", clause("site.country", "eq", "\"FI\"")));
  CHECK(verdict_on(rules, {.site = kAtFinland}).code == Code::permitted);
  CHECK(verdict_on(rules, {.site = kAmerica}).code == Code::no_permit);
  CHECK(verdict_on(rules, {.site = kAtFinland, .action = Action::dispatch}).code == Code::no_permit);
}

TEST_CASE("forbid beats permit") {
  const auto rules = compiled(rule("P", "permit", clause("site.country", "eq", "\"FI\"")) +
                              rule("F", "forbid", clause("site.status", "ne", "\"member\"")));
  auto site = kAtFinland;
  site.push_back(fact(Attribute::site_status, "member"));
  CHECK(verdict_on(rules, {.site = site}).code == Code::permitted);
  site.back().value = "leaving";
  CHECK(verdict_on(rules, {.site = site}).code == Code::forbidden);
  site.pop_back();
  CHECK(verdict_on(rules, {.site = site}).code == Code::evidence_missing);
}

TEST_CASE("unless: all of it must hold to lift, and a clause that fails is enough not to") {
  const auto rules = compiled(rule("P", "permit", clause("site.country", "in", R"(["FI", "US"])")) +
                              rule("F", "forbid", clause("site.country", "in", R"(["FI", "US"])"),
                                   clause("site.country", "eq", "\"FI\"") + ", " + clause("site.status", "eq", "\"member\"")));
  auto site = kAtFinland;
  CHECK(verdict_on(rules, {.site = site}).code == Code::evidence_missing);
  site.push_back(fact(Attribute::site_status, "member"));
  CHECK(verdict_on(rules, {.site = site}).code == Code::permitted);
  site.back().value = "leaving";
  CHECK(verdict_on(rules, {.site = site}).code == Code::forbidden);
  CHECK(verdict_on(rules, {.site = kAmerica}).code == Code::forbidden);  // whatever its status is
}

TEST_CASE("evidence that is missing is neither true nor false") {
  for (const auto* op : {"eq", "ne"}) {
    const auto rules = compiled(rule("P", "permit", clause("site.country", op, "\"FI\"")));
    CHECK(verdict_on(rules, {}).code == Code::evidence_missing);
    CHECK(verdict_on(rules, {.site = {fact(Attribute::site_country, "FI", day(-400))}}).code == Code::evidence_missing);
    CHECK(verdict_on(rules, {.site = {fact(Attribute::site_country, "FI", day(1))}}).code == Code::evidence_missing);
    CHECK(verdict_on(rules, {.site = {fact(Attribute::site_country, true)}}).code == Code::evidence_missing);
    CHECK(verdict_on(rules, {.site = {{Attribute::site_country, std::string("FI"), Source::request, day(0)}}}).code ==
          Code::evidence_missing);
  }
}

TEST_CASE("a permit that is sure is not held up by one that is not") {
  const auto rules = compiled(rule("P", "permit", clause("site.country", "eq", "\"FI\"")) +
                              rule("Q", "permit", clause("site.status", "eq", "\"member\"")));
  CHECK(verdict_on(rules, {.site = kAtFinland}).code == Code::permitted);
}

TEST_CASE("each dataset must be allowed, and only by a permit that asks about it") {
  const auto rules = compiled(rule("P-JOB", "permit", clause("site.country", "eq", "\"FI\"")) +
                              rule("P-OPEN", "permit", clause("dataset.labels", "within", R"(["open"])")));
  CHECK(verdict_on(rules, {.site = kAtFinland}).code == Code::permitted);
  CHECK(verdict_on(rules, {.site = kAtFinland, .datasets = {labelled({"open"})}}).code == Code::permitted);
  CHECK(verdict_on(rules, {.site = kAtFinland, .datasets = {labelled({"personal"})}}).code == Code::no_permit);
  const auto verdict = verdict_on(rules, {.site = kAtFinland, .datasets = {labelled({"open"}), labelled({"open", "health"})}});
  CHECK(verdict.code == Code::no_permit);
  CHECK(verdict.dataset == 1);
  CHECK(verdict_on(rules, {.site = kAmerica, .datasets = {labelled({"open"})}}).code == Code::permitted);
  CHECK(verdict_on(rules, {.site = kAmerica}).code == Code::no_permit);
}

TEST_CASE("a forbid that asks nothing about datasets forbids them all; one that does leaves other jobs alone") {
  const auto rules = compiled(rule("P-JOB", "permit", clause("site.country", "in", R"(["FI", "US"])")) +
                              rule("P-OPEN", "permit", clause("dataset.labels", "within", R"(["open"])")) +
                              rule("F-US", "forbid", clause("site.country", "eq", "\"US\"")) +
                              rule("F-HEALTH", "forbid", clause("dataset.labels", "any_of", R"(["health"])")));
  CHECK(verdict_on(rules, {.site = kAmerica, .datasets = {labelled({"open"})}}).code == Code::forbidden);
  CHECK(verdict_on(rules, {.site = kAtFinland}).code == Code::permitted);
  CHECK(verdict_on(rules, {.site = kAtFinland, .datasets = {labelled({"open"}), {}}}).code == Code::evidence_missing);
}

TEST_CASE("two facts compared") {
  const auto rules = compiled(
      rule("P", "permit",
           compared("project.permits", "any_of", "dataset.permit") + ", " + compared("now", "lt", "dataset.permit_until")));
  const Evidence job{fact(Attribute::project_permits, Texts{"A", "B"})};
  Evidence dataset{fact(Attribute::dataset_permit, "B"), fact(Attribute::dataset_permit_until, day(1))};
  CHECK(verdict_on(rules, {.job = job, .datasets = {dataset}}).code == Code::permitted);
  CHECK(verdict_on(rules, {.job = job, .datasets = {dataset}, .now = day(1)}).code ==
        Code::no_permit);  // ends in this very second
  dataset[1].value = day(0);
  CHECK(verdict_on(rules, {.job = job, .datasets = {dataset}}).code == Code::no_permit);
  dataset[1].value = day(1);
  dataset[0].value = "C";
  CHECK(verdict_on(rules, {.job = job, .datasets = {dataset}}).code == Code::no_permit);
  CHECK(verdict_on(rules, {.job = {}, .datasets = {dataset}}).code == Code::evidence_missing);
}

TEST_CASE("two facts compared in an unless: equal they lift, unequal they do not, and one that is missing leaves it open") {
  const auto rules = compiled(
      rule("P", "permit", clause("site.country", "in", R"(["FI", "US"])")) +
      rule("F", "forbid", clause("site.country", "in", R"(["FI", "US"])"), compared("site.country", "eq", "user.country")));
  const Evidence finn{fact(Attribute::user_country, "FI")};
  CHECK(verdict_on(rules, {.job = finn, .site = kAtFinland}).code == Code::permitted);
  CHECK(verdict_on(rules, {.job = finn, .site = kAmerica}).code == Code::forbidden);
  CHECK(verdict_on(rules, {.site = kAtFinland}).code == Code::evidence_missing);
}

TEST_CASE("comparisons that differ in one fact or in the operator alone are each their own") {
  const auto open = clause("dataset.labels", "any_of", R"(["open"])") + ", ";
  const auto rules = compiled(
      rule("NOW-LT-PERMIT", "permit", open + compared("now", "lt", "dataset.permit_until"), "", "", "\"place\"") +
      rule("NOW-GE-PERMIT", "permit", open + compared("now", "ge", "dataset.permit_until"), "", "", "\"dispatch\"") +
      rule("NOW-LT-LICENCE", "permit", open + compared("now", "lt", "project.export_licence_until"), "", "", "\"stage_in\"") +
      rule("LICENCE-LT-PERMIT", "permit", open + compared("project.export_licence_until", "lt", "dataset.permit_until"), "", "",
           "\"stage_out\""));
  for (const int permit : {-1, 0, 1}) {
    for (const int licence : {-1, 0, 1}) {
      const Evidence job{fact(Attribute::project_export_licence_until, day(licence))};
      auto dataset = labelled({"open"});
      dataset.push_back(fact(Attribute::dataset_permit_until, day(permit)));
      const auto permitted = [&](Action action) {
        return verdict_on(rules, {.job = job, .datasets = {dataset}, .action = action}).code == Code::permitted;
      };
      CAPTURE(permit, licence);
      CHECK(permitted(Action::place) == (0 < permit));
      CHECK(permitted(Action::dispatch) == (0 >= permit));
      CHECK(permitted(Action::stage_in) == (0 < licence));
      CHECK(permitted(Action::stage_out) == (licence < permit));
    }
  }
}

TEST_CASE("clauses that differ in the operator alone are each their own") {
  const auto labels = [](const char* id, const char* op, const char* action) {
    return rule(id, "permit", clause("dataset.labels", op, R"(["open"])"), "", "", "\"" + std::string(action) + "\"");
  };
  const auto rules = compiled(labels("ANY", "any_of", "place") + labels("NONE", "none_of", "dispatch") +
                              labels("WITHIN", "within", "stage_in") + labels("ALL", "all_of", "stage_out"));
  const auto permitted = [&](Action action, Texts told) {
    return verdict_on(rules, {.datasets = {labelled(std::move(told))}, .action = action}).code == Code::permitted;
  };
  const Texts open{"open"}, both{"open", "health"}, health{"health"};
  CHECK((permitted(Action::place, open) && permitted(Action::place, both) && !permitted(Action::place, health)));
  CHECK((!permitted(Action::dispatch, open) && !permitted(Action::dispatch, both) && permitted(Action::dispatch, health)));
  CHECK((permitted(Action::stage_in, open) && !permitted(Action::stage_in, both) && !permitted(Action::stage_in, health)));
  CHECK((permitted(Action::stage_out, open) && permitted(Action::stage_out, both) && !permitted(Action::stage_out, health)));
}

TEST_CASE("dates: a pack's hold for all of its rules") {
  auto pack = good_pack(rule("P", "permit", clause("site.country", "eq", "\"FI\"")));
  pack.effective_from = day(1);
  pack.effective_until = day(2);
  const auto rules = RuleSet::compile({pack});
  REQUIRE(rules);
  for (const auto& [when, code] : {std::pair(0, Code::no_permit), {1, Code::permitted}, {2, Code::no_permit}}) {
    CAPTURE(when);
    CHECK(verdict_on(*rules, {.site = kAtFinland, .now = day(when)}).code == code);
  }
}

TEST_CASE("dates: a rule counts from its first day to before its last, a permit ends with its legal basis, a forbid does not") {
  const auto dated = [](const std::string& effect, const std::string& dates) {
    return compiled(rule("P-ANY", "permit", clause("site.country", "eq", "\"FI\"")) +
                    rule("R", effect, clause("site.country", "in", R"(["FI", "US"])"), "", dates));
  };
  const auto at = [](const RuleSet& rules, const Evidence& site, UtcTime now) {
    return verdict_on(rules, {.site = site, .now = now}).code;
  };
  const auto permit = dated("permit", "effective_from = 2027-01-02\neffective_until = 2027-01-03\n");
  CHECK(at(permit, kAmerica, day(0)) == Code::no_permit);
  CHECK(at(permit, kAmerica, day(1)) == Code::permitted);
  CHECK(at(permit, kAmerica, day(2)) == Code::no_permit);
  const auto based = dated("permit", "basis_until = 2027-01-02\n");
  CHECK(at(based, kAmerica, day(0)) == Code::permitted);
  CHECK(at(based, kAmerica, day(1)) == Code::no_permit);
  const auto forbid = dated("forbid", "basis_until = 2027-01-02\n");
  CHECK(at(forbid, kAtFinland, day(0)) == Code::forbidden);
  CHECK(at(forbid, kAtFinland, day(1)) == Code::forbidden);
}

TEST_CASE("many rules: each bit of every word is its own rule") {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += rule("P-" + std::to_string(i), "permit", clause("site.id", "eq", "\"s" + std::to_string(i) + "\""));
  const auto rules = compiled(text);
  for (int i = 0; i < 200; ++i)
    CHECK(verdict_on(rules, {.site = {fact(Attribute::site_id, "s" + std::to_string(i))}}).code == Code::permitted);
  CHECK(verdict_on(rules, {.site = {fact(Attribute::site_id, "s200")}}).code == Code::no_permit);
}

TEST_CASE("all packs together have a limit") {
  auto a = good_pack(rule("A", "permit", clause("site.country", "eq", "\"FI\""))), b = a;
  b.id = "other";
  b.rules.clear();
  for (std::size_t i = 0; i + 1 < kMostRules; ++i) {
    b.rules.push_back(a.rules[0]);
    b.rules.back().id = "B-" + std::to_string(i);
  }
  const auto rules = RuleSet::compile({a, b});
  REQUIRE(rules);
  CHECK(verdict_on(*rules, {.site = kAtFinland}).code == Code::permitted);
  b.rules.push_back(b.rules.back());
  b.rules.back().id = "C";
  const auto more = RuleSet::compile({a, b});
  REQUIRE_FALSE(more);
  REQUIRE(more.error().faults.size() == 1);
  CHECK(more.error().faults[0].message == "are 4097 in all packs; at most 4096");
}

TEST_CASE("the policy hash is of what is decided, not of how it is written") {
  const auto one = rule("A", "permit", clause("site.country", "in", R"(["FI", "US"])"));
  const auto two = rule("B", "forbid", clause("site.status", "eq", "\"leaving\""));
  const auto hash = [](const std::string& text) { return policy_hash(std::vector{good_pack(text)}); };
  CHECK(hash(one + two) == hash("# a comment\n" + two + one));
  CHECK(hash(one) == hash(rule("A", "permit", clause("site.country", "in", R"(["US", "FI"])"))));
  CHECK(hash(one) != hash(rule("A", "permit", clause("site.country", "in", R"(["US", "SE"])"))));
  CHECK(hash(one) != hash(rule("A", "forbid", clause("site.country", "in", R"(["FI", "US"])"))));
  CHECK(hash(one).size() == 64);
}

TEST_CASE("packs that do not go together are not compiled: every reason is told") {
  auto a = good_pack(kSets + rule("A", "permit", clause("site.country", "in_set", "\"EU@1\"")));
  auto b = a;
  b.file = "q.toml";
  b.sets[0].values = {"DE"};
  const auto together = RuleSet::compile({a, b});
  REQUIRE_FALSE(together);
  REQUIRE(together.error().faults.size() == 3);
  CHECK(together.error().faults[0].where == "q.toml:1: meta.id");
  CHECK(together.error().faults[0].message == "is that of p.toml too; load one of them");
  REQUIRE(b.sets[0].line > 1);
  CHECK(together.error().faults[1].where == "q.toml:" + std::to_string(b.sets[0].line) + ": set[EU@1]");
  CHECK(together.error().faults[1].message.contains("needs a new version"));
  CHECK(together.error().faults[2].where == "q.toml:" + std::to_string(b.rules[0].line) + ": rule[A]");
  CHECK(together.error().faults[2].message.contains("is also in p.toml"));
  b.rules[0].line = 0;  // of a pack that was not read from a file
  const auto unread = RuleSet::compile({a, b});
  REQUIRE_FALSE(unread);
  CHECK(unread.error().faults.back().where == "q.toml:1: rule[A]");
  b.id = "other";
  b.sets = a.sets;
  b.rules[0].id = "B";
  CHECK(RuleSet::compile({a, b}));
}
