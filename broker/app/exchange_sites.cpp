// SPDX-License-Identifier: Apache-2.0
#include "broker/app/exchange_sites.hpp"

namespace hansa::app {

std::vector<ledger::ExchangeSite> exchange_sites(const config::BrokerConfig& config) {
  std::vector<ledger::ExchangeSite> sites;
  for (const auto& site : config.sites) {
    auto& entry = sites.emplace_back(ledger::ExchangeSite{.id = site.id.str()});
    if (const auto& apel = site.apel) {
      entry.apel = ledger::ApelSite{.name = apel->site,
                                    .submit_host = apel->submit_host,
                                    .is_grid = apel->infrastructure == config::Infrastructure::grid,
                                    .description = apel->description};
      for (const auto& [type, level] : apel->service_level) {
        entry.apel->service_level_type = type;
        entry.apel->service_level = level;
      }
    }
    if (const auto& waldur = site.waldur) {
      entry.waldur.emplace();
      for (const auto& [type, unit] : waldur->components) {
        const auto read = config::parse_component_unit(unit).value_or(config::ComponentUnit{});
        entry.waldur->components[type] = {static_cast<ledger::WaldurMeasure>(read.of), read.seconds};
      }
      for (const auto& [project, resource] : waldur->resources) entry.waldur->resources[project.str()] = resource;
    }
  }
  return sites;
}

}  // namespace hansa::app
