// SPDX-License-Identifier: Apache-2.0
#pragma once
// From configuration to the rules and facts in force.

#include "broker/core/error.hpp"
#include "broker/engine/rulebook.hpp"
#include "broker/ports/revocations.hpp"
#include "config/broker_config.hpp"

#include <filesystem>

namespace hansa::app {

/// All of it or nothing. Codes: BAD_RULE_PACK, with every fault of every pack, tests that fail included, by file and line.
Result<engine::Regulations> regulations_of(const config::BrokerConfig& config, const std::filesystem::path& shipped);

/// What an issuer vouched for, as evidence of its day; none: it was not heard.
engine::RegisterFacts vouched_for(const std::optional<ports::Membership>& heard);

}  // namespace hansa::app
