// SPDX-License-Identifier: Apache-2.0
#pragma once
// A usage cursor that anybody may make: the runs that ended in a time, whatever was read before. A connector that does not know
// it refuses it (invalid_argument), and is then read from its beginning.

#include "broker/ports/site_connector.hpp"

#include <charconv>

namespace hansa::ports {

struct UsageSpan {
  UtcTime from{};
  UtcTime to{};  // not itself
};

inline UsageCursor usage_between(UsageSpan span) {
  return {.text = "between;" + std::to_string(to_unix_seconds(span.from)) + ";" + std::to_string(to_unix_seconds(span.to))};
}

/// What such a cursor asks for; none: it is another one.
inline std::optional<UsageSpan> span_of(const UsageCursor& cursor) {
  constexpr std::string_view kPrefix = "between;";
  const std::string_view text = cursor.text;
  if (!text.starts_with(kPrefix)) return std::nullopt;
  std::int64_t from = 0, to = 0;
  const auto* end = text.data() + text.size();
  const auto first = std::from_chars(text.data() + kPrefix.size(), end, from);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ';') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, to);
  if (second.ec != std::errc{} || second.ptr != end || from < 0 || to < from) return std::nullopt;
  return UsageSpan{from_unix_seconds(from), from_unix_seconds(to)};
}

}  // namespace hansa::ports
