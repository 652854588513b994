// SPDX-License-Identifier: Apache-2.0
#pragma once
// From configuration to movers: where data lies at sites, and what brings it from one to another.

#include "broker/async/scheduler.hpp"
#include "broker/engine/data_setup.hpp"
#include "config/broker_config.hpp"
#include "connectors/transport/transport.hpp"

#include <filesystem>
#include <memory>
#include <vector>

namespace hansa::app {

/// Outlives the engine. All movers run hansa-move-run on this host, with one spool: two ways to one folder know of each other.
class DataWays {
 public:
  DataWays(const config::BrokerConfig& config, async::Scheduler& scheduler, const std::filesystem::path& program_folder);

  [[nodiscard]] engine::DataSetup setup() const { return setup_; }

 private:
  std::unique_ptr<connectors::transport::Transport> transport_;
  std::vector<std::unique_ptr<ports::Mover>> movers_;
  engine::DataSetup setup_;
};

}  // namespace hansa::app
