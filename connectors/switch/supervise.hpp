// SPDX-License-Identifier: Apache-2.0
#pragma once
// From the program's start to its end: its output goes to the caller, and it goes when the caller goes.

#include "connectors/switch/channel.hpp"
#include "connectors/switch/child.hpp"

#include <optional>
#include <string>

namespace hansa::connectors::account_switch {

inline constexpr std::chrono::milliseconds kTerminationGrace{2000};  // between SIGTERM and SIGKILL

struct ChildEnd {
  std::optional<int> wait_status;  // none: it cannot be killed (a dead file system); init will have it
  std::string cut_because;         // why we ended it; "" if we did not
  bool out_truncated = false;
  bool err_truncated = false;
};

/// `signals` is a signalfd of SIGCHLD, SIGTERM, SIGINT and SIGHUP, which are blocked. Returns with the child reaped and its
/// process group killed: nothing of a request outlives it, save what made itself a session of its own.
ChildEnd supervise(Child& child, Channel& channel, const Request& request, int signals);

}  // namespace hansa::connectors::account_switch
