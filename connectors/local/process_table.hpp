// SPDX-License-Identifier: Apache-2.0
#pragma once
// The processes of this machine, from /proc. A process is its id and the time it started: ids are used again.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::local {

struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t session = 0;
  std::uint64_t started = 0;  // clock ticks since the machine started (proc(5), stat field 22)
  char state = '?';           // 'Z': over, waiting to be reaped
};

std::optional<ProcessEntry> process_entry(pid_t pid);
std::vector<ProcessEntry> all_processes();

/// Children, their children, ... of `ancestor`, itself not included.
std::vector<ProcessEntry> descendants_of(pid_t ancestor);

/// Whether NAME=value stands in the environment that the process was started with. False if we may not look.
bool started_with(pid_t pid, std::string_view assignment);

/// Of the machine's present run: after a restart, process ids and start times of before mean nothing.
std::string boot_id();

}  // namespace hansa::connectors::local
