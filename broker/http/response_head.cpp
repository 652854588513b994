// SPDX-License-Identifier: Apache-2.0
#include "broker/http/response_head.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>

namespace hansa::http {

namespace {

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  for (const char c : name) out += c > ' ' && c < '\x7f' && c != ':' ? c : '-';
  out += ": ";
  for (const char c : value) out += (c >= 0 && c < ' ' && c != '\t') || c == '\x7f' ? ' ' : c;
  out += "\r\n";
}

}  // namespace

void write_head(std::string& out, const Response& response, const ResponseFraming& framing, std::string_view request_id,
                std::string_view date) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(response.status));
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\n";
  append_field(out, "Date", date);
  if (!response.content_type.empty()) append_field(out, "Content-Type", response.content_type);
  if (framing.chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (framing.has_body && !response.next) {
    out += "Content-Length: ";
    append_number(out, response.body.size());
    out += "\r\n";
  }
  if (!framing.keep_alive) out += "Connection: close\r\n";
  if (!request_id.empty()) append_field(out, "X-Request-Id", request_id);
  for (const auto& [name, value] : response.headers) append_field(out, name, value);
  out += "\r\n";
}

std::string imf_fixdate(UtcTime time) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<Seconds>(time) - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT", kDays.at(std::chrono::weekday(day).c_encoding()),
                static_cast<unsigned>(date.day()), kMonths.at(static_cast<unsigned>(date.month()) - 1),
                static_cast<int>(date.year()), static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

}  // namespace hansa::http
