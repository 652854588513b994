// SPDX-License-Identifier: Apache-2.0
#pragma once
// What hansa-move-run is told: the transfer, how the two roots are reached from its host, and with which program.

#include "broker/domain/transfer.hpp"

#include <cstdint>
#include <string>
#include <variant>

namespace hansa::connectors::mover {

enum class Tool { rclone, rsync, plugin };

/// Who may read what is put beneath a root: the umask 077, 027 or 022 of the copy.
enum class Readers { account, group, everyone };

/// A folder that the mover's host has mounted.
struct FolderRoot {
  std::string folder;                  // absolute
  Readers readers = Readers::group;
  friend bool operator==(const FolderRoot&, const FolderRoot&) = default;
};

/// A folder behind an SSH server: SFTP for rclone; for rsync also a login that may run `rsync --server`. The server's own umask
/// says who may read what is put there.
struct SftpRoot {
  std::string host;
  std::uint16_t port = 22;
  std::string user;
  std::string key_file;                // a private key without a passphrase, the account's own
  std::string known_hosts;             // a file with the host's keys (man 8 sshd): no other is taken, none is learnt
  std::string folder;                  // absolute
  friend bool operator==(const SftpRoot&, const SftpRoot&) = default;
};

/// Behind a remote of rclone's (WebDAV, S3, whatever it knows): to take from, since nothing there becomes visible in one step.
struct RemoteRoot {
  std::string remote;                  // its name in `configuration`
  std::string configuration;           // rclone's file, with what opens it: absolute, the account's own
  std::string folder;                  // absolute: the path there
  friend bool operator==(const RemoteRoot&, const RemoteRoot&) = default;
};

using Root = std::variant<FolderRoot, SftpRoot, RemoteRoot>;

struct Order {
  domain::Transfer transfer;
  Root from;
  Root to;
  Tool tool = Tool::rclone;
  std::string program;                 // absolute: rclone's, rsync's, or a plug-in
  domain::Bytes most_per_second{0};    // 0: as fast as it goes
  friend bool operator==(const Order&, const Order&) = default;
};

/// invalid_argument, all faults at once: a relative path, a name that ssh or a configuration would read otherwise than as a name,
/// two remote ends for rsync, a remote for anything but rclone's source, a destination in the mover's own folder.
Result<void> check(const Order& order);

Json to_json(const Order& order);
/// Checked.
Result<Order> order_from_json(std::string_view text);

/// Beneath a destination's root, the mover's own: what is not yet a replica, and who is at it (0700).
inline constexpr std::string_view kOwnFolder = ".hansa";

}  // namespace hansa::connectors::mover
