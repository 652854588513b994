// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/usage_window.hpp"

#include "broker/ports/usage_between.hpp"
#include "connectors/batch/values.hpp"

#include <algorithm>

namespace hansa::connectors::batch {

namespace {

constexpr Seconds kLongest{129'600};
constexpr Seconds kOverlap{600};
constexpr Seconds kDeepOverlap{86'400};
constexpr Seconds kDeepEvery{3600};

std::string cursor_text(UtcTime begin, UtcTime last_deep) {
  return std::to_string(to_unix_seconds(begin)) + ';' + std::to_string(to_unix_seconds(last_deep));
}

}  // namespace

void UsageWindow::halve() {
  to = std::chrono::floor<Seconds>(from + (to - from) / 2);
  reaches_now = false;
  next_cursor = end ? ports::usage_between({to, *end}).text : cursor_text(to, last_deep);
}

Result<UsageWindow> next_window(std::string_view cursor, UtcTime now, Seconds history) {
  now = std::chrono::floor<Seconds>(now);
  if (const auto asked = ports::span_of({.text = std::string(cursor)})) {
    const auto to = std::min(asked->to, asked->from + kLongest);
    return UsageWindow{.from = asked->from,
                       .to = to,
                       .last_deep = now,
                       .reaches_now = to == asked->to,
                       .next_cursor = ports::usage_between({to, asked->to}).text,
                       .end = asked->to};
  }
  UtcTime begin = now - history;
  UtcTime last_deep = now;
  if (!cursor.empty()) {
    const auto semicolon = cursor.find(';');
    const auto stored = parse_unix_time(cursor.substr(0, semicolon));
    const auto deep =
        semicolon == std::string_view::npos ? std::optional<UtcTime>() : parse_unix_time(cursor.substr(semicolon + 1));
    if (!stored || !deep) {
      return fail(ErrorKind::invalid_argument, "USAGE_CURSOR", "\"" + std::string(cursor) + "\" is no cursor of this site");
    }
    begin = std::min(*stored, now);
    last_deep = *deep;
    // A time in the future: our clock stepped back since.
    if (now - last_deep >= kDeepEvery || last_deep > now || *stored > now) {
      begin -= kDeepOverlap;
      last_deep = now;
    }
  }
  const bool reaches_now = now - begin <= kLongest;
  UsageWindow window{.from = begin,
                     .to = reaches_now ? now : begin + kLongest,
                     .last_deep = last_deep,
                     .reaches_now = reaches_now,
                     .next_cursor = ""};
  window.next_cursor = cursor_text(reaches_now ? now - kOverlap : window.to, last_deep);
  return window;
}

}  // namespace hansa::connectors::batch
