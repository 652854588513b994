// SPDX-License-Identifier: Apache-2.0
#pragma once
// A configuration file as text, of bounded size.

#include "broker/core/error.hpp"

#include <cstddef>
#include <string>

namespace hansa::config {

/// A file beyond this is refused before it is parsed.
inline constexpr std::size_t kMaxConfigBytes = 1UL << 20U;
inline constexpr std::size_t kMaxAccountsBytes = 16UL << 20U;  // some 250,000 people

/// Codes CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_TOO_LARGE. The message names the file.
Result<std::string> read_text_file(const std::string& path, std::size_t max_bytes);

}  // namespace hansa::config
