// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hex and base 64 (RFC 4648), and whether text is UTF-8.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hansa {

std::string to_hex(std::span<const std::byte> bytes);  // lower case

/// Standard alphabet, padded; `line_length` > 0 breaks the text with '\n' (no trailing one).
std::string to_base64(std::string_view bytes, std::size_t line_length = 0);
/// Standard alphabet, padded, no white space; nothing else is taken.
std::optional<std::string> from_base64(std::string_view text);

/// Shortest-form UTF-8 (RFC 3629): no surrogates, no over-long forms, nothing past U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace hansa
