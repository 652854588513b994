// SPDX-License-Identifier: Apache-2.0
#pragma once
// From configuration to connectors: the only place that names their classes.

#include "broker/async/scheduler.hpp"
#include "broker/engine/engine.hpp"
#include "config/broker_config.hpp"
#include "connectors/transport/transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

namespace hansa::app {

/// What connectors stand on; outlives the engine.
struct ConnectorGround {
  async::Scheduler& scheduler;
  Random& random;
  boost::asio::any_io_executor strand;
  ports::Log& log;
  std::filesystem::path program_folder;  // where hansa-local-run lies, beside hansad
  std::vector<std::unique_ptr<connectors::transport::Transport>> transports = {};
  std::vector<std::function<async::Task<>()>> closers = {};  // run on the strand after the engine stopped, before it goes
};

/// Every fault of every site at once. Before the strand runs. What was built before a fault is in `sites` all the same: the
/// closers are to be run before it goes.
Result<void> build_sites(const config::BrokerConfig& config, ConnectorGround& ground, std::vector<engine::SiteSetup>& sites);

}  // namespace hansa::app
