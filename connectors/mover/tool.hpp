// SPDX-License-Identifier: Apache-2.0
#pragma once
// How rclone, rsync and plug-ins are called: argument vectors, an environment of exactly what is written here, no shell on this
// host. What a plug-in is told and tells is in docs/moving-data.md.

#include "broker/core/clock.hpp"
#include "connectors/mover/order.hpp"
#include "connectors/mover/tool_output.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::mover {

// Where a tool finds what it is given open.
inline constexpr int kSourceDescriptor = 3;
inline constexpr int kDestinationDescriptor = 4;
inline constexpr int kLockDescriptor = 5;  // while any process of the tool lives, the destination's lock is held

struct ToolCall {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
  std::string input = {};  // on its standard input
  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

/// From the source's folder into the folder `staging` of the destination's root. Local ends are the descriptors above.
/// `ssh_config` is where ssh_config_of() was written.
ToolCall call_of(const Order& order, const std::string& staging, const std::string& ssh_config);

/// Whether a file of this name arrives under it. rsync moves bytes. rclone 1.60 thinks in UTF-8 and writes control characters as
/// their pictures (U+2400 on), with U+201B before what is such a picture already, and what SFTP gets is that.
bool keeps_name(Tool tool, std::string_view path);

/// As rclone calls it.
std::string remote_path(const RemoteRoot& root, const std::string& path);

/// For rsync: the one host "replica".
std::string ssh_config_of(const SftpRoot& root);

struct OpenEnds {
  int source = -1;                     // -1: remote
  int destination = -1;
  int lock = -1;
};

struct ToolEnd {
  std::optional<int> exit_status;
  std::optional<int> signal;
  bool stopped = false;                // because `go_on` said so
};

/// Runs it to its end in a process group of its own, which dies with this process. `go_on` is asked several times a second; false
/// ends the group: SIGTERM, and SIGKILL after kStopGrace. Error: it could not be started.
Result<ToolEnd> run_tool(const ToolCall& call, OpenEnds ends, ToolOutput& output, const Clock& clock,
                         const std::function<bool()>& go_on);

inline constexpr Milliseconds kStopGrace{5000};

}  // namespace hansa::connectors::mover
