// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/own_account.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>

namespace hansa::connectors::transport {

namespace {

constexpr std::size_t kEntryBytes = 16384;

std::optional<MachineAccount> told(int error, const passwd* found) {
  if (error != 0 || found == nullptr) return std::nullopt;
  return MachineAccount{.name = found->pw_name, .home = found->pw_dir, .shell = found->pw_shell};
}

}  // namespace

std::optional<MachineAccount> own_account() {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, kEntryBytes> text{};
  const int error = ::getpwuid_r(::geteuid(), &entry, text.data(), text.size(), &found);
  return told(error, found);
}

std::optional<MachineAccount> account_named(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, kEntryBytes> text{};
  const int error = ::getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found);
  return told(error, found);
}

}  // namespace hansa::connectors::transport
