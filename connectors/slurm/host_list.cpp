// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/host_list.hpp"

#include "connectors/slurm/values.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::connectors::slurm {

namespace {

constexpr std::size_t kMaxNameLength = 256;

/// "01-03,7" -> "01", "02", "03", "7"
std::optional<std::vector<std::string>> expand_ranges(std::string_view text, std::size_t most) {
  std::vector<std::string> numbers;
  while (true) {
    const auto comma = text.find(',');
    const auto range = text.substr(0, comma);
    const auto dash = range.find('-');
    const auto low_text = range.substr(0, dash);
    const auto low = parse_count(low_text);
    const auto high = dash == std::string_view::npos ? low : parse_count(range.substr(dash + 1));
    if (!low || !high || *high < *low || static_cast<std::size_t>(*high - *low) >= most - numbers.size()) return std::nullopt;
    for (auto n = *low; n <= *high; ++n) {
      const auto digits = std::to_string(n);
      const auto padding = low_text.size() > digits.size() ? low_text.size() - digits.size() : 0;
      numbers.push_back(std::string(padding, '0') + digits);
    }
    if (comma == std::string_view::npos) return numbers;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

std::optional<std::vector<std::string>> expand_hosts(std::string_view text, std::size_t most) {
  most = std::min(most, kMaxHosts);
  std::vector<std::string> hosts;
  if (text.empty() || text == "(null)" || text == "None assigned") return hosts;

  std::vector<std::string> names{""};  // what the piece before the next comma stands for, so far
  bool piece_empty = true;
  const auto end_piece = [&] {
    if (piece_empty || names.size() > most - hosts.size()) return false;
    std::ranges::move(names, std::back_inserter(hosts));
    names.assign(1, "");
    piece_empty = true;
    return true;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',') {
      if (!end_piece()) return std::nullopt;
    } else if (c == '[') {
      const auto close = text.find(']', i);
      if (close == std::string_view::npos) return std::nullopt;
      const auto numbers = expand_ranges(text.substr(i + 1, close - i - 1), most);
      if (!numbers || names.size() > most / numbers->size()) return std::nullopt;
      if (names.back().size() + numbers->back().size() > kMaxNameLength) return std::nullopt;
      std::vector<std::string> longer;
      longer.reserve(names.size() * numbers->size());
      for (const auto& name : names) {
        for (const auto& number : *numbers) longer.push_back(name + number);
      }
      names = std::move(longer);
      piece_empty = false;
      i = close;
    } else if (c == ']') {
      return std::nullopt;
    } else {
      auto end = text.find_first_of(",[]", i);
      if (end == std::string_view::npos) end = text.size();
      const auto is_odd = [](char letter) { return static_cast<unsigned char>(letter) <= 0x20 || letter == 0x7f; };
      if (std::ranges::any_of(text.substr(i, end - i), is_odd)) return std::nullopt;
      if (names.front().size() + (end - i) > kMaxNameLength) return std::nullopt;
      for (auto& name : names) name.append(text.substr(i, end - i));
      piece_empty = false;
      i = end - 1;
    }
  }
  if (!end_piece()) return std::nullopt;
  return hosts;
}

}  // namespace hansa::connectors::slurm
