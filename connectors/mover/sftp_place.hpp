// SPDX-License-Identifier: Apache-2.0
#pragma once
// A root behind an SSH server that speaks SFTP 3, by libssh: needs no shell there, and no name is ever quoted.

#include "connectors/mover/place.hpp"

namespace hansa::connectors::mover {

/// One connection for as long as it lives; the host's key is one of `known_hosts` or nothing is sent. Silence is given up after a
/// minute (TCP keep-alive).
Result<std::unique_ptr<Place>> open_sftp_place(const SftpRoot& root);

}  // namespace hansa::connectors::mover
