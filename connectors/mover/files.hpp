// SPDX-License-Identifier: Apache-2.0
#pragma once
// Descriptors, and the small files of the spool, which are there and whole or not there. Blocking.

#include "broker/core/descriptor.hpp"
#include "broker/core/error.hpp"

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::mover {

/// storage_full, permission_denied, not_found, unavailable or internal, with `what` and errno's words. Code MOVER_FILES.
std::unexpected<Error> system_error(int error, const std::string& what);

/// With the folders above it; new ones are the account's alone (0700).
Result<Descriptor> open_or_make_folder(const std::string& path);

bool exists(int folder, const std::string& name);

/// None if there is no such file. A symbolic link is not followed.
Result<std::optional<std::string>> read_file(int folder, const std::string& name);

enum class Keep { for_ever, until_the_power_fails };

/// Written beside it and renamed over it. 0600.
Result<void> write_file(int folder, const std::string& name, std::string_view content, Keep keep);

/// Names in it but "." and "..".
Result<std::vector<std::string>> names_in(int folder);

}  // namespace hansa::connectors::mover
