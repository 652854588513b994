// SPDX-License-Identifier: Apache-2.0
#pragma once
// JSON as one sequence of bytes: keys sorted by their UTF-8 bytes, no white space, integers only. What is hashed or
// compared is written so (the subset of RFC 8785 that has no floating-point numbers).

#include "broker/core/error.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace hansa {

using Json = nlohmann::json;

/// What is hashed or compared must hold no floating-point number, whose text is the library's. Invalid UTF-8 is replaced by
/// U+FFFD.
std::string canonical_json(const Json& value);

/// Parses without exceptions. Refuses more than `max_depth` nested arrays and objects, duplicate keys and invalid UTF-8;
/// the message names the byte where it went wrong.
Result<Json> parse_json(std::string_view text, std::size_t max_depth = 16);

}  // namespace hansa
