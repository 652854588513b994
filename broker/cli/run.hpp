// SPDX-License-Identifier: Apache-2.0
#pragma once
// A call of `hansa`, from its arguments to its exit status.

#include "broker/cli/exit_status.hpp"
#include "broker/cli/surroundings.hpp"

#include <span>

namespace hansa::cli {

/// `arguments` without the program's name.
ExitStatus run(std::span<const char* const> arguments, Surroundings& outside);

}  // namespace hansa::cli
