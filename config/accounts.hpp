// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site's accounts_file: lines "local:alice" = "alice". That an account exists and is not a system's one is for those who
// run jobs to check, at that moment.

#include "broker/core/error.hpp"
#include "config/broker_config.hpp"

#include <filesystem>
#include <string_view>

namespace hansa::config {

/// Code BAD_CONFIGURATION with every fault, TOML_SYNTAX.
Result<AccountMap> parse_accounts(std::string_view text, const std::filesystem::path& file);

/// Also CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_TOO_LARGE. Call it again when the file has changed, and keep the old
/// map if it fails.
Result<AccountMap> load_accounts(const std::filesystem::path& file);

}  // namespace hansa::config
