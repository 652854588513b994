// SPDX-License-Identifier: Apache-2.0
#pragma once
// A real sshd as the way to a mover's folders.

#include "connectors/mover/order.hpp"
#include "tests/testbed/ssh_server.hpp"

#include <filesystem>
#include <string>

namespace hansa::contract {

class SshServer {
 public:
  explicit SshServer(std::filesystem::path folder) : server_(std::move(folder)) {}

  /// `folder` as seen through it.
  [[nodiscard]] connectors::mover::SftpRoot root(const std::string& folder) const { return root_by(folder, "host_key.pub"); }
  /// The same, but with another host key pinned.
  [[nodiscard]] connectors::mover::SftpRoot root_with_wrong_key(const std::string& folder) const {
    return root_by(folder, "other_key.pub");
  }
  /// A private key that it lets nobody in with.
  [[nodiscard]] std::filesystem::path other_key() const { return server_.file("other_key"); }
  void stop() { server_.stop(); }

 private:
  [[nodiscard]] connectors::mover::SftpRoot root_by(const std::string& folder, const std::string& host_key) const {
    return {.host = "127.0.0.1",
            .port = server_.port(),
            .user = server_.account(),
            .key_file = server_.file("login_key"),
            .known_hosts = server_.known_hosts(host_key),
            .folder = folder};
  }

  testbed::SshServer server_;
};

}  // namespace hansa::contract
