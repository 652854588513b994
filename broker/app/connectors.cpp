// SPDX-License-Identifier: Apache-2.0
#include "broker/app/connectors.hpp"

namespace hansa::app {

using config::Connector;

namespace {

std::string connector_name(Connector connector) {
  switch (connector) {
    case Connector::local: return "local";
    case Connector::slurm: return "slurm";
    case Connector::slurmrest: return "slurmrest";
    case Connector::pbs: return "pbs";
    case Connector::model: return "model";
    case Connector::remote: return "remote";
  }
  return "?";
}

domain::SoftwareProfile software_of(const config::ProfileConfig& profile) {
  domain::SoftwareProfile software{.containers = profile.container_runtime.has_value(),
                                   .images = profile.container_images,
                                   .binds = profile.container_binds,
                                   .modules = {},
                                   .outbound = profile.outbound};
  for (const auto& [name, modules] : profile.modules) software.modules.push_back(name);
  return software;
}

domain::ChargeRule rule_of(const config::ChargeConfig& charge) {
  domain::ChargeRule rule{.queues = {},
                          .unit = charge.unit,
                          .from = charge.from.value_or(UtcTime{}),
                          .per_core = charge.per_core,
                          .per_gpu = charge.per_gpu,
                          .per_node = charge.per_node,
                          .per_memory_slice = charge.per_memory_slice,
                          .core_slice = charge.core_slice,
                          .memory_slice = {charge.memory_slice_mib},
                          .sum = charge.sum,
                          .whole_nodes = charge.whole_nodes,
                          .node_cores = charge.node_cores,
                          .node_gpus = charge.node_gpus,
                          .node_memory = {charge.node_memory_mib},
                          .minimum = charge.minimum,
                          .source = charge.source.value_or("")};
  for (const auto& queue : charge.queues) rule.queues.emplace_back(queue);
  return rule;
}

std::optional<domain::Charging> charging_of(const config::SiteConfig& site) {
  const bool opportunistic = site.allocation == config::AllocationRule::opportunistic;
  if (site.allocation != config::AllocationRule::budget && !opportunistic) return std::nullopt;
  domain::Charging charging{.rules = {}, .opportunistic = opportunistic};
  for (const auto& charge : site.charges) {
    charging.rules.push_back(rule_of(charge));
    if (charge.limit) charging.limits.emplace(*charge.limit, charge.unit);
  }
  return charging;
}

domain::Site site_of(const config::SiteConfig& site) {
  return {.id = site.id,
          .name = site.name,
          .country = site.country,
          .connector = connector_name(site.connector),
          .budget = connectors::assembly::budget_of(site.budget),
          .scheduler_accounts = site.projects,
          .allocation_required = site.allocation == config::AllocationRule::required,
          .ignored_findings = site.ignore_findings,
          .hardware = {.gpu_vendor = site.profile.gpu_vendor.value_or(""),
                       .architecture = site.profile.architecture.value_or(""),
                       .devices_per_gpu = static_cast<std::int32_t>(site.profile.devices_per_gpu)},
          .software = software_of(site.profile),
          .charging = charging_of(site)};
}

}  // namespace

Result<void> build_sites(const config::BrokerConfig& config, connectors::assembly::Ground& ground,
                         std::vector<engine::SiteSetup>& sites) {
  std::vector<Fault> faults;
  for (const auto& site : config.sites) {
    auto made = connectors::assembly::make_connector(site, ground);
    if (made)
      sites.push_back({.site = site_of(site), .connector = std::move(*made)});
    else
      faults.push_back({"site " + site.id.str(), made.error().message});
  }
  if (faults.empty()) return {};
  auto error = fail(ErrorKind::invalid_argument, "BAD_SITE", "sites could not be set up");
  error.error().faults = std::move(faults);
  return error;
}

}  // namespace hansa::app
