// SPDX-License-Identifier: Apache-2.0
#pragma once
// Configured issuers as identity knows them, and where their keys are kept for the next start.

#include "broker/identity/authenticator.hpp"
#include "config/broker_config.hpp"

namespace hansa::app {

/// Reads secrets' files. Errors, with a fault for each: BAD_ISSUER (a group's name, a secret that is missing or that others can
/// read).
Result<std::vector<identity::Issuer>> issuers_of(const config::BrokerConfig& config);

/// state_dir/issuers/ID.json
identity::KeptKeys kept_keys(const std::filesystem::path& state_dir, const std::string& issuer);

}  // namespace hansa::app
