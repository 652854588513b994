// SPDX-License-Identifier: Apache-2.0
#include "broker/app/regulations.hpp"

#include "broker/core/time_text.hpp"
#include "connectors/assembly/regulations.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>

using namespace hansa;
using rules::Attribute;

namespace {

const std::filesystem::path kSource = HANSA_SOURCE_DIR;
const std::filesystem::path kPacks = kSource / "policies/packs";

config::BrokerConfig with_packs(std::vector<std::string> packs) {
  config::BrokerConfig config;
  config.rules.packs = std::move(packs);
  return config;
}

const engine::RegisterFact* told(const engine::RegisterFacts& facts, Attribute attribute) {
  const auto at = std::ranges::find(facts, attribute, &engine::RegisterFact::attribute);
  return at == facts.end() ? nullptr : &*at;
}

}  // namespace

TEST_CASE("the example under rules is ready to be in force") {
  const auto config = config::load_broker_config(kSource / "config/examples/sovereign.toml");
  REQUIRE(config);
  const auto regulations = app::regulations_of(*config, kPacks);
  REQUIRE(regulations);
  REQUIRE(regulations->rules);
  CHECK(connectors::assembly::packs_in(*regulations->rules) == "gdpr-eea 1.0.0, open-science 1.0.0");

  const auto& alpha = regulations->sites.at(SiteId("alpha"));
  REQUIRE(told(alpha, Attribute::site_status) != nullptr);
  CHECK(told(alpha, Attribute::site_status)->as_of == *parse_utc("2026-11-20"));
  CHECK(told(alpha, Attribute::site_country)->as_of == *parse_utc("2026-09-15"));
  CHECK(told(alpha, Attribute::site_labels)->value == rules::Value(std::vector<std::string>{"iso-27001"}));
  CHECK(told(alpha, Attribute::site_encryption_at_rest)->value == rules::Value(true));
  CHECK(told(alpha, Attribute::site_eurohpc) == nullptr);
  CHECK(told(alpha, Attribute::site_kind)->value == rules::Value(std::string("cluster")));
  CHECK(told(regulations->broker, Attribute::site_kind)->value == rules::Value(std::string("broker")));
  CHECK(told(regulations->projects.at(ProjectId("ai-lab")), Attribute::project_labels)->as_of == std::nullopt);
  const auto& alice = regulations->people.at(Principal("local:alice"));
  CHECK(told(alice, Attribute::user_assurance)->value == rules::Value(std::string("medium")));
  CHECK(told(alice, Attribute::user_id) == nullptr);
  // Of each attribute once: what is told twice is not believed.
  for (const auto* facts : {&alpha, &regulations->broker, &alice}) {
    for (const auto& fact : *facts) CHECK(std::ranges::count(*facts, fact.attribute, &engine::RegisterFact::attribute) == 1);
  }
}

TEST_CASE("all shipped packs go together") {
  const auto all = app::regulations_of(with_packs({"ai-act-compute", "ehds-health", "eurohpc-access", "export-control",
                                                   "gdpr-eea", "open-science", "trade-secret"}),
                                       kPacks);
  REQUIRE(all);
  CHECK(all->rules->packs().size() == 7);
}

TEST_CASE("a place without a date has no facts but its name") {
  auto config = with_packs({});
  config.sites.push_back({.id = SiteId("alpha"), .country = "FI"});
  const auto regulations = app::regulations_of(config, kPacks);
  REQUIRE(regulations);
  CHECK_FALSE(regulations->rules);
  CHECK(told(regulations->sites.at(SiteId("alpha")), Attribute::site_country) == nullptr);
  CHECK(told(regulations->sites.at(SiteId("alpha")), Attribute::site_id) != nullptr);
}

TEST_CASE("packs that cannot be read, or fail their own tests, are told by name and not taken") {
  const auto missing = app::regulations_of(with_packs({"open-science", "no-such", "/no/such.toml"}), kPacks);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == "BAD_RULE_PACK");
  REQUIRE(missing.error().faults.size() == 2);
  CHECK(missing.error().faults[0].where == (kPacks / "no-such.toml").string());
  CHECK(missing.error().faults[1].where == "/no/such.toml");

  const auto file = std::filesystem::temp_directory_path() / "hansa-untested-pack.toml";
  std::ofstream(file)
      << "[meta]\nid = \"own\"\nversion = \"1.0.0\"\napproved_by = [\"a@b\", \"c@d\"]\ndefault = \"deny\"\n"
         "[[rule]]\nid = \"P\"\neffect = \"permit\"\nactions = [\"place\"]\n"
         "when = [{attr = \"site.status\", op = \"eq\", value = \"member\"}]\nlegal_basis = \"x\"\nowner = \"o@b\"\n";
  const auto untested = app::regulations_of(with_packs({"open-science", file.string()}), kPacks);
  std::filesystem::remove(file);
  REQUIRE_FALSE(untested);
  CHECK(untested.error().faults.front().where.starts_with(file.string() + ":"));
}
