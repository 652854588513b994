// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the configuration says of the protection of people's data, for whoever sees to it.

#include "broker/api/api.hpp"
#include "broker/engine/data_protection.hpp"
#include "config/broker_config.hpp"

namespace hansa::app {

engine::ProtectionOptions protection_options(const config::BrokerConfig& config);
api::PrivacyFacts privacy_facts(const config::BrokerConfig& config);

}  // namespace hansa::app
