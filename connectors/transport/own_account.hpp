// SPDX-License-Identifier: Apache-2.0
#pragma once
// The accounts that this machine knows: the one that this process runs as, and others by name.

#include <optional>
#include <string>

namespace hansa::connectors::transport {

struct MachineAccount {
  std::string name;
  std::string home;
  std::string shell;
};

/// None if the machine has no name for it. May ask a directory over the network, once at a start: it blocks.
std::optional<MachineAccount> own_account();

/// None if the machine has none of that name. May ask a directory over the network: it blocks.
std::optional<MachineAccount> account_named(const std::string& name);

}  // namespace hansa::connectors::transport
