// SPDX-License-Identifier: Apache-2.0
#pragma once
// What sites are called in others' accounting, as their configuration says it.

#include "broker/ledger/exchange.hpp"
#include "config/broker_config.hpp"

#include <vector>

namespace hansa::app {

std::vector<ledger::ExchangeSite> exchange_sites(const config::BrokerConfig& config);

}  // namespace hansa::app
