// SPDX-License-Identifier: Apache-2.0
#pragma once
// How sites' agents come in, and those that people start for themselves: who is let in (identity's registers), where (the
// listener), and where their connections lie for their sites' connectors (the berths).

#include "broker/identity/agents.hpp"
#include "broker/identity/person_agents.hpp"
#include "broker/metrics/exposition.hpp"
#include "broker/ports/accounts.hpp"
#include "broker/ports/log.hpp"
#include "config/broker_config.hpp"
#include "connectors/assembly/assembly.hpp"
#include "connectors/websocket/listener.hpp"

#include <memory>
#include <optional>
#include <string>

namespace hansa::app {

/// Outlives the connectors. Without a table [agents] nobody comes in, and the rest is there all the same.
class Agents {
 public:
  Agents(const config::BrokerConfig& config, async::Scheduler& scheduler, Random& random, ports::AgentStore& store,
         ports::PersonAgentStore& people, const ports::Accounts& accounts, ports::Log& log);
  ~Agents();
  Agents(const Agents&) = delete;
  Agents& operator=(const Agents&) = delete;

  [[nodiscard]] identity::AgentRegister& agent_register() { return register_; }
  [[nodiscard]] identity::PersonAgentRegister& person_register() { return people_; }
  /// Of both registers; before start().
  async::Task<> load();
  /// For the connectors.
  [[nodiscard]] std::optional<connectors::assembly::AgentDoor> door();

  Result<void> listen();
  /// After load().
  void start();
  void stop();
  void reload_certificate();

  /// After listen(): what agents are told; "" without a listener.
  [[nodiscard]] std::string address() const;
  [[nodiscard]] std::string key_id() const;
  /// Their metrics: families without samples if nobody comes in here.
  void write(metrics::Exposition& page) const;

 private:
  class RegisterDoor;
  void arrived(const connectors::websocket::Visitor& visitor);
  void left(const connectors::websocket::Visitor& visitor, const Error& why);

  const std::optional<config::AgentsConfig> config_;
  async::Scheduler& scheduler_;
  ports::Log& log_;
  identity::AgentRegister register_;
  identity::PersonAgentRegister people_;
  connectors::websocket::Berths berths_;
  std::unique_ptr<RegisterDoor> door_;
  std::unique_ptr<connectors::websocket::Listener> listener_;
};

}  // namespace hansa::app
