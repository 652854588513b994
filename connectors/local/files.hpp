// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small files that are either there and whole, or not there. Blocking; shared by the connector and the supervisor.

#include "broker/core/descriptor.hpp"
#include "broker/core/error.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::local {

/// not_found, conflict (a symbolic link is in the way), unavailable, storage_full (no space, quota), permission_denied or
/// internal, with `what` and errno's words.
std::unexpected<Error> system_error(int error, const std::string& what);

Result<Descriptor> open_directory(const std::string& path);
/// Missing parts are made, 0700.
Result<void> make_directories(const std::string& path);

/// At most `limit` bytes; not_found if there is no such file. A symbolic link is not followed.
Result<std::string> read_file(int directory, const std::string& name, std::size_t limit = std::size_t{64} << 20);

/// Written beside it, synced, renamed over it, and the folder synced: after a crash the file is the old one or the new one.
Result<void> write_file(int directory, const std::string& name, std::string_view content, mode_t mode = 0600);

/// At the end of an open file.
Result<void> append(const Descriptor& file, std::string_view content);

bool exists(int directory, const std::string& name);

/// Names in it but "." and "..".
Result<std::vector<std::string>> list_directory(int directory);

/// Beneath `root` whatever `path` says: no "..", no absolute path, no symbolic link on the way (openat2; the O_CREAT
/// mode is 0600).
Result<Descriptor> open_beneath(int root, const std::string& path, int flags);

/// False: somebody holds it.
Result<bool> try_lock(const Descriptor& file);

}  // namespace hansa::connectors::local
