// SPDX-License-Identifier: Apache-2.0
#pragma once
// On this host, as another account, through hansa-switch's socket: one connection for each command.

#include "broker/async/scheduler.hpp"
#include "connectors/transport/transport.hpp"

#include <sys/types.h>

#include <string>

namespace hansa::connectors::transport {

class SwitchTransport final : public Transport {
 public:
  /// `scheduler` outlives it. Whoever listens at `socket` must be `owner`: commands and scripts are not given to an impostor.
  SwitchTransport(async::Scheduler& scheduler, std::string socket, uid_t owner = 0);

  /// What the switch refuses is its Error (permission_denied, ...) with its reason; no switch there: unavailable. At the
  /// deadline, or when the caller is cancelled, the switch ends the program, and its end is waited for up to kEndGrace.
  async::Task<CommandResult> run(Command command, async::Deadline deadline) override;

  static constexpr Milliseconds kEndGrace{8000};  // the switch's SIGTERM, 2 s, SIGKILL, 5 s

 private:
  async::Scheduler& scheduler_;
  std::string path_;
  uid_t owner_;
};

}  // namespace hansa::connectors::transport
