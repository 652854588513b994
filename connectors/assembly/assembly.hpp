// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a site's configuration to its connector, for hansad and hansa-agent alike: the only place that names their classes.

#include "broker/async/scheduler.hpp"
#include "broker/domain/site.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/site_connector.hpp"
#include "config/broker_config.hpp"
#include "connectors/remote/as_persons.hpp"
#include "connectors/transport/transport.hpp"
#include "connectors/websocket/berths.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace boost::asio {
class thread_pool;
}

namespace hansa::connectors::assembly {

/// Where sites' agents come in.
struct AgentDoor {
  websocket::Berths& berths;
  Milliseconds ping_after;  // of the connections that came in
  Milliseconds dead_after;
  /// Until when the connection of a person's own agent may stay; none: there is none.
  std::function<std::optional<UtcTime>(const SiteId&, const Principal&)> person_until = {};
};

/// What connectors stand on; outlives them.
struct Ground {
  async::Scheduler& scheduler;
  Random& random;
  boost::asio::any_io_executor strand;
  ports::Log& log;
  std::filesystem::path program_folder;  // of this program: see companion()
  std::string program_name;              // with its version, as other ends of the connector protocol are told
  std::filesystem::path state_dir;       // spools of local sites
  std::filesystem::path switch_socket;   // for sites with run_as = "switch"
  std::optional<AgentDoor> agents = {};  // for sites with remote.agent or remote.people
  bool one_of_many = false;              // other accounts have programs like this one at the same site: spools are each's own
  remote::OwnerOf owner_of = {};         // for sites where each person is asked for as themselves
  std::shared_ptr<boost::asio::thread_pool> readers = {};  // of long answers of other ends; made if there is one
  std::vector<std::unique_ptr<transport::Transport>> transports = {};
  std::vector<std::function<async::Task<>()>> closers =
      {};  // run on the strand once nothing calls the connectors, before they go
};

/// A program that comes with this one and that nobody calls by hand: beside it, or where packages put it (../libexec/hansa).
std::filesystem::path companion(const std::filesystem::path& program_folder, std::string_view name);

domain::LoadBudget budget_of(const config::BudgetConfig& config);

using MadeConnector = Result<std::unique_ptr<ports::SiteConnector>>;

/// Before the strand runs, or on it. Error: invalid_argument or what keeps it from its folder; then closers may have been added
/// all the same.
MadeConnector make_connector(const config::SiteConfig& site, Ground& ground);

}  // namespace hansa::connectors::assembly
