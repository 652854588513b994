// SPDX-License-Identifier: Apache-2.0
#pragma once
// A real sshd on loopback: a port, a host key and a login key of its own, nothing else allowed in. Needs no root.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hansa::testbed {

class SshServer {
 public:
  /// Its files lie in `folder`. It runs as `account`, and lets that one in (our own, if empty; another needs root). `settings`
  /// are further lines of sshd_config, in which {folder} is the folder. Up when this returns; gone, with all its sessions, when
  /// it is destroyed.
  explicit SshServer(std::filesystem::path folder, std::string account = "", std::string settings = "");
  ~SshServer();
  SshServer(const SshServer&) = delete;
  SshServer& operator=(const SshServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::string& account() const { return account_; }
  /// Of its folder: host_key, login_key, other_key (which lets nobody in), their ".pub", authorized_keys, log.
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return folder_ / name; }
  /// A file that pins this public key for it.
  [[nodiscard]] std::filesystem::path known_hosts(const std::string& key = "host_key.pub") const;

  void stop();
  /// On the same port.
  void start();

 private:
  bool try_to_start();

  std::filesystem::path folder_;
  std::string account_;
  std::string settings_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// Runs a program to its end; its output goes to `output`. Throws unless it succeeds.
void run_program(std::vector<std::string> argv, const std::string& output = "/dev/null");
/// Started in a group of its own, dead when we are.
pid_t start_program(std::vector<std::string> argv, const std::string& output);
std::string text_of(const std::filesystem::path& path);

}  // namespace hansa::testbed
