// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/own_account.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>

namespace hansa::connectors::transport {

std::optional<OwnAccount> own_account() {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> text{};
  if (::getpwuid_r(::geteuid(), &entry, text.data(), text.size(), &found) != 0 || found == nullptr) return std::nullopt;
  return OwnAccount{.name = entry.pw_name, .home = entry.pw_dir, .shell = entry.pw_shell};
}

}  // namespace hansa::connectors::transport
