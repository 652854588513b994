// SPDX-License-Identifier: Apache-2.0
#pragma once
// From configuration to movers: where data lies at sites, and what brings it from one to another.

#include "broker/async/scheduler.hpp"
#include "broker/engine/data_setup.hpp"
#include "broker/ports/log.hpp"
#include "config/broker_config.hpp"
#include "connectors/transport/transport.hpp"

#include <filesystem>
#include <memory>
#include <vector>

namespace hansa::app {

/// Outlives the engine, as `scheduler` and `log` do. All movers of this host run hansa-move-run with one spool: two ways to one
/// folder know of each other. Those of links with a job are made by the engine, which has the sites.
class DataWays {
 public:
  DataWays(const config::BrokerConfig& config, async::Scheduler& scheduler, ports::Log& log,
           const std::filesystem::path& program_folder);

  [[nodiscard]] engine::DataSetup setup() const { return setup_; }

 private:
  std::unique_ptr<connectors::transport::Transport> transport_;
  std::vector<std::unique_ptr<ports::Mover>> movers_;
  engine::DataSetup setup_;
};

}  // namespace hansa::app
