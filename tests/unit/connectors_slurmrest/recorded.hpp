// SPDX-License-Identifier: Apache-2.0
#pragma once
// tests/data/slurm/rest: what real slurmrestds answered (its README.md).

#include "broker/http/message.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

namespace hansa::connectors::slurmrest::test {

inline constexpr std::string_view kVersions[] = {"v0.0.38", "v0.0.42", "v0.0.43", "v0.0.44", "v0.0.45"};

inline std::string file(std::string_view name) {
  std::ifstream file(std::string(HANSA_SOURCE_DIR "/tests/data/slurm/rest/").append(name), std::ios::binary);
  INFO(name);
  REQUIRE(file.is_open());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// By name; each "NAME\tSTATUS\tBYTES\n", the body, '\n'.
inline std::map<std::string, http::Response> read_cases(std::string_view version) {
  const auto text = file(std::string(version) + ".cases");
  std::map<std::string, http::Response> cases;
  for (std::size_t at = 0; at < text.size();) {
    const auto line_end = text.find('\n', at);
    std::istringstream head(text.substr(at, line_end - at));
    std::string name;
    int status = 0;
    std::size_t bytes = 0;
    head >> name >> status >> bytes;
    REQUIRE(line_end + 1 + bytes < text.size());
    cases.emplace(name, http::Response{.status = status, .body = text.substr(line_end + 1, bytes)});
    at = line_end + 1 + bytes + 1;
  }
  return cases;
}

inline const std::map<std::string, http::Response>& cases(std::string_view version) {
  static std::map<std::string, std::map<std::string, http::Response>> read;
  const auto [at, is_new] = read.try_emplace(std::string(version));
  if (is_new) at->second = read_cases(version);
  return at->second;
}

inline http::Response answer(std::string_view version, const std::string& name) {
  INFO(version << " " << name);
  const auto found = cases(version).find(name);
  REQUIRE(found != cases(version).end());
  return found->second;
}

}  // namespace hansa::connectors::slurmrest::test
