// SPDX-License-Identifier: Apache-2.0
#pragma once
// One caller, one request, from its first byte to the log line of its end. Runs in a process of its own.

#include "connectors/switch/channel.hpp"
#include "connectors/switch/configuration.hpp"

#include <sys/types.h>

namespace hansa::connectors::account_switch {

/// SIGCHLD, SIGTERM, SIGINT and SIGHUP are blocked and read from a descriptor; SIGPIPE is ignored.
int open_signals();

void serve(Channel& channel, uid_t peer, const Result<Configuration>& configuration, int signals);

}  // namespace hansa::connectors::account_switch
