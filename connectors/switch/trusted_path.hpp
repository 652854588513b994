// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files that only root can have put where they are.

#include "broker/core/error.hpp"

#include <string>

namespace hansa::connectors::account_switch {

/// Whether `path` leads to a regular file that is root's, as is every folder and symbolic link on the way, with none of
/// them writable by group or others. (A sticky /tmp does not pass.) What passes cannot be exchanged by anybody but root
/// between this check and its use.
Result<void> check_trusted_file(const std::string& path);

}  // namespace hansa::connectors::account_switch
