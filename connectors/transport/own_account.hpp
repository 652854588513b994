// SPDX-License-Identifier: Apache-2.0
#pragma once
// The account that this process runs as.

#include <optional>
#include <string>

namespace hansa::connectors::transport {

struct OwnAccount {
  std::string name;
  std::string home;
  std::string shell;
};

/// None if the machine has no name for it.
std::optional<OwnAccount> own_account();

}  // namespace hansa::connectors::transport
