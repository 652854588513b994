// SPDX-License-Identifier: Apache-2.0
#pragma once
// A TOML text as a plain tree that remembers where everything stood. The one source file behind it is the only one that
// sees toml++, whose aborts on malformed texts it keeps away from everybody, a program that runs as root first of all.

#include "broker/core/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa {

/// Both count from 1; 0 means "not from a file".
struct TomlMark {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend auto operator<=>(TomlMark, TomlMark) = default;
};

struct TomlNode {
  enum class Kind { boolean, integer, text, date, list, table, other };

  static TomlNode of_boolean(bool value);
  static TomlNode of_integer(std::int64_t value);
  static TomlNode of_text(std::string value);

  /// Of a table: the member called so, or null.
  [[nodiscard]] const TomlNode* find(std::string_view name) const;

  Kind kind = Kind::table;
  TomlMark at;                   // of the value
  std::string key;           // of a table's member
  TomlMark key_at;
  bool boolean = false;
  std::int64_t integer = 0;
  std::string text;  // kind `date`: as RFC 3339 has it, with a time or without; `other`: what it is, for people ("a time of day")
  std::optional<double> fraction;  // kind `other`: the value of a number with a fraction; may be no number at all
  std::vector<TomlNode> items;  // of a list, or a table's members in the order of the file
};

/// Code TOML_SYNTAX with one fault, where = "file:line:column". TOML 1.0, less what no configuration needs: values nest at
/// most 16 deep, no line has more than 64 dots outside strings (so that neither parsing nor freeing the tree can exhaust the
/// stack), and no backslash joins lines.
Result<TomlNode> parse_toml(std::string_view text, std::string_view file);

/// As TOML writes it, on one line. `node` must hold nothing of kind `other`.
std::string toml_literal(const TomlNode& node);
/// A key, quoted where it must be.
std::string toml_key(std::string_view key);

}  // namespace hansa
