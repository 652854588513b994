// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rule packs that the command line names.

#include "broker/core/error.hpp"
#include "policies/rules/pack.hpp"

#include <span>
#include <string>
#include <vector>

namespace hansa::cli {

/// Each operand a pack's file, or a folder with such files (*.toml). Every fault of all of them: BAD_RULE_PACK.
Result<std::vector<rules::Pack>> read_packs(std::span<const std::string> operands);

}  // namespace hansa::cli
