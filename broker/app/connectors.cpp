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

std::vector<DailyHours> hours_of(const std::vector<std::string>& texts) {
  std::vector<DailyHours> hours;
  for (const auto& text : texts) {
    if (auto parsed = DailyHours::parse(text)) hours.push_back(std::move(*parsed));  // the configuration holds no other
  }
  return hours;
}

domain::Site site_of(const config::SiteConfig& site) {
  const auto small = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  return {.id = site.id,
          .name = site.name,
          .country = site.country,
          .connector = connector_name(site.connector),
          .budget = {.queries_per_minute = small(site.budget.queries_per_minute),
                     .submits_per_minute = small(site.budget.submits_per_minute),
                     .cancels_per_minute = small(site.budget.cancels_per_minute),
                     .concurrent_calls = small(site.budget.concurrent_calls),
                     .waiting_jobs = small(site.budget.waiting_jobs),
                     .quiet_hours = hours_of(site.budget.quiet_hours)},
          .scheduler_accounts = site.projects,
          .allocation_required = site.allocation == config::AllocationRule::required,
          .ignored_findings = site.ignore_findings};
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
