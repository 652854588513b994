// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads tables by their records and collects everything that is wrong, so that one run shows all faults.

#include "broker/core/toml_findings.hpp"
#include "config/keys.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::config {

using Findings = TomlFindings;

/// Code BAD_CONFIGURATION.
Error configuration_error(std::string_view file, std::vector<Fault> faults);

/// A table under its full name ("site[alpha].budget").
struct Table {
  const Node* node = nullptr;
  std::string path;

  [[nodiscard]] std::string path_of(std::string_view key) const;
  [[nodiscard]] const Node* find(std::string_view key) const { return node == nullptr ? nullptr : node->find(key); }
  /// Where `key` stands, or else the table.
  [[nodiscard]] Mark mark_of(std::string_view key) const;
};

/// The table `name` within `parent`. One that is missing reads as empty; anything else is a fault and gives nothing.
std::optional<Table> sub_table(const Table& parent, std::string_view name, Findings& findings);

/// `value` as `record` wants it (file paths made absolute), or a fault for each thing that is wrong with it.
std::optional<Node> check_value(const Record& record, const Node& value, const std::string& path, Findings& findings);

/// A text by its form, or what is wrong with it: `is "XX"; allowed: ...`.
std::optional<std::string> text_fault(const Form& form, std::string_view text);

void missing_key(const Table& table, const Record& record, Findings& findings);
void check_unknown_keys(const Table& table, std::span<const std::string_view> known, Findings& findings);

/// Reads the keys of `S` and checks that nothing else stands in the table but `sub_tables`.
template <typename S>
void read_keys(const Table& table, std::span<const std::string_view> sub_tables, S& out, Findings& findings) {
  std::vector<std::string_view> known(sub_tables.begin(), sub_tables.end());
  for (const auto& key : keys_of<S>()) {
    known.push_back(key.record.name);
    if (const Node* value = table.find(key.record.name)) {
      if (const auto checked = check_value(key.record, *value, table.path_of(key.record.name), findings)) key.set(out, *checked);
    } else if (key.record.required) {
      missing_key(table, key.record, findings);
    }
  }
  check_unknown_keys(table, known, findings);
}

/// The table `name` within `parent`, read; nothing if it is no table.
template <typename S>
std::optional<Table> read_table(const Table& parent, std::string_view name, std::span<const std::string_view> sub_tables, S& out,
                                Findings& findings) {
  auto table = sub_table(parent, name, findings);
  if (table) read_keys(*table, sub_tables, out, findings);
  return table;
}

/// The elements of [[name]], each under "name[id]" or, without a proper id, "name[#2]".
std::vector<Table> blocks_of(const Table& parent, std::string_view name, const Form& id_form, Findings& findings);
/// No two of them with one id.
void check_unique_ids(const std::vector<Table>& blocks, Findings& findings);

/// "line 12"
std::string line_of(Mark at);

}  // namespace hansa::config
