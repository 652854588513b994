// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/explain.hpp"

#include "tests/unit/rules/pack_text.hpp"

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

const std::string kRules =
    kSets +
    rule("P-PERSONAL", "permit",
         clause("dataset.labels", "any_of", R"(["personal"])") + ", " + clause("site.country", "in_set", "\"EU@1\"") + ", " +
             clause("site.status", "eq", "\"member\""),
         "", "obligations = [\"encrypt_scratch\", \"keep_log_days:30\"]\n") +
    rule("F-PERSONAL", "forbid", clause("dataset.labels", "any_of", R"(["personal"])"),
         clause("site.country", "in_set", "\"EU@1\"") + ", " + clause("site.operator_country", "in_set", "\"EU@1\""),
         "obligations = [\"notify_owner\"]\n") +
    rule("F-LEAVING", "forbid", clause("site.status", "eq", "\"leaving\""));

struct Asked {
  std::string country = "FI";
  std::string operator_country = "FI";
  std::string status = "member";
  std::vector<std::string> labels = {"personal"};
  UtcTime operator_told = day(0);
};

Explanation why(const Asked& asked, std::string_view dataset_id = "d-1") {
  auto compiled = RuleSet::compile({good_pack(kRules)});
  REQUIRE(compiled);
  const Evidence job;
  Evidence site{fact(Attribute::site_country, asked.country), fact(Attribute::site_status, asked.status)};
  if (!asked.operator_country.empty())
    site.push_back(fact(Attribute::site_operator_country, asked.operator_country, asked.operator_told));
  Evidence dataset{fact(Attribute::dataset_labels, asked.labels)};
  if (!dataset_id.empty()) dataset.push_back(fact(Attribute::dataset_id, std::string(dataset_id)));
  const auto bound_job = compiled->bind(Subject::job, job, day(0));
  const auto bound_site = compiled->bind(Subject::site, site, day(0));
  const std::vector datasets{compiled->bind(Subject::dataset, dataset, day(0))};
  return explain(*compiled, Action::place, bound_job, bound_site, datasets);
}

}  // namespace

TEST_CASE("why yes: the permit, and the obligations of permits and of forbids that were lifted") {
  const auto yes = why({});
  CHECK(yes.code == Code::permitted);
  REQUIRE(yes.applied.size() == 1);
  CHECK(yes.applied[0].rule == "P-PERSONAL");
  CHECK(yes.applied[0].pack == "test 1.0.0");
  CHECK(yes.applied[0].owner == "o@example");
  CHECK(yes.obligations == std::vector<std::string>{"encrypt_scratch", "keep_log_days:30", "notify_owner"});
  CHECK(yes.allowed_if.empty());
  CHECK(yes.lacking.empty());
  CHECK(yes.sentence == "place is permitted by P-PERSONAL.");
}

TEST_CASE("obligations bind where every rule has some") {
  const auto rules = RuleSet::compile({good_pack(rule("P", "permit", kFinland, "", "obligations = [\"notify_owner\"]\n"))});
  REQUIRE(rules);
  const Evidence site{fact(Attribute::site_country, "FI")};
  const Evidence job;
  const auto yes =
      explain(*rules, Action::place, rules->bind(Subject::job, job, day(0)), rules->bind(Subject::site, site, day(0)), {});
  CHECK(yes.code == Code::permitted);
  CHECK(yes.obligations == std::vector<std::string>{"notify_owner"});
}

TEST_CASE("of many rules the one that applies is named, wherever it stands") {
  std::string text;
  for (int i = 0; i < 150; ++i)
    text += rule("P-" + std::to_string(i), "permit", clause("site.id", "eq", "\"s" + std::to_string(i) + "\""));
  const auto rules = RuleSet::compile({good_pack(text)});
  REQUIRE(rules);
  const Evidence job;
  for (int i = 0; i < 150; ++i) {
    const Evidence site{fact(Attribute::site_id, "s" + std::to_string(i))};
    const auto yes =
        explain(*rules, Action::place, rules->bind(Subject::job, job, day(0)), rules->bind(Subject::site, site, day(0)), {});
    REQUIRE(yes.applied.size() == 1);
    CHECK(yes.applied[0].rule == "P-" + std::to_string(i));
  }
}

TEST_CASE("why no: the forbid, and what would lift it together with what a permit would need") {
  const auto no = why({.country = "CH", .operator_country = "US"});
  CHECK(no.code == Code::forbidden);
  CHECK(no.dataset == "d-1");
  REQUIRE(no.applied.size() == 1);
  CHECK(no.applied[0].rule == "F-PERSONAL");
  CHECK(no.allowed_if ==
        std::vector<Condition>{
            {"P-PERSONAL", "the site's country is in EU@1", "CH, from the site descriptor, 0s old"},
            {"F-PERSONAL", "the site's country is in EU@1", "CH, from the site descriptor, 0s old"},
            {"F-PERSONAL", "the country of the site's operator is in EU@1", "US, from the site descriptor, 0s old"}});
  CHECK(no.obligations.empty());
  CHECK(no.sentence ==
        "place of dataset d-1 is forbidden by F-PERSONAL: Forbids place when the dataset's labels include any of personal, "
        "unless the "
        "site's country is in EU@1 and the country of the site's operator is in EU@1. It would be allowed if the site's country "
        "is in EU@1 "
        "(now: CH, from the site descriptor, 0s old) and the country of the site's operator is in EU@1 (now: US, from the site "
        "descriptor, 0s old).");
}

