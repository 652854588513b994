// SPDX-License-Identifier: Apache-2.0
#pragma once
// tests/data/openpbs: what a real OpenPBS wrote.

#include "connectors/batch/values.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::pbs::test {

inline constexpr std::string_view kSeparator = "z0000000000000000";  // of a Random that has only zeros

using Fields = std::vector<std::pair<std::string, std::string>>;

/// One record, which begins with `start` ("Job Id: 1.s").
inline std::string record(const std::string& start, const Fields& fields) {
  std::string text = start;
  for (const auto& [name, value] : fields) text.append(kSeparator).append(name).append("=").append(value);
  return text + '\n';
}

inline std::string capture(std::string_view name) {
  std::ifstream file(std::string(HANSA_SOURCE_DIR "/tests/data/openpbs/").append(name), std::ios::binary);
  INFO(name);
  REQUIRE(file.is_open());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Of a file with "# NAME" before the records of each case: what follows it, all of a name's parts together.
inline std::map<std::string, std::string> cases_of(std::string_view name) {
  std::map<std::string, std::string> cases;
  const auto whole = capture(name);
  std::string_view text = whole;
  std::string at;
  while (!text.empty()) {
    const auto line = batch::cut(text, '\n');
    if (line.starts_with("# ")) {
      at = line.substr(2);
    } else {
      cases[at].append(line).push_back('\n');
    }
  }
  return cases;
}

}  // namespace hansa::connectors::pbs::test
