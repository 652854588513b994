// SPDX-License-Identifier: Apache-2.0
#pragma once
// A real sshd on loopback: a port, a host key and a login key of its own, nothing else allowed in. Needs no root.

#include "connectors/mover/order.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace hansa::contract {

class SshServer {
 public:
  /// Its files lie in `folder`. Up when this returns; gone, with all its sessions, when it is destroyed.
  explicit SshServer(std::filesystem::path folder);
  ~SshServer();
  SshServer(const SshServer&) = delete;
  SshServer& operator=(const SshServer&) = delete;

  /// `folder` as seen through it.
  [[nodiscard]] connectors::mover::SftpRoot root(const std::string& folder) const;
  /// The same, but with another host key pinned.
  [[nodiscard]] connectors::mover::SftpRoot root_with_wrong_key(const std::string& folder) const;
  /// A private key that it lets nobody in with.
  [[nodiscard]] std::filesystem::path other_key() const { return folder_ / "other_key"; }
  void stop();

 private:
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace hansa::contract
