// SPDX-License-Identifier: Apache-2.0
#pragma once
// Text for people and for spreadsheets. What comes from a server, a job or a site is hostile: it must not move the cursor,
// colour the screen, hide other text, or run as a formula.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::cli {

/// Control characters (also C1, line and paragraph separators, and the marks that turn or hide text) and bytes that are no
/// UTF-8, written as "\n", "\x1b" or "\u{202e}". Applying it twice changes nothing.
std::string printable(std::string_view text);

/// Columns that `text` (printable) takes on a terminal: two for East Asian wide characters, none for combining ones.
std::size_t columns_of(std::string_view text);

/// At most `columns` columns, with "…" where something was cut off.
std::string clipped(std::string_view text, std::size_t columns);

/// One field of a CSV file (RFC 4180). Text that a spreadsheet would take for a formula is kept from it by an apostrophe.
std::string csv_field(std::string_view text);

/// What the output can do.
struct Look {
  std::size_t width = 0;  // columns of the terminal; 0: no terminal, nothing is cut
  bool colours = false;
};

enum class Tint : std::uint8_t { none, good, bad, busy, odd, strong };

std::string tinted(std::string text, Tint tint, const Look& look);

struct Cell {
  Cell(std::string content) : text(std::move(content)) {}  // NOLINT(google-explicit-constructor): a row is a list of texts
  Cell(const char* content) : text(content) {}  // NOLINT(google-explicit-constructor)
  Cell(std::string content, Tint colour) : text(std::move(content)), tint(colour) {}
  std::string text;
  Tint tint = Tint::none;
};

struct Column {
  std::string_view title;
  bool right = false;  // numbers
  bool flexible = false;  // gives way where the terminal is too narrow
};

/// Aligned columns under their titles; a column without any content is left out.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string text(const Look& look, bool titles = true) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace hansa::cli
