// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading a pack's tables key by key, and collecting everything that is wrong with them, so that one run shows all faults.

#include "broker/core/error.hpp"
#include "broker/core/toml_findings.hpp"
#include "policies/rules/facts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::rules {

using Findings = TomlFindings;

/// Code BAD_RULE_PACK; the faults in their order.
Error pack_error(std::string_view file, std::vector<Fault> faults);

void append(std::vector<Fault>& to, const std::vector<Fault>& more);

/// A text, in quotes and cut, as a message shows it.
std::string in_quotes(std::string_view text);
/// A value as a message shows it.
std::string seen(const TomlNode& node);

/// What a text must look like.
struct TextForm {
  std::string_view allowed;
  bool (*matches)(std::string_view text);
};
extern const TextForm kSentence;  // one line, at most 500 bytes
extern const TextForm kPackId;
extern const TextForm kRuleId;
extern const TextForm kSetId;
extern const TextForm kVersion;

enum class Need : std::uint8_t { optional, required };

/// The keys of one table. finish() tells those that nobody asked for.
class Fields {
 public:
  Fields(const TomlNode& table, std::string path, Findings& findings)
      : table_(table), path_(std::move(path)), findings_(findings) {}

  const TomlNode* find(std::string_view key, Need need = Need::optional);
  std::string text(std::string_view key, const TextForm& form, Need need = Need::optional);
  /// One of `words`, by its place.
  std::optional<std::size_t> word(std::string_view key, std::span<const std::string_view> words, Need need = Need::optional);
  std::optional<UtcTime> date(std::string_view key);
  std::vector<std::string> texts(std::string_view key, const TextForm& form, Need need = Need::optional);
  /// [[key]] blocks, or a list of inline tables.
  std::vector<const TomlNode*> tables(std::string_view key, Need need = Need::optional);
  void finish();

  void fault(const TomlNode& at, std::string_view key, std::string message) {
    findings_.add(at.at, path_of(key), std::move(message));
  }
  [[nodiscard]] std::string path_of(std::string_view key) const;
  [[nodiscard]] Findings& findings() const { return findings_; }
  [[nodiscard]] std::uint32_t line() const { return table_.at.line; }

 private:
  const TomlNode& table_;
  std::string path_;
  Findings& findings_;
  std::vector<std::string_view> known_;
};

/// A date of TOML as a time; a fault for anything else.
std::optional<UtcTime> read_date(const TomlNode& node, const std::string& path, Findings& findings);

/// One value of `type` (never several), or a fault that says what is allowed and what was probably meant.
std::optional<Scalar> read_scalar(const TomlNode& node, const AttributeRecord& record, const std::string& path,
                                  Findings& findings);

}  // namespace hansa::rules
