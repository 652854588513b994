// SPDX-License-Identifier: Apache-2.0
#include "config/accounts.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::config;

TEST_CASE("an accounts file maps people to accounts") {
  const auto accounts =
      parse_accounts("# who is who\n\"local:alice\" = \"alice\"\n\"oidc-csc:a1b2:c3@x\" = 'x_alice.b'\n", "a.toml");
  REQUIRE(accounts);
  CHECK(*accounts == AccountMap{{Principal("local:alice"), LocalAccount("alice")},
                                {Principal("oidc-csc:a1b2:c3@x"), LocalAccount("x_alice.b")}});
  CHECK(parse_accounts("", "a.toml")->empty());
}

TEST_CASE("all faults of an accounts file come at once") {
  const auto accounts = parse_accounts(
      "\"local:ok\" = \"ok\"\n"
      "\"alice\" = \"alice\"\n"          // no issuer
      "\"Local:bob\" = \"bob\"\n"        // no such issuer's name
      "\"local:\" = \"bob\"\n"
      "\"local:c d\" = \"cd\"\n"
      "\"local:e\" = \"-rf\"\n"
      "\"local:f\" = \"1000\"\n"         // would be taken for a user id
      "\"local:g\" = \"a/b\"\n"
      "\"local:h\" = \"\"\n"
      "\"local:i\" = 1000\n"
      "\"local:j\" = [\"j\"]\n"
      "local.k = \"k\"\n"
      "\"bad\" = \"1\"\n",               // both sides wrong: two faults
      "a.toml");
  REQUIRE_FALSE(accounts);
  CHECK(accounts.error().code == "BAD_CONFIGURATION");
  std::vector<std::string> where;
  for (const auto& fault : accounts.error().faults) where.push_back(fault.where);
  CHECK(where == std::vector<std::string>{"a.toml:2: \"alice\"", "a.toml:3: \"Local:bob\"", "a.toml:4: \"local:\"",
                                          "a.toml:5: \"local:c d\"", "a.toml:6: \"local:e\"", "a.toml:7: \"local:f\"",
                                          "a.toml:8: \"local:g\"", "a.toml:9: \"local:h\"", "a.toml:10: \"local:i\"",
                                          "a.toml:11: \"local:j\"", "a.toml:12: \"local\"", "a.toml:13: \"bad\"",
                                          "a.toml:13: \"bad\""});
  CHECK_THAT(accounts.error().faults[0].message,
             Catch::Contains("the key is \"alice\"; allowed: a person as \"<issuer>:<subject>\""));
  CHECK_THAT(accounts.error().faults[4].message, Catch::Contains("is \"-rf\"; allowed: a Unix account's name"));
}

TEST_CASE("a person stands in an accounts file once") {
  const auto accounts = parse_accounts("\"local:a\" = \"a\"\n\"local:a\" = \"b\"\n", "a.toml");
  REQUIRE_FALSE(accounts);
  CHECK(accounts.error().code == "TOML_SYNTAX");
  CHECK_THAT(accounts.error().faults[0].where, Catch::StartsWith("a.toml:2:"));
}

TEST_CASE("an accounts file that is not there is told by its name") {
  const auto accounts = load_accounts("/nonexistent/a.toml");
  REQUIRE_FALSE(accounts);
  CHECK(accounts.error().code == "CONFIG_NOT_FOUND");
  CHECK_THAT(accounts.error().message, Catch::Contains("/nonexistent/a.toml"));
}
