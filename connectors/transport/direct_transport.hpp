// SPDX-License-Identifier: Apache-2.0
#pragma once
// On this host, as the broker's own account.

#include "broker/async/scheduler.hpp"
#include "connectors/transport/transport.hpp"

#include <string>
#include <utility>
#include <vector>

namespace hansa::connectors::transport {

class DirectTransport final : public Transport {
 public:
  /// Looks up the account it runs as, once. `scheduler` outlives it.
  explicit DirectTransport(async::Scheduler& scheduler);

  /// permission_denied for another account than its own. Variables of the command replace those of the account.
  async::Task<CommandResult> run(Command command, async::Deadline deadline) override;

 private:
  async::Scheduler& scheduler_;
  std::string account_;
  std::string home_;
  std::vector<std::pair<std::string, std::string>> environment_;
};

}  // namespace hansa::connectors::transport
