// SPDX-License-Identifier: Apache-2.0
#pragma once
// On this host: what needs no other account directly, everything else through hansa-switch.

#include "connectors/transport/direct_transport.hpp"
#include "connectors/transport/switch_transport.hpp"

namespace hansa::connectors::transport {

class AccountTransport final : public Transport {
 public:
  AccountTransport(async::Scheduler& scheduler, std::string switch_socket)
      : own_(scheduler), others_(scheduler, std::move(switch_socket)) {}

  async::Task<CommandResult> run(Command command, async::Deadline deadline) override {
    return command.account.empty() ? own_.run(std::move(command), deadline) : others_.run(std::move(command), deadline);
  }

 private:
  DirectTransport own_;
  SwitchTransport others_;
};

}  // namespace hansa::connectors::transport
