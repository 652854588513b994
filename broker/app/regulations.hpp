// SPDX-License-Identifier: Apache-2.0
#pragma once
// From configuration to the rules and facts in force.

#include "broker/core/error.hpp"
#include "broker/engine/rulebook.hpp"
#include "config/broker_config.hpp"

#include <filesystem>

namespace hansa::app {

/// Where the packs lie that come with hansad: beside the folder of its program, in the build tree as where it is installed.
std::filesystem::path shipped_packs(const std::filesystem::path& program_folder);

/// All of it or nothing. Codes: BAD_RULE_PACK, with every fault of every pack, tests that fail included, by file and line.
Result<engine::Regulations> regulations_of(const config::BrokerConfig& config, const std::filesystem::path& shipped);

/// "gdpr-eea 1.0.0, open-science 1.0.0"
std::string packs_in(const engine::Regulations& regulations);

}  // namespace hansa::app
