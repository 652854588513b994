// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/load.hpp"

#include "tests/unit/rules/pack_text.hpp"

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

std::string good(const std::string& id) {
  return "[meta]\nid = \"" + id + "\"\nversion = \"1.0.0\"\napproved_by = [\"a\", \"b\"]\ndefault = \"deny\"\n" +
         rule("P-" + id, "permit", clause("site.country", "eq", "\"FI\"")) +
         "[[test]]\nname = \"yes\"\naction = \"place\"\ngiven = {site.country = \"FI\"}\nexpect = \"permit\"\n"
         "[[test]]\nname = \"no\"\naction = \"place\"\ngiven = {site.country = \"SE\"}\nexpect = \"deny\"\ncode = "
         "\"NO_PERMIT\"\n";
}

}  // namespace

TEST_CASE("packs are loaded together") {
  const auto rules = load(std::vector<PackText>{{"a.toml", good("a")}, {"b.toml", good("b")}});
  REQUIRE(rules);
  CHECK(rules->rules().size() == 2);
  CHECK(rules->hash().size() == 64);
}

TEST_CASE("one pack that is wrong, fails its tests or is tested one way only: nothing is loaded, and every fault is told") {
  auto untested = good("b");
  untested.erase(untested.find("[[test]]\nname = \"no\""));
  auto failing = good("c");
  failing.replace(failing.rfind("\"SE\""), 4, "\"FI\"");
  const auto rules = load(std::vector<PackText>{{"a.toml", good("a")}, {"b.toml", untested}, {"c.toml", failing}});
  REQUIRE_FALSE(rules);
  CHECK(rules.error().code == "BAD_RULE_PACK");
  REQUIRE(rules.error().faults.size() == 3);  // c's rule is not seen holding back either
  CHECK(rules.error().faults[0].where == "b.toml:6: rule[P-b]");
  CHECK(rules.error().faults[1].where == "c.toml:18: test[no]");
  const auto senseless =
      load(std::vector<PackText>{{"a.toml", good("a") + rule("Z", "forbid", clause("site.country", "eq", "\"FI\""))}});
  REQUIRE_FALSE(senseless);
  bool swallowed = false;
  for (const auto& fault : senseless.error().faults) swallowed = swallowed || fault.message.contains("permits nothing");
  CHECK(swallowed);
  const auto both = load(std::vector<PackText>{
      {"a.toml", good("a") + rule("Z", "forbid", clause("site.country", "eq", "\"FI\""))}, {"b.toml", "[meta"}});
  REQUIRE_FALSE(both);
  REQUIRE(both.error().faults.size() == 2);  // what cannot be read hides nothing of what can
  CHECK(both.error().faults[0].where.starts_with("b.toml:1"));
  CHECK(both.error().faults[1].message.contains("permits nothing"));
}

TEST_CASE("a review that is overdue stops no broker") {
  auto text = good("a");
  text.insert(text.find("[[test]]"), "review_by = 2000-01-01\n");
  CHECK(load(std::vector<PackText>{{"a.toml", text}}));
}
