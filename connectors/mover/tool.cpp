// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/tool.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/core/encoding.hpp"
#include "connectors/mover/place.hpp"

#include <algorithm>

namespace hansa::connectors::mover {
namespace {

constexpr const char* kHost = "replica";

std::string open_folder(int descriptor) { return "/proc/self/fd/" + std::to_string(descriptor); }

/// rclone's remotes come from the environment: RCLONE_CONFIG_<NAME>_<KEY>. No shell is used at the other side, no key is learnt,
/// and no link is followed.
std::string rclone_end(const Root& root, const std::string& path, const std::string& name, int descriptor, ToolCall& call) {
  if (const auto* remote = std::get_if<RemoteRoot>(&root)) return remote_path(*remote, path);
  const auto* sftp = std::get_if<SftpRoot>(&root);
  if (sftp == nullptr) return open_folder(descriptor);
  const std::pair<const char*, std::string> settings[] = {
      {"TYPE", "sftp"},       {"HOST", sftp->host},          {"PORT", std::to_string(sftp->port)},
      {"USER", sftp->user},   {"KEY_FILE", sftp->key_file},  {"KNOWN_HOSTS_FILE", sftp->known_hosts},
      {"SHELL_TYPE", "none"}, {"DISABLE_HASHCHECK", "true"}, {"SKIP_LINKS", "true"},
  };
  for (const auto& [key, value] : settings) call.environment.emplace_back("RCLONE_CONFIG_" + name + "_" + key, value);
  return name + ":" + sftp->folder + "/" + path;
}

ToolCall rclone_call(const Order& order, const std::string& staging) {
  const auto* remote = std::get_if<RemoteRoot>(&order.from);
  ToolCall call{.argv = {order.program,
                         "copy",
                         "--config",
                         remote == nullptr ? "" : remote->configuration,  // nobody's: the environment has it all
                         "--create-empty-src-dirs",
                         "--ignore-checksum",               // every byte is read back and hashed afterwards
                         "--multi-thread-streams",
                         "0",     // or a file that was cut has its full size already
                         "--no-unicode-normalization",
                         "--retries",
                         "1",
                         "--low-level-retries",
                         "3",
                         "--contimeout",
                         "15s",
                         "--timeout",
                         "60s",
                         "--use-json-log",
                         "--stats",
                         "500ms",
                         "--stats-log-level",
                         "NOTICE"},
                .environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/nonexistent"}, {"LC_ALL", "C"}}};
  if (order.most_per_second.value > 0) {
    call.argv.insert(call.argv.end(), {"--bwlimit", std::to_string(order.most_per_second.value) + "B"});
  }
  call.argv.emplace_back("--");
  call.argv.push_back(rclone_end(order.from, order.transfer.from.path, "FROM", kSourceDescriptor, call));
  call.argv.push_back(rclone_end(order.to, staging, "TO", kDestinationDescriptor, call));
  return call;
}

std::string rsync_end(const Root& root, const std::string& path, int descriptor) {
  const auto* sftp = std::get_if<SftpRoot>(&root);
  return (sftp == nullptr ? open_folder(descriptor) : std::string(kHost) + ":" + sftp->folder + "/" + path) + "/";
}

/// A file that was cut and is gone on with keeps the mode that rsync gave it at first, 0600, unless it is told one. Behind a
/// server its umask is not known, and not overruled. A group's folders keep handing on their group.
std::vector<std::string> rsync_modes(const Root& to) {
  const auto* folder = std::get_if<FolderRoot>(&to);
  if (folder == nullptr) return {"--chmod=D777,F666"};
  switch (folder->readers) {
    case Readers::account: return {"--perms", "--chmod=D700,F600"};
    case Readers::group: return {"--perms", "--chmod=D2750,F640"};
    case Readers::everyone: return {"--perms", "--chmod=D755,F644"};
  }
  return {};
}

ToolCall rsync_call(const Order& order, const std::string& staging, const std::string& ssh_config) {
  ToolCall call{.argv = {order.program, "--recursive", "--times", "--omit-dir-times", "--inplace",
                         "--no-whole-file",  // a file that was cut is gone on with; --partial-dir has nothing after kill -9
                         "--protect-args", "--timeout=60", "--outbuf=L", "--info=progress2", "--stats", "--no-human-readable",
                         "--rsh=/usr/bin/ssh -F " + ssh_config},
                .environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/nonexistent"}, {"LC_ALL", "C"}}};
  for (auto& option : rsync_modes(order.to)) call.argv.push_back(std::move(option));  // owners' modes are no content
  if (order.most_per_second.value > 0) {
    call.argv.push_back("--bwlimit=" + std::to_string(std::max<std::int64_t>(1, order.most_per_second.value / 1024)));
  }
  call.argv.emplace_back("--");
  call.argv.push_back(rsync_end(order.from, order.transfer.from.path, kSourceDescriptor));
  call.argv.push_back(rsync_end(order.to, staging, kDestinationDescriptor));
  return call;
}

Json plugin_end(const Root& root, const std::string& path, int descriptor) {
  const auto* sftp = std::get_if<SftpRoot>(&root);
  if (sftp == nullptr) return {{"folder", open_folder(descriptor)}};
  return {{"folder", sftp->folder + "/" + path},
          {"host", sftp->host},
          {"port", sftp->port},
          {"user", sftp->user},
          {"key_file", sftp->key_file},
          {"known_hosts", sftp->known_hosts}};
}

ToolCall plugin_call(const Order& order, const std::string& staging) {
  const Json told{{"version", 1},
                  {"from", plugin_end(order.from, order.transfer.from.path, kSourceDescriptor)},
                  {"to", plugin_end(order.to, staging, kDestinationDescriptor)},
                  {"files", order.transfer.content.files},
                  {"bytes", order.transfer.content.size.value},
                  {"most_bytes_per_second", order.most_per_second.value}};
  return {.argv = {order.program},
          .environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/nonexistent"}, {"LC_ALL", "C"}},
          .input = canonical_json(told) + "\n"};
}

}  // namespace

ToolCall call_of(const Order& order, const std::string& staging, const std::string& ssh_config) {
  switch (order.tool) {
    case Tool::rclone: return rclone_call(order, staging);
    case Tool::rsync: return rsync_call(order, staging, ssh_config);
    case Tool::plugin: break;
  }
  return plugin_call(order, staging);
}

std::string remote_path(const RemoteRoot& root, const std::string& path) {
  return root.remote + ":" + joined(root.folder.substr(std::min(root.folder.find_first_not_of('/'), root.folder.size())), path);
}

bool keeps_name(Tool tool, std::string_view path) {
  if (tool != Tool::rclone) return true;
  const bool controlled = std::ranges::any_of(path, [](unsigned char c) { return c < ' ' || c == 0x7f; });
  return !controlled && is_utf8(path) && !path.contains("\xe2\x90") && !path.contains("\xe2\x80\x9b");
}

std::string ssh_config_of(const SftpRoot& root) {
  return std::string("Host ") + kHost + "\n  HostName " + root.host + "\n  Port " + std::to_string(root.port) + "\n  User " +
         root.user + "\n  IdentityFile " + root.key_file + "\n  IdentitiesOnly yes\n  UserKnownHostsFile " + root.known_hosts +
         "\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  BatchMode yes\n  ClearAllForwardings yes\n"
         "  ConnectTimeout 15\n  ServerAliveInterval 15\n  ServerAliveCountMax 4\n";
}

}  // namespace hansa::connectors::mover
