// SPDX-License-Identifier: Apache-2.0
#pragma once
// A real WebDAV server on loopback, of a folder: rclone's own, with a password. Its rclone.conf is the mover's.

#include "connectors/mover/order.hpp"

#include <sys/types.h>

#include <filesystem>

namespace hansa::contract {

class WebdavServer {
 public:
  explicit WebdavServer(const std::filesystem::path& folder);
  ~WebdavServer() { stop(); }
  WebdavServer(const WebdavServer&) = delete;
  WebdavServer& operator=(const WebdavServer&) = delete;

  /// A folder of it as the mover reaches it.
  [[nodiscard]] connectors::mover::RemoteRoot root(const std::string& below) const;
  void stop();
  /// The configuration has a wrong one from now on.
  void forget_password() const { configure("wrong"); }

 private:
  void configure(const std::string& password) const;

  std::filesystem::path configuration_;
  std::string url_;
  pid_t server_ = -1;
};

}  // namespace hansa::contract