TEST_CASE("what nothing lifts is said so") {
  const auto no = why({.status = "leaving"});
  CHECK(no.code == Code::forbidden);
  CHECK(no.allowed_if.empty());
  CHECK(no.sentence.ends_with("Nothing would lift that here."));
}

TEST_CASE("no rule permits: the nearest permit and the clause that failed") {
  const auto no = why({.status = "suspended"});
  CHECK(no.code == Code::no_permit);
  CHECK(no.applied.empty());
  CHECK(no.allowed_if ==
        std::vector<Condition>{{"P-PERSONAL", "the site's membership is member", "suspended, from the site descriptor, 0s old"}});
}

TEST_CASE("evidence that lacks is named with what is wrong with it") {
  const auto none = why({.operator_country = ""});
  CHECK(none.code == Code::evidence_missing);
  CHECK(none.lacking == std::vector{Attribute::site_operator_country});
  CHECK(none.allowed_if == std::vector<Condition>{{"F-PERSONAL", "the country of the site's operator is in EU@1",
                                                   "missing from the site descriptor"}});
  const auto old = why({.operator_told = day(-400)});
  CHECK(old.code == Code::evidence_missing);
  CHECK(old.allowed_if[0].found == "stale, from the site descriptor, 400d old");
  CHECK(old.sentence.contains("evidence is missing: site.operator_country (stale)"));
}

TEST_CASE("every fact that was looked at, with value, source and age") {
  const auto facts = why({.operator_told = day(-3)}, "").facts;
  REQUIRE(facts.size() == 4);
  CHECK(facts[0] == SeenFact{Attribute::dataset_labels, FactState::known, "personal", Source::dataset_registry, Seconds{0}});
  CHECK(facts[3] ==
        SeenFact{Attribute::site_operator_country, FactState::known, "FI", Source::site_descriptor, Seconds{3 * 86'400}});
}

TEST_CASE("a dataset without an id is told by its number") { CHECK(why({.country = "CH"}, "").dataset == "number 1"); }

TEST_CASE("as JSON") {
  const auto json = to_json(why({.country = "CH"}));
  CHECK(json["allowed"] == false);
  CHECK(json["code"] == "FORBIDDEN");
  CHECK(json["dataset"] == "d-1");
  CHECK(json["policy_hash"].get<std::string>().size() == 64);
  CHECK(json["applied"][0]["legal_basis"] == "a law");
  CHECK(json["facts"][0]["age_s"] == 0);
  CHECK(json["allowed_if"].size() == 2);
}

TEST_CASE("the remedy is the permit that is nearest in meaning: data are not to be called something else") {
  const auto open = rule("P-OPEN", "permit", clause("dataset.labels", "within", R"(["open"])"));
  const auto health = rule("P-HEALTH", "permit", clause("dataset.labels", "any_of", R"(["health"])"));
  auto compiled = RuleSet::compile({good_pack(kRules + open + health)});
  REQUIRE(compiled);
  const Evidence job, site{fact(Attribute::site_country, "CH"), fact(Attribute::site_status, "suspended"),
                           fact(Attribute::site_operator_country, "CH")};
  const auto told = [&](const RuleSet& rules, const std::vector<std::string>& labels) {
    const Evidence dataset{fact(Attribute::dataset_labels, labels)};
    const std::vector datasets{rules.bind(Subject::dataset, dataset, day(0))};
    return explain(rules, Action::place, rules.bind(Subject::job, job, day(0)), rules.bind(Subject::site, site, day(0)),
                   datasets);
  };
  // P-OPEN lacks one thing and P-PERSONAL two; but that one thing is that the data were not personal.
  const auto personal = told(*compiled, {"personal"});
  REQUIRE_FALSE(personal.allowed_if.empty());
  CHECK(personal.allowed_if[0] ==
        Condition{"P-PERSONAL", "the site's country is in EU@1", "CH, from the site descriptor, 0s old"});
  for (const auto& condition : personal.allowed_if) CHECK_FALSE(condition.wanted.contains("labels"));
  // Where every permit is for another kind of data, the fewest labels change.
  const auto internal = told(*compiled, {"internal"});
  REQUIRE(internal.allowed_if.size() == 1);
  CHECK(internal.allowed_if[0].wanted.contains("labels"));
}
