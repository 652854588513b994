// SPDX-License-Identifier: Apache-2.0
#include "broker/app/data_ways.hpp"

#include "connectors/assembly/assembly.hpp"
#include "connectors/mover/job_mover.hpp"
#include "connectors/transport/direct_transport.hpp"

namespace hansa::app {
namespace {

using connectors::mover::FolderRoot;
using connectors::mover::JobMoverOptions;
using connectors::mover::MoverOptions;
using connectors::mover::RemoteRoot;
using connectors::mover::SftpRoot;
using connectors::mover::Tool;

constexpr std::int64_t kKib = 1024;
constexpr std::int64_t kMib = kKib * 1024;

connectors::mover::Readers readers_of(config::Readers readers) {
  switch (readers) {
    case config::Readers::account: return connectors::mover::Readers::account;
    case config::Readers::group: return connectors::mover::Readers::group;
    case config::Readers::everyone: return connectors::mover::Readers::everyone;
  }
  return connectors::mover::Readers::account;
}

connectors::mover::Root root_of(const config::RootConfig& root, const config::MoverConfig& mover) {
  if (root.remote)
    return RemoteRoot{
        .remote = *root.remote, .configuration = mover.rclone_config.value_or("").string(), .folder = root.reached().string()};
  if (!root.host) return FolderRoot{.folder = root.reached().string(), .readers = readers_of(root.readers)};
  return SftpRoot{.host = *root.host,
                  .port = static_cast<std::uint16_t>(root.port),
                  .user = root.user.value_or(LocalAccount{}).str(),
                  .key_file = root.key_file.value_or("").string(),
                  .known_hosts = root.known_hosts.value_or("").string(),
                  .folder = root.reached().string()};
}

engine::SiteData site_data(const config::SiteConfig& site) {
  engine::SiteData data;
  for (const auto& root : site.roots) {
    const domain::RootName name(root.id);
    data.roots.emplace(name, root.folder.string());
    if (!root.staging) continue;
    data.staging = name;
    data.lifetime = root.lifetime;
    if (root.quota_mib) data.quota_bytes = domain::Bytes{*root.quota_mib * kMib};
    data.quota_files = root.quota_files;
  }
  return data;
}

/// As the jobs of that site reach it: what is their own site's, they see.
connectors::mover::Root root_for_jobs(const config::RootConfig& root, bool own, const config::MoverConfig& mover) {
  if (own && !root.remote) return FolderRoot{.folder = root.folder.string(), .readers = readers_of(root.readers)};
  return root_of(root, mover);
}

/// `options`: the link's, as the broker's host would do it.
JobMoverOptions job_options(const config::BrokerConfig& config, const config::TransferJobConfig& job, MoverOptions options) {
  options.spool = "../../mover";  // from a job's own folder (connectors/transport/wrapper.hpp): in the account's work_dir
  if (job.program) options.program = job.program->string();
  for (const auto& site : config.sites) {
    for (const auto& root : site.roots)
      options.roots.insert_or_assign({site.id, domain::RootName(root.id)},
                                     root_for_jobs(root, site.id == job.site, config.mover));
  }
  return {.mover = std::move(options),
          .site = job.site,
          .queue = job.queue,
          .account = job.account.value_or(LocalAccount{}),
          .scheduler_account = job.scheduler_account.value_or(""),
          .time_limit = job.time_limit,
          .notes = (config.broker.state_dir / "mover" / "jobs").string(),
          .look_interval = config.engine.status_interval,
          .submit_timeout = std::max(config.engine.call_timeout, config.engine.submit_timeout),
          .visibility = config.engine.visibility_window,
          .clock_skew = config.engine.clock_skew};
}

}  // namespace

DataWays::DataWays(const config::BrokerConfig& config, async::Scheduler& scheduler, ports::Log& log,
                   const std::filesystem::path& program_folder)
    : transport_(std::make_unique<connectors::transport::DirectTransport>(scheduler)) {
  MoverOptions options{.program = connectors::assembly::companion(program_folder, "hansa-move-run").string(),
                       .spool = (config.broker.state_dir / "mover").string(),
                       .tool = Tool::rclone,
                       .tool_program = {},
                       .roots = {},
                       .person = Principal("broker:mover")};
  for (const auto& site : config.sites) {
    if (site.roots.empty()) continue;
    setup_.sites.emplace(site.id, site_data(site));
    for (const auto& root : site.roots)
      options.roots.emplace(std::pair(site.id, domain::RootName(root.id)), root_of(root, config.mover));
  }
  for (const auto& link : config.links) {
    switch (link.tool) {
      case config::MoveTool::rclone:
        options.tool = Tool::rclone;
        options.tool_program = config.mover.rclone.string();
        break;
      case config::MoveTool::rsync:
        options.tool = Tool::rsync;
        options.tool_program = config.mover.rsync.string();
        break;
      case config::MoveTool::plugin:
        options.tool = Tool::plugin;
        options.tool_program = link.program.value_or("").string();
        break;
    }
    options.most_per_second = {link.most_kib * kKib};
    engine::DataLink way{.mover = nullptr, .per_second = {link.expected_kib * kKib}};
    if (link.job) {
      way.job_site = link.job->site;
      way.make = [&scheduler, &log, options = job_options(config, *link.job, options)](ports::SiteConnector& site) {
        return std::make_unique<connectors::mover::JobMover>(site, scheduler, log, options);
      };
      setup_.links.emplace(std::pair(link.from, link.to), std::move(way));
      continue;
    }
    movers_.push_back(std::make_unique<connectors::mover::CommandMover>(*transport_, options));
    way.mover = movers_.back().get();
    setup_.links.emplace(std::pair(link.from, link.to), std::move(way));
  }
}

}  // namespace hansa::app
