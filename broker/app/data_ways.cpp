// SPDX-License-Identifier: Apache-2.0
#include "broker/app/data_ways.hpp"

#include "connectors/mover/command_mover.hpp"
#include "connectors/transport/direct_transport.hpp"

namespace hansa::app {
namespace {

using connectors::mover::FolderRoot;
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

}  // namespace

DataWays::DataWays(const config::BrokerConfig& config, async::Scheduler& scheduler, const std::filesystem::path& program_folder)
    : transport_(std::make_unique<connectors::transport::DirectTransport>(scheduler)) {
  MoverOptions options{.program = (program_folder / "hansa-move-run").string(),
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
    movers_.push_back(std::make_unique<connectors::mover::CommandMover>(*transport_, options));
    setup_.links.emplace(std::pair(link.from, link.to),
                         engine::DataLink{.mover = movers_.back().get(), .per_second = {link.expected_kib * kKib}});
  }
}

}  // namespace hansa::app
