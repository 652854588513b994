// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/check.hpp"
#include "tests/unit/rules/pack_text.hpp"

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

std::vector<SiteFacts> good_sites(const std::string& text) {
  auto sites = parse_sites(text, "s.toml", day(0));
  REQUIRE(sites);
  return std::move(*sites);
}

const std::string kSiteRules =
    kSets +
    rule("P", "permit",
         clause("dataset.labels", "any_of", R"(["personal"])") + ", " + clause("site.country", "in_set", "\"EU@1\"") + ", " +
             clause("user.assurance", "eq", "\"high\"")) +
    rule("F", "forbid", clause("dataset.labels", "any_of", R"(["health"])"), clause("site.secure_processing", "eq", "true")) +
    rule("P-HEALTH", "permit",
         clause("dataset.labels", "any_of", R"(["health"])") + ", " + clause("site.id", "in_set", "\"SITES@1\""));

std::vector<std::string> unserved(const std::string& sites) {
  const auto known = good_sites(sites);
  std::vector<std::string> messages;
  for (const auto& fault : check(std::vector{good_pack(kSiteRules)}, {.now = {}, .sites = known, .sites_file = "s.toml"}))
    messages.push_back(fault.message);
  return messages;
}

}  // namespace

TEST_CASE("a hansad.toml is read as far as it concerns rules") {
  const auto sites = good_sites(
      "[broker]\nname = \"x\"\n[[site]]\nid = \"alpha\"\ncountry = \"FI\"\nconnector = \"slurm\"\n"
      "facts = {as_of = 2026-11-01, evidence = \"a report\", operator_country = \"SE\", labels = [\"c5\"], secure_processing = "
      "false}\n[[site]]\nid = \"beta\"\n");
  REQUIRE(sites.size() == 2);
  CHECK(sites[0].id == "alpha");
  CHECK(find_fact(sites[0].facts, Attribute::site_operator_country, day(0)).state == FactState::known);
  CHECK(text_of(find_fact(sites[0].facts, Attribute::site_kind, day(0)).fact->value) == "cluster");
  CHECK(find_fact(sites[1].facts, Attribute::site_country, day(0)).state == FactState::missing);
}

TEST_CASE("a sites file's faults") {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "write a [[site]] block"},
      {"site = 1", "write a [[site]] block"},
      {"site = [1]", "is 1; allowed: a table"},
      {"[[site]]\ncountry = \"FI\"", "id: is missing"},
      {"[[site]]\nid = \"a\"\ncountry = \"UK\"", "did you mean \"GB\"?"},
      {"[[site]]\nid = \"a\"\nfacts = 1", "is 1; allowed: a table"},
      {"[[site]]\nid = \"a\"\nfacts = {operator_contry = \"FI\"}", "did you mean \"operator_country\"?"},
      {"[[site]]\nid = \"a\"\nfacts = {egress = \"closed\"}", "allowed: open, logged, airlock"},
  };
  for (const auto& [text, message] : kCases) {
    CAPTURE(text);
    const auto sites = parse_sites(text, "s.toml", day(0));
    REQUIRE_FALSE(sites);
    CHECK(sites.error().code == "BAD_SITES_FILE");
    REQUIRE(sites.error().faults.size() == 1);
    CHECK_THAT(sites.error().faults[0].where + ": " + sites.error().faults[0].message, Catch::Contains(message));
  }
}

TEST_CASE("a label that some site can serve") {
  CHECK(unserved("[[site]]\nid = \"alpha\"\ncountry = \"FI\"\nfacts = {secure_processing = true}\n").empty());
  CHECK(unserved("[[site]]\nid = \"beta\"\ncountry = \"US\"\nfacts = {secure_processing = true}\n[[site]]\nid = "
                 "\"gamma\"\ncountry = \"DE\"\n")
            .empty());
}

TEST_CASE("a label that no site can serve, with what stands in the way at each") {
  auto messages = unserved("[[site]]\nid = \"beta\"\ncountry = \"US\"\nfacts = {secure_processing = true}\n");
  REQUIRE(messages.size() == 1);
  CHECK(messages[0] == "no site of s.toml can hold data labelled personal (beta: P needs that the site's country is in EU@1)");
  messages = unserved("[[site]]\nid = \"alpha\"\ncountry = \"FI\"\n");  // nobody has told about secure processing
  REQUIRE(messages.size() == 1);
  CHECK(
      messages[0] ==
      "no site of s.toml can hold data labelled health (alpha: F forbids it unless the site is a secure processing environment)");
}
