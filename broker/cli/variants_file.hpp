// SPDX-License-Identifier: Apache-2.0
#pragma once
// The file that `hansa submit --variants` names: the list that a request has under "variants", as JSON or as TOML.

#include "broker/core/canonical_json.hpp"

#include <string>

namespace hansa::cli {

/// TOML by the file's ending, else JSON; the list itself, or an object that has it as "variants" and nothing else. Error:
/// invalid_argument, with file and line or byte. What stands in it is the broker's to judge.
Result<Json> read_variants_file(const std::string& path);

}  // namespace hansa::cli
