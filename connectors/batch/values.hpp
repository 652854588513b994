// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers and names as batch systems write them. Pure; every reader takes any bytes.

#include "broker/core/clock.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

namespace hansa::connectors::batch {

struct Malformed {};

/// A value, the site's word for "there is none" (nullopt), or neither.
template <class T>
using Field = std::expected<std::optional<T>, Malformed>;

/// Digits only, at most 18.
std::optional<std::int64_t> parse_count(std::string_view text);

/// Seconds since 1970, before the year 10000.
std::optional<UtcTime> parse_unix_time(std::string_view text);

/// A day and a time of day that exist.
std::optional<UtcTime> utc_time(std::int64_t year, std::int64_t month, std::int64_t day, std::int64_t hour, std::int64_t minute,
                                std::int64_t second);

/// At most what an int32_t holds, never below 0.
std::int32_t to_int32(std::int64_t value);

/// Of letters, digits and "._-+@": queues, accounts and GPU models that no ',', ':' or '=' makes two values of.
bool is_one_value(std::string_view text);

/// Without spaces, tabs and line ends around it.
std::string_view trim(std::string_view text);

/// The part before the next `separator`, which both are taken off `rest`. The last part is all that is left.
std::string_view cut(std::string_view& rest, char separator);

}  // namespace hansa::connectors::batch
