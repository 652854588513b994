// SPDX-License-Identifier: Apache-2.0
#include "simulation/sites_file.hpp"

#include <catch2/catch.hpp>

namespace hansa::simulation {

TEST_CASE("a sites file") {
  const auto sites = parse_sites(
      "[[site]]\nid = \"alpha\"\nprocessors = 128\ncountry = \"FI\"\nlocal_share = 0.3\nhidden = true\n"
      "[[site]]\nid = \"beta\"\nprocessors = 64\nlocal_share = 1\n",
      "s.toml");
  REQUIRE(sites);
  REQUIRE(sites->size() == 2);
  CHECK(sites->at(0).id == "alpha");
  CHECK(sites->at(0).cores == 128);
  CHECK(sites->at(0).country == "FI");
  CHECK(sites->at(0).local_share == 300'000);
  CHECK(sites->at(0).hidden);
  CHECK(sites->at(1).country.empty());
  CHECK_FALSE(sites->at(1).hidden);
  CHECK(sites->at(1).local_share == 1'000'000);
}

TEST_CASE("a sites file: every fault with its place and what is allowed") {
  struct Case {
    const char* text;
    const char* where;
    const char* told;
  };
  const Case cases[] = {
      {"", "s.toml: site", "names no site"},
      {"site = 5", "s.toml:1: site", "names no site"},
      {"site = [1]", "s.toml:1: site", "is no table"},
      {"[[site]]\nprocessors = 1", "s.toml:1: id", "is missing"},
      {"[[site]]\nid = \"a\"", "s.toml:1: processors", "is missing"},
      {"[[site]]\nid = \"A b\"\nprocessors = 1", "s.toml:2: id", "allowed: 1 to 32"},
      {"[[site]]\nid = 7\nprocessors = 1", "s.toml:2: id", "is 7"},
      {"[[site]]\nid = \"a\"\nprocessors = 0", "s.toml:3: processors", "whole numbers from 1 to 10000000"},
      {"[[site]]\nid = \"a\"\nprocessors = 10000001", "s.toml:3: processors", "is 10000001"},
      {"[[site]]\nid = \"a\"\nprocessors = 1.5", "s.toml:3: processors", "is a number with a fraction"},
      {"[[site]]\nid = \"a\"\nprocessors = 1\ncountry = \"Finland\"", "s.toml:4: country", "as \"FI\""},
      {"[[site]]\nid = \"a\"\nprocessors = 1\nlocal_share = 1.1", "s.toml:4: local_share", "allowed: 0 to 1"},
      {"[[site]]\nid = \"a\"\nprocessors = 1\nlocal_share = nan", "s.toml:4: local_share", "allowed: 0 to 1"},
      {"[[site]]\nid = \"a\"\nprocessors = 1\nlocal_share = \"x\"", "s.toml:4: local_share", "allowed: 0 to 1"},
      {"[[site]]\nid = \"a\"\nprocessors = 1\nhidden = 1", "s.toml:4: hidden", "allowed: true or false"},
      {"[[site]]\nid = \"a\"\nprocesors = 1\nprocessors = 1", "s.toml:3: procesors", "did you mean \"processors\"?"},
      {"[[site]]\nid = \"a\"\nprocessors = 1\n[[site]]\nid = \"a\"\nprocessors = 1", "s.toml:4: id", "is there twice"},
      {"[[site]]\nid = \"a\"\nprocessors = 1\n[other]", "s.toml:4: other", "is unknown"},
  };
  for (const auto& [text, where, told] : cases) {
    CAPTURE(text);
    const auto sites = parse_sites(text, "s.toml");
    REQUIRE_FALSE(sites);
    CHECK(sites.error().code == "BAD_SITES");
    REQUIRE(sites.error().faults.size() == 1);
    CHECK_THAT(sites.error().faults[0].where, Catch::Equals(where));
    CHECK_THAT(sites.error().faults[0].message, Catch::Contains(told));
  }
  CHECK(parse_sites("[[site]]\nid = 1\nprocessors = 0\nx = 1", "s.toml").error().faults.size() == 3);
  CHECK(parse_sites("[[site", "s.toml").error().code == "TOML_SYNTAX");
}

}  // namespace hansa::simulation
