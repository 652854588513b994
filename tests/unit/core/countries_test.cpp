// SPDX-License-Identifier: Apache-2.0
#include "broker/core/countries.hpp"

#include <catch2/catch.hpp>

using namespace hansa;

TEST_CASE("countries are ISO 3166-1 alpha-2 codes") {
  for (const auto* code : {"FI", "AD", "ZW", "GB", "AX", "SJ"}) CHECK(is_country(code));
  for (const auto* code : {"", "F", "UK", "EU", "XK", "fi", "FIN", "ZZ", "IA"}) CHECK_FALSE(is_country(code));
  CHECK(country_meant_by("uk") == "GB");
  CHECK(country_meant_by("se") == "SE");
  CHECK(country_meant_by("qq").empty());
}

TEST_CASE("a country has its place among all") {
  CHECK(country_index("AD") == 0);
  CHECK(country_index("ZW") == kCountryCount - 1);
  CHECK_FALSE(country_index("XK"));
}
