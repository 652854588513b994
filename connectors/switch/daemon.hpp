// SPDX-License-Identifier: Apache-2.0
#pragma once
// The root daemon: a socket, and one process for each connection.
//
// A process of its own keeps one request's memory, time and faults from the next; forking this small a program costs a few tenths
// of a millisecond. At max_concurrent connections it accepts no more: callers wait in the socket's queue.

#include "broker/core/descriptor.hpp"
#include "broker/core/error.hpp"

#include <string>

namespace hansa::connectors::account_switch {

/// The socket that systemd passed (sd_listen_fds(3)), not open if it passed none.
Result<Descriptor> inherited_socket();

/// Binds `path`, mode 0666: who may ask is decided by the peer's uid, which the kernel vouches for, not by who can connect.
/// A stale socket is replaced, a live one is a conflict.
Result<Descriptor> listen_at(const std::string& path);

/// Until SIGTERM or SIGINT; then running requests get a grace. The configuration is read again whenever its file has changed;
/// while it is not valid everything is refused.
void serve_connections(Descriptor listener, const std::string& configuration_path);

}  // namespace hansa::connectors::account_switch
