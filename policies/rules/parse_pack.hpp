// SPDX-License-Identifier: Apache-2.0
#pragma once
// A pack's text as a Pack, or everything that is wrong with its keys, words, types and references.

#include "broker/core/error.hpp"
#include "policies/rules/pack.hpp"

#include <string_view>

namespace hansa::rules {

/// A pack may be so long; a longer file is something else.
inline constexpr std::size_t kMostPackBytes = std::size_t{4} << 20;

/// Errors: TOML_SYNTAX, BAD_RULE_PACK; faults with where = "file:line: key". Whether the rules make sense is for check.hpp.
Result<Pack> parse_pack(std::string_view text, std::string_view file);

}  // namespace hansa::rules
