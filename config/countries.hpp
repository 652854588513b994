// SPDX-License-Identifier: Apache-2.0
#pragma once
// ISO 3166-1 alpha-2: the 249 officially assigned codes.

#include <string_view>

namespace hansa::config {

bool is_country(std::string_view code);

/// The code that was probably meant ("fi" -> "FI", "UK" -> "GB", "EL" -> "GR"), or "".
std::string_view country_meant_by(std::string_view text);

}  // namespace hansa::config
