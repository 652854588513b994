// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/policy_packs.hpp"

#include "broker/cli/files.hpp"
#include "policies/rules/load.hpp"
#include "policies/rules/parse_pack.hpp"

#include <algorithm>
#include <filesystem>

namespace hansa::cli {
namespace {

/// The operand itself, or the packs in it, by name.
std::vector<std::string> files_of(const std::string& operand, std::vector<Fault>& faults) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(operand, error)) return {operand};
  std::vector<std::string> files;
  for (fs::directory_iterator entry(operand, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".toml") files.push_back(entry->path().string());
  }
  if (error)
    faults.push_back({operand, "cannot be read: " + error.message()});
  else if (files.empty())
    faults.push_back({operand, "has no pack: no file in it ends in .toml"});
  std::ranges::sort(files);
  return files;
}

}  // namespace

Result<std::vector<rules::Pack>> read_packs(std::span<const std::string> operands) {
  std::vector<rules::PackText> texts;
  std::vector<Fault> faults;
  for (const auto& operand : operands) {
    for (const auto& file : files_of(operand, faults)) {
      if (auto read = read_file(file, rules::kMostPackBytes))
        texts.push_back({file, std::move(read->text)});
      else
        faults.push_back({file, read.error().message});
    }
  }
  auto packs = rules::parse_packs(texts);
  if (!packs) faults.insert(faults.end(), packs.error().faults.begin(), packs.error().faults.end());
  if (faults.empty()) return packs;
  return std::unexpected(
      Error{.kind = ErrorKind::invalid_argument,
            .code = "BAD_RULE_PACK",
            .message = "no rule pack is taken; " + std::to_string(faults.size()) + (faults.size() == 1 ? " fault:" : " faults:"),
            .faults = std::move(faults)});
}

}  // namespace hansa::cli
