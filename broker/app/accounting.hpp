// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the configuration tells of sites and projects that stands with every usage record.

#include "broker/domain/accounting.hpp"
#include "config/broker_config.hpp"

namespace hansa::app {

domain::SiteAccounting accounting_of(const config::SiteConfig& site);
domain::ProjectAccounting accounting_of(const config::ProjectConfig& project);

}  // namespace hansa::app
