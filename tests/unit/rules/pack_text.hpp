// SPDX-License-Identifier: Apache-2.0
#pragma once
// Packs for tests, as text: a good [meta], and rules in which only what matters need be said.

#include "policies/rules/parse_pack.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace hansa::rules::test {

inline const std::string kMeta =
    "[meta]\nid = \"test\"\nversion = \"1.0.0\"\napproved_by = [\"a@example\", \"b@example\"]\ndefault = \"deny\"\n";  // 5 lines

inline const std::string kSets =
    "[[set]]\nid = \"EU@1\"\nbasis = \"a list\"\ncountries = [\"DE\", \"FI\", \"FR\"]\n"
    "[[set]]\nid = \"SITES@1\"\nbasis = \"a list\"\nids = [\"alpha\", \"beta\"]\n";

inline std::string rule(const std::string& id, const std::string& effect, const std::string& when, const std::string& unless = "",
                        const std::string& more = "", const std::string& actions = "\"place\"") {
  return "[[rule]]\nid = \"" + id + "\"\neffect = \"" + effect + "\"\nactions = [" + actions + "]\nwhen = [" + when + "]\n" +
         (unless.empty() ? "" : "unless = [" + unless + "]\n") + "legal_basis = \"a law\"\nowner = \"o@example\"\n" + more;
}

inline std::string clause(const std::string& attribute, const std::string& op, const std::string& value) {
  return "{attr = \"" + attribute + "\", op = \"" + op + "\", value = " + value + "}";
}
inline const std::string kFinland = clause("site.country", "eq", "\"FI\"");

inline std::string compared(const std::string& attribute, const std::string& op, const std::string& other) {
  return "{attr = \"" + attribute + "\", op = \"" + op + "\", other = \"" + other + "\"}";
}

inline Pack good_pack(const std::string& text) {
  auto pack = parse_pack(kMeta + text, "p.toml");
  if (!pack) {
    for (const auto& fault : pack.error().faults) UNSCOPED_INFO(fault.where << ": " << fault.message);
  }
  REQUIRE(pack);
  return std::move(*pack);
}

inline UtcTime day(int n) { return from_unix_seconds(1'798'761'600 + n * 86'400LL); }  // day 0: 2027-01-01

inline Fact fact(Attribute attribute, Value value, UtcTime at = day(0)) {
  return {attribute, std::move(value), record_of(attribute).source, at};
}

}  // namespace hansa::rules::test
