// SPDX-License-Identifier: Apache-2.0
#include "broker/app/accounting.hpp"

namespace hansa::app {

domain::SiteAccounting accounting_of(const config::SiteConfig& site) {
  const auto& energy = site.energy;
  return {.centre = site.centre.value_or(site.id.str()),
          .energy_method = energy.method.value_or(""),
          .pue_milli = energy.pue_milli.value_or(0),
          .carbon_mg_per_kwh = energy.carbon_mg_per_kwh.value_or(0),
          .carbon_source = energy.source.value_or(""),
          .core_milliwatts = energy.core_milliwatts.value_or(0),
          .gpu_milliwatts = energy.gpu_milliwatts.value_or(0),
          .node_milliwatts = energy.node_milliwatts.value_or(0)};
}

domain::ProjectAccounting accounting_of(const config::ProjectConfig& project) {
  domain::ProjectAccounting accounting{.home = project.home.value_or(""),
                                       .home_country = project.home_country.value_or(""),
                                       .funding_body = project.funding_body.value_or(""),
                                       .call = project.call.value_or(""),
                                       .labels = {}};
  if (project.facts.labels) {
    for (const auto& label : *project.facts.labels) accounting.labels.emplace(label);
  }
  return accounting;
}

}  // namespace hansa::app
