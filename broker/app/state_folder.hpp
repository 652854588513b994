// SPDX-License-Identifier: Apache-2.0
#pragma once
// What hansad does with its state folder at start, beside the database.

#include "broker/identity/tokens.hpp"

#include <filesystem>

namespace hansa::app {

/// Makes the folder (0700) if it is missing; refuses one that others can enter or that is not ours, with the remedy.
Result<void> make_state_folder(const std::filesystem::path& folder);

/// A file (0600) that is written whole and durable, or not there.
Result<void> write_private_file(const std::filesystem::path& path, std::string_view text);

/// A broker always has an operator: if no operator's token is valid, or if the only ones are of this function and their file is
/// gone, makes one, writes it to `folder`/operator.token (0600) and revokes those that were lost.
async::Task<> ensure_operator_token(identity::TokenAuthority& tokens, std::filesystem::path folder);

}  // namespace hansa::app
