// SPDX-License-Identifier: Apache-2.0
#pragma once
// The documentation of every key, made from its record.

#include <string>

namespace hansa::config {

/// config/reference.md: `hansa config reference > config/reference.md`.
std::string reference_markdown();

/// packaging/man/hansad.toml.5: `hansa config reference --man > packaging/man/hansad.toml.5`.
std::string reference_man();

}  // namespace hansa::config
