// SPDX-License-Identifier: Apache-2.0
#include "broker/app/connectors.hpp"

#include "connectors/local/local_connector.hpp"
#include "connectors/model/model_connector.hpp"
#include "connectors/pbs/pbs_connector.hpp"
#include "connectors/slurm/slurm_connector.hpp"
#include "connectors/transport/account_transport.hpp"
#include "connectors/transport/direct_transport.hpp"

#include <cstdlib>

namespace hansa::app {

using config::Connector;
using config::RunAs;

namespace {

std::string connector_name(Connector connector) {
  switch (connector) {
    case Connector::local: return "local";
    case Connector::slurm: return "slurm";
    case Connector::pbs: return "pbs";
    case Connector::model: return "model";
  }
  return "?";
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
                     .waiting_jobs = small(site.budget.waiting_jobs)},
          .scheduler_accounts = site.projects,
          .allocation_required = site.allocation == config::AllocationRule::required};
}

connectors::transport::SiteProfile profile_of(const config::SiteConfig& site) {
  return {.scratch = site.scratch.value_or(""), .environment = {site.environment.begin(), site.environment.end()}};
}

using MadeConnector = Result<std::unique_ptr<ports::SiteConnector>>;

MadeConnector make_local(const config::BrokerConfig& config, const config::SiteConfig& site, ConnectorGround& ground) {
  const auto* home = std::getenv("HOME");
  const auto work_dir = config::work_dir_of(site, {}, home == nullptr ? "/" : home);
  auto made = connectors::local::LocalConnector::open(ground.scheduler, ground.strand,
                                                      {.site = site.id,
                                                       .spool = (config.broker.state_dir / "local" / site.id.str()).string(),
                                                       .work_dir = work_dir.string(),
                                                       .runner = (ground.program_folder / "hansa-local-run").string(),
                                                       .cores = static_cast<std::int32_t>(site.local.cpus),
                                                       .memory = site.local.memory,
                                                       .gpus = static_cast<std::int32_t>(site.local.gpus),
                                                       .gpu_model = site.local.gpu_model.value_or(""),
                                                       .profile = profile_of(site)},
                                                      ground.log);
  if (!made) return std::unexpected(made.error());
  auto* connector = made->get();
  ground.closers.emplace_back([connector] { return connector->close(); });
  return MadeConnector(std::move(*made));
}

/// The way to a site's commands: as whom they run there.
connectors::transport::Transport& way_to(const config::BrokerConfig& config, const config::SiteConfig& site,
                                         ConnectorGround& ground) {
  if (site.run_as == RunAs::by_switch) {
    ground.transports.push_back(
        std::make_unique<connectors::transport::AccountTransport>(ground.scheduler, config.broker.switch_socket->string()));
  } else {
    ground.transports.push_back(std::make_unique<connectors::transport::DirectTransport>(ground.scheduler));
  }
  return *ground.transports.back();
}

MadeConnector make_slurm(const config::BrokerConfig& config, const config::SiteConfig& site, ConnectorGround& ground) {
  auto made = connectors::slurm::SlurmConnector::make({.site = site.id,
                                                       .slurm_conf = site.slurm.conf.string(),
                                                       .bin_dir = site.slurm.bin_dir.string(),
                                                       .work_dir = site.work_dir,
                                                       .own_account_only = site.run_as == RunAs::self,
                                                       .profile = profile_of(site)},
                                                      way_to(config, site, ground), ground.scheduler, ground.random);
  if (!made) return std::unexpected(made.error());
  return MadeConnector(std::move(*made));
}

MadeConnector make_pbs(const config::BrokerConfig& config, const config::SiteConfig& site, ConnectorGround& ground) {
  auto made = connectors::pbs::PbsConnector::make(
      {.site = site.id,
       .conf = site.pbs.conf.string(),
       .server = site.pbs.server.value_or(""),
       .bin_dir = site.pbs.bin_dir.string(),
       .work_dir = site.work_dir,
       .gpus = {.count = site.pbs.gpu_resource, .model = site.pbs.gpu_model_resource.value_or("")},
       .own_account_only = site.run_as == RunAs::self,
       .profile = profile_of(site)},
      way_to(config, site, ground), ground.scheduler, ground.random, ground.log);
  if (!made) return std::unexpected(made.error());
  return MadeConnector(std::move(*made));
}

MadeConnector make_model(const config::SiteConfig& site, ConnectorGround& ground) {
  const auto& m = site.model;
  connectors::model::ClusterOptions options{.name = site.id.str()};
  options.node_groups = {{.count = static_cast<std::int32_t>(m.nodes),
                          .cores = static_cast<std::int32_t>(m.cpus_per_node),
                          .memory = m.memory_per_node,
                          .gpus = static_cast<std::int32_t>(m.gpus_per_node),
                          .gpu_model = m.gpu_model.value_or("")}};
  if (auto valid = connectors::model::validate(options); !valid) return std::unexpected(valid.error());
  auto model = std::make_shared<connectors::model::ModelSite>(ground.scheduler, std::move(options));
  return MadeConnector(std::make_unique<connectors::model::ModelConnector>(ground.scheduler, site.id, std::move(model)));
}

}  // namespace

Result<void> build_sites(const config::BrokerConfig& config, ConnectorGround& ground, std::vector<engine::SiteSetup>& sites) {
  std::vector<Fault> faults;
  for (const auto& site : config.sites) {
    auto made = site.connector == Connector::local   ? make_local(config, site, ground)
                : site.connector == Connector::slurm ? make_slurm(config, site, ground)
                : site.connector == Connector::pbs   ? make_pbs(config, site, ground)
                                                     : make_model(site, ground);
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
