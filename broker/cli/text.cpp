// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/text.hpp"

#include "broker/core/encoding.hpp"
#include "broker/ledger/report_writer.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace hansa::cli {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

/// The first character of `text`, which is not empty.
Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (!is_utf8(text.substr(0, size))) return {lead, 1, false};
  char32_t code = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) code = (code << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  return {code, size, true};
}

struct Range {
  char32_t first, last;
};

template <std::size_t N>
bool within(char32_t code, const Range (&ranges)[N]) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return code >= range.first && code <= range.last; });
}

// C0 and DEL with C1; soft hyphen; Arabic letter mark; zero width and directional marks; separators, embeddings and overrides;
// invisible operators and isolates; byte order mark; interlinear annotation; tags.
constexpr Range kHidden[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},     {0x61C, 0x61C},   {0x200B, 0x200F},
                             {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
constexpr Range kCombining[] = {{0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x64B, 0x65F},
                                {0x1AB0, 0x1AFF}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
constexpr Range kWide[] = {{0x1100, 0x115F}, {0x2E80, 0x303E}, {0x3041, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                           {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};

std::size_t width_of(char32_t code) { return within(code, kCombining) ? 0 : within(code, kWide) ? 2 : 1; }

void append_escaped(std::string& out, const Character& character) {
  char text[16];
  if (character.code == '\n')
    out += "\\n";
  else if (character.code == '\t')
    out += "\\t";
  else if (character.code == '\r')
    out += "\\r";
  else if (character.code < 0x80 || !character.valid)
    out.append(text,
               static_cast<std::size_t>(std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned>(character.code))));
  else
    out.append(text,
               static_cast<std::size_t>(std::snprintf(text, sizeof text, "\\u{%x}", static_cast<unsigned>(character.code))));
}

void append_padded(std::string& out, const std::string& text, const std::string& shown, std::size_t width, bool right,
                   bool last) {
  const auto taken = columns_of(text);
  const std::string blanks(width > taken ? width - taken : 0, ' ');
  if (right) out += blanks;
  out += shown;
  if (!right && !last) out += blanks;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto character = first_of(text);
    if (!character.valid || within(character.code, kHidden))
      append_escaped(out, character);
    else
      out += text.substr(0, character.bytes);
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const auto character = first_of(text);
    columns += width_of(character.code);
    text.remove_prefix(character.bytes);
  }
  return columns;
}

std::string clipped(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  std::string out;
  std::size_t taken = 1;  // the ellipsis
  while (!text.empty()) {
    const auto character = first_of(text);
    taken += width_of(character.code);
    if (taken > columns) break;
    out += text.substr(0, character.bytes);
    text.remove_prefix(character.bytes);
  }
  return columns == 0 ? "" : out + "…";
}

std::string csv_field(std::string_view text) { return ledger::report_csv_field(text); }

std::string tinted(std::string text, Tint tint, const Look& look) {
  if (!look.colours || tint == Tint::none || text.empty()) return text;
  const char* code = "";
  switch (tint) {
    case Tint::none: break;
    case Tint::good: code = "\x1b[32m"; break;
    case Tint::bad: code = "\x1b[31m"; break;
    case Tint::busy: code = "\x1b[36m"; break;
    case Tint::odd: code = "\x1b[33m"; break;
    case Tint::strong: code = "\x1b[1m"; break;
  }
  return code + std::move(text) + "\x1b[0m";
}

std::string Table::text(const Look& look, bool titles) const {
  constexpr std::size_t kGap = 2;
  constexpr std::size_t kLeast = 6;  // of a column that gives way
  std::vector<std::size_t> widths(columns_.size(), 0);
  std::vector<std::vector<std::string>> cells;
  cells.reserve(rows_.size());
  for (const auto& row : rows_) {
    auto& line = cells.emplace_back(columns_.size());
    for (std::size_t i = 0; i < columns_.size() && i < row.size(); ++i) {
      line[i] = printable(row[i].text);
      widths[i] = std::max(widths[i], columns_of(line[i]));
    }
  }
  std::size_t total = 0, last = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (widths[i] == 0) continue;
    if (titles) widths[i] = std::max(widths[i], columns_of(columns_[i].title));
    total += widths[i] + kGap;
    last = i;
  }
  // Narrow what can give way, from the right, until it fits.
  for (std::size_t i = columns_.size(); i-- > 0 && look.width > 0 && total > look.width + kGap;) {
    if (!columns_[i].flexible || widths[i] <= kLeast) continue;
    const auto give = std::min(widths[i] - kLeast, total - look.width - kGap);
    widths[i] -= give;
    total -= give;
  }

  std::string out;
  const auto line = [&](auto&& cell_of) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == 0) continue;
      auto [cell, tint] = cell_of(i);
      if (columns_[i].flexible) cell = clipped(cell, widths[i]);
      append_padded(out, cell, tinted(cell, tint, look), widths[i], columns_[i].right, i == last);
      if (i != last) out.append(kGap, ' ');
    }
    while (out.ends_with(' ')) out.pop_back();
    out += '\n';
  };
  if (titles) line([&](std::size_t i) { return std::pair(std::string(columns_[i].title), Tint::strong); });
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    line([&](std::size_t i) { return std::pair(cells[r][i], i < rows_[r].size() ? rows_[r][i].tint : Tint::none); });
  }
  return out;
}

}  // namespace hansa::cli
