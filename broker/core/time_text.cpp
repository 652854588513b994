// SPDX-License-Identifier: Apache-2.0
#include "broker/core/time_text.hpp"

#include <charconv>
#include <cstdio>
#include <optional>
#include <vector>

namespace hansa {
namespace {

constexpr std::int64_t kMaxSeconds = 100LL * 366 * 86400;  // a century: longer is a mistake

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto* end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end || text.empty() || value < 0 || value > kMaxSeconds) return std::nullopt;
  return value;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  for (char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::unexpected<Error> bad_duration(std::string_view text) {
  return fail(ErrorKind::invalid_argument, "BAD_DURATION",
              "\"" + std::string(text) + "\" is no duration: write minutes, [days-]hours:minutes:seconds, or 90s, 30m, 2h, 1d");
}

std::unexpected<Error> bad_time(std::string_view text) {
  return fail(ErrorKind::invalid_argument, "BAD_TIME",
              "\"" + std::string(text) + "\" is no time: write 2026-11-22 or 2026-11-22T10:00:00Z");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

/// "1h30m", "90s": number-unit pairs, units in falling order.
std::optional<std::int64_t> parse_units(std::string_view text) {
  constexpr std::pair<char, std::int64_t> kUnits[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    const auto end = text.find_first_not_of("0123456789");
    if (end == 0 || end == std::string_view::npos) return std::nullopt;
    const auto number = whole_number(text.substr(0, end));
    while (next_unit < std::size(kUnits) && kUnits[next_unit].first != text[end]) ++next_unit;
    if (!number || next_unit == std::size(kUnits) || *number > kMaxSeconds / kUnits[next_unit].second) return std::nullopt;
    total += *number * kUnits[next_unit++].second;
    text.remove_prefix(end + 1);
  }
  return total;
}

std::optional<std::int64_t> parse_slurm(std::string_view text) {
  std::int64_t days = 0;
  const auto dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto d = whole_number(text.substr(0, dash));
    if (!d || *d > kMaxSeconds / 86400) return std::nullopt;
    days = *d;
    text.remove_prefix(dash + 1);
  }
  std::int64_t fields[3] = {};
  const auto parts = split(text, ':');
  if (parts.size() > 3) return std::nullopt;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto n = whole_number(parts[i]);
    if (!n) return std::nullopt;
    fields[i] = *n;
  }
  if (dash != std::string_view::npos) return days * 86400 + fields[0] * 3600 + fields[1] * 60 + fields[2];
  if (parts.size() == 3) return fields[0] * 3600 + fields[1] * 60 + fields[2];
  return fields[0] * 60 + fields[1];
}

}  // namespace

std::string format_utc(UtcTime t) {
  const auto seconds = std::chrono::floor<Seconds>(t);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{seconds - day};
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return text;
}

Result<UtcTime> parse_utc(std::string_view text) {
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-') return bad_time(text);
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return bad_time(text);
  UtcTime result = std::chrono::sys_days{date};
  if (text.size() == 10) return result;
  const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!hour || !minute || !second || (text[10] != 'T' && text[10] != 't' && text[10] != ' ') || text[13] != ':' ||
      text[16] != ':' || *hour > 23 || *minute > 59 || *second > 60) {
    return bad_time(text);
  }
  result += std::chrono::hours{*hour} + std::chrono::minutes{*minute} + Seconds{*second};
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    int scale = 100;
    const auto first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
      result += Milliseconds{(text[at] - '0') * scale};
    if (at == first) return bad_time(text);
  }
  if (at + 1 == text.size() && (text[at] == 'Z' || text[at] == 'z')) return result;
  const auto offset_hours = digits(text, at + 1, 2), offset_minutes = digits(text, at + 4, 2);
  if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':' || !offset_hours || !offset_minutes ||
      *offset_hours > 23 || *offset_minutes > 59) {
    return bad_time(text);
  }
  const auto offset = std::chrono::hours{*offset_hours} + std::chrono::minutes{*offset_minutes};
  return text[at] == '+' ? result - offset : result + offset;
}

std::string format_duration(Seconds d) {
  auto left = d.count();
  if (left < 0) return "-" + format_duration(-d);
  if (left < 60) return std::to_string(left) + "s";
  constexpr std::pair<const char*, std::int64_t> kUnits[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
  std::string text;
  int shown = 0;
  for (const auto& [unit, size] : kUnits) {
    if ((left >= size || shown > 0) && shown < 2) {
      if (left / size > 0 || shown == 0) text += std::to_string(left / size) + unit;
      ++shown;
    }
    left %= size;
  }
  return text;
}

Result<Seconds> parse_duration(std::string_view text) {
  if (text.empty() || text.size() > 32) return bad_duration(text);
  const bool has_unit = text.find_first_of("dhms") != std::string_view::npos;
  const auto seconds = has_unit ? parse_units(text) : parse_slurm(text);
  if (!seconds || *seconds < 1 || *seconds > kMaxSeconds) return bad_duration(text);
  return Seconds{*seconds};
}

}  // namespace hansa
