// SPDX-License-Identifier: Apache-2.0
#pragma once
// A program that is run in the foreground, with this terminal: OpenSSH's client, an agent.

#include "broker/core/error.hpp"

#include <string>
#include <vector>

namespace hansa::cli {

/// Its standard input begins with `line` and ends when this process does, however that is. Answers its exit status, 128 and the
/// signal's number if one ended it. not_found, NO_PROGRAM: it cannot be started. Ctrl-C is for it, not for us.
Result<int> run_in_foreground(const std::vector<std::string>& command, const std::string& line);

}  // namespace hansa::cli
