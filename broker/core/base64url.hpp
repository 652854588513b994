// SPDX-License-Identifier: Apache-2.0
#pragma once
// Base 64 with the alphabet of URLs and file names (RFC 4648, section 5), without padding, as JSON Web Tokens have it.

#include <optional>
#include <string>
#include <string_view>

namespace hansa {

std::string to_base64url(std::string_view bytes);
/// One spelling for each value: no padding, no white space, no bits that belong to no byte.
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace hansa
