// SPDX-License-Identifier: Apache-2.0
#pragma once
// ISO 3166-1 alpha-2: the 249 officially assigned codes.

#include <cstddef>
#include <optional>
#include <string_view>

namespace hansa {

inline constexpr std::size_t kCountryCount = 249;

bool is_country(std::string_view code);

/// The place of a code among all of them, by the alphabet: less than kCountryCount.
std::optional<std::size_t> country_index(std::string_view code);

/// The code that was probably meant ("fi" -> "FI", "UK" -> "GB", "EL" -> "GR"), or "".
std::string_view country_meant_by(std::string_view text);

}  // namespace hansa
