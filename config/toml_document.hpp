// SPDX-License-Identifier: Apache-2.0
#pragma once
// A TOML text as a plain tree that remembers where everything stood. The one source file behind it is the only one that
// sees toml++.

#include "broker/core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::config {

/// Both count from 1; 0 means "not from a file".
struct Mark {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend auto operator<=>(Mark, Mark) = default;
};

struct Node {
  enum class Kind { boolean, integer, text, list, table, other };

  static Node of_boolean(bool value);
  static Node of_integer(std::int64_t value);
  static Node of_text(std::string value);

  /// Of a table: the member called so, or null.
  [[nodiscard]] const Node* find(std::string_view name) const;

  Kind kind = Kind::table;
  Mark at;                   // of the value
  std::string key;           // of a table's member
  Mark key_at;
  bool boolean = false;
  std::int64_t integer = 0;
  std::string text;          // kind `other`: what it is, for people ("a date")
  std::vector<Node> items;   // of a list, or a table's members in the order of the file
};

/// A file beyond this is refused before it is parsed.
inline constexpr std::size_t kMaxConfigBytes = 1UL << 20U;
inline constexpr std::size_t kMaxAccountsBytes = 16UL << 20U;  // some 250,000 people

/// Code TOML_SYNTAX with one fault, where = "file:line:column". TOML 1.0, less what no configuration needs: values nest at
/// most 16 deep, no line has more than 64 dots outside strings (so that neither parsing nor freeing the tree can exhaust the
/// stack), and no backslash joins lines.
Result<Node> parse_toml(std::string_view text, std::string_view file);

/// Codes CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_TOO_LARGE. The message names the file.
Result<std::string> read_text_file(const std::string& path, std::size_t max_bytes);

/// As TOML writes it, on one line. `node` must hold nothing of kind `other`.
std::string toml_literal(const Node& node);
/// A key, quoted where it must be.
std::string toml_key(std::string_view key);

}  // namespace hansa::config
