// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/sentence.hpp"

#include "tests/unit/rules/pack_text.hpp"
#include "tests/unit/rules/random_rules.hpp"

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

TEST_CASE("a rule as a sentence") {
  const auto pack = good_pack(kSets + rule("F", "forbid",
                                           clause("dataset.labels", "any_of", R"(["health", "personal"])") + ", " +
                                               clause("site.secure_processing", "eq", "false") + ", " +
                                               compared("now", "ge", "dataset.permit_until"),
                                           clause("site.country", "in_set", "\"EU@1\"") + ", " +
                                               clause("site.tenant_isolation", "at_least", "\"exclusive-nodes\""),
                                           "", "\"stage_in\", \"place\", \"dispatch\""));
  CHECK(sentence(pack.rules[0]) ==
        "Forbids place, stage_in and dispatch when the dataset's labels include any of health, personal, it is not so that the "
        "site is a "
        "secure processing environment and the time is not before the end of the dataset's data permit, unless the site's "
        "country is in "
        "EU@1 and the site's isolation of tenants is at least exclusive-nodes.");
}

TEST_CASE("every clause has a sentence of its own") {
  RandomRules random(3);
  std::map<std::string, std::string> known;
  for (int i = 0; i < 5000; ++i) {
    const auto clause = random.clause(true);
    // "ne true" and "eq false" of a boolean are the same thing.
    if (record_of(clause.attribute).type == Type::boolean) continue;
    auto text = sentence(clause);
    std::string exact = std::string(record_of(clause.attribute).name) + " " + std::string(record_of(clause.op).name) + " " +
                        clause.set + (clause.other ? std::string(record_of(*clause.other).name) : "");
    for (const auto& value : clause.values) exact += " " + text_of(value);
    const auto [there, added] = known.emplace(text, exact);
    // "in" a list of one and "eq" read alike but for the verb; "le" and "at_most" never go with one type.
    CAPTURE(text);
    REQUIRE(there->second == exact);
  }
}

TEST_CASE("obligations in words") {
  CHECK(sentence_of_obligation("wipe_within_hours:24") == "all copies at the site must be wiped within 24 h of the job's end");
  CHECK(sentence_of_obligation("wipe_within_hours:24 by site") ==
        "all copies at the site must be wiped within 24 h of the job's end; the site sees to it");
  CHECK(sentence_of_obligation("no_stage_out") == "outputs must stay at the site");
}
