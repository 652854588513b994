// SPDX-License-Identifier: Apache-2.0
#include "broker/directives/values.hpp"

#include "broker/directives/directives.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace hansa::directives {
namespace {

constexpr auto kHuge = std::numeric_limits<std::int64_t>::max();

struct Quantity {
  std::int64_t value = 0;
  std::string unit;  // lower case
};

std::optional<Quantity> quantity(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = whole(text.substr(0, digits), kHuge);
  if (!value) return std::nullopt;
  std::string unit(text.substr(digits));
  for (auto& c : unit) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return Quantity{*value, std::move(unit)};
}

std::optional<std::int64_t> at_most(std::int64_t value, std::int64_t most) {
  return value <= most ? std::optional(value) : std::nullopt;
}

}  // namespace

std::optional<std::int64_t> whole(std::string_view text, std::int64_t most) {
  std::int64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || text.front() == '-' || error != std::errc{} || at != end || value > most) return std::nullopt;
  return value;
}

std::int64_t product(std::int64_t a, std::int64_t b, std::int64_t most) {
  return a != 0 && b > most / a ? most : std::min(a * b, most);
}

std::optional<std::int64_t> sbatch_mebibytes(std::string_view text) {
  const auto size = quantity(text);
  if (!size) return std::nullopt;
  auto unit = std::string_view(size->unit);
  if (unit.size() > 1 && (unit.substr(1) == "b" || unit.substr(1) == "ib")) unit = unit.substr(0, 1);
  if (unit == "k") return at_most(size->value / 1024 + (size->value % 1024 != 0 ? 1 : 0), kMaxMebibytes);
  if (unit.empty() || unit == "m") return at_most(size->value, kMaxMebibytes);
  if (unit == "g") return at_most(product(size->value, 1024, kHuge), kMaxMebibytes);
  if (unit == "t") return at_most(product(size->value, 1024 * 1024, kHuge), kMaxMebibytes);
  return std::nullopt;
}

std::optional<std::int64_t> pbs_mebibytes(std::string_view text) {
  const auto size = quantity(text);
  if (!size) return std::nullopt;
  auto unit = std::string_view(size->unit);
  auto bytes = size->value;
  if (unit.ends_with('w')) bytes = product(bytes, 8, kHuge);
  if (unit.ends_with('w') || unit.ends_with('b')) {
    unit.remove_suffix(1);
  } else if (!unit.empty()) {
    return std::nullopt;
  }
  constexpr std::string_view kPrefixes = "kmgtp";
  if (unit.size() > 1 || (!unit.empty() && !kPrefixes.contains(unit.front()))) return std::nullopt;
  for (std::size_t i = 0; !unit.empty() && i <= kPrefixes.find(unit.front()); ++i) bytes = product(bytes, 1024, kHuge);
  constexpr std::int64_t kMebi = 1 << 20;
  return at_most(bytes / kMebi + (bytes % kMebi != 0 ? 1 : 0), kMaxMebibytes);
}

std::optional<Seconds> pbs_duration(std::string_view text) {
  constexpr std::int64_t kMost = 366LL * 86'400 * 100;
  const auto dot = text.find('.');
  std::int64_t seconds = 0;
  if (dot != std::string_view::npos) {
    const auto fraction = text.substr(dot + 1);
    if (fraction.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    if (!fraction.empty() && fraction.front() >= '5') seconds = 1;
    text = text.substr(0, dot);
  }
  std::int64_t total = 0;
  int parts = 0;
  while (true) {
    const auto colon = text.find(':');
    const auto part = whole(text.substr(0, colon), kMost);
    if (!part || ++parts > 3) return std::nullopt;
    total = product(total, 60, kMost) + *part;
    if (total > kMost) return std::nullopt;
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
  }
  total += seconds;
  return total >= 1 ? std::optional(Seconds{total}) : std::nullopt;
}

std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> list(1);
  char quote = 0;
  for (const char c : text) {
    if (quote != 0 ? c == quote : c == '"' || c == '\'') {
      quote = quote != 0 ? '\0' : c;
    } else if (quote == 0 && c == ',') {
      list.emplace_back();
    } else {
      list.back() += c;
    }
  }
  std::erase(list, "");
  return list;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 80;
  auto cut = text;
  if (text.size() > kMost) {
    auto end = kMost;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not within a character
    cut = text.substr(0, end);
  }
  std::string answer(cut);
  std::ranges::replace_if(answer, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  if (cut.size() < text.size()) answer += "...";
  return answer;
}

}  // namespace hansa::directives
