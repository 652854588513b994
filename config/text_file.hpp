// SPDX-License-Identifier: Apache-2.0
#pragma once
// A configuration file as text, of bounded size.

#include "broker/core/error.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace hansa::config {

/// A file beyond this is refused before it is parsed.
inline constexpr std::size_t kMaxConfigBytes = 1UL << 20U;
inline constexpr std::size_t kMaxAccountsBytes = 16UL << 20U;  // some 250,000 people

/// Codes CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_TOO_LARGE. The message names the file.
Result<std::string> read_text_file(const std::string& path, std::size_t max_bytes);

/// Of a file that holds secrets: what mends it, if everybody on the machine can read or change it. None: nothing is wrong with
/// it, or it is not there, which others find out.
std::optional<std::string> exposure_of(const std::string& path);

}  // namespace hansa::config
