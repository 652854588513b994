// SPDX-License-Identifier: Apache-2.0
#include "broker/core/toml_findings.hpp"

#include <algorithm>

namespace hansa {
namespace {

constexpr std::size_t kMostFaults = 1000;  // beyond that it is another kind of file
constexpr TomlMark kAtEnd{UINT32_MAX, 0};

}  // namespace

void TomlFindings::add(TomlMark at, std::string_view key, std::string message) {
  if (found_.size() < kMostFaults) {
    found_.emplace(at, Found{std::string(key), std::move(message)});
  } else if (found_.size() == kMostFaults) {
    found_.emplace(kAtEnd, Found{"", "more than " + std::to_string(kMostFaults) + " faults: the rest is not listed"});
  }
}

std::vector<Fault> TomlFindings::faults() const {
  std::vector<Fault> faults;
  for (const auto& [at, found] : found_) {
    const auto where = file_ + (at == kAtEnd ? "" : ":" + std::to_string(std::max(at.line, 1U)));
    faults.push_back({found.key.empty() ? where : where + ": " + found.key, found.message});
  }
  return faults;
}

}  // namespace hansa
