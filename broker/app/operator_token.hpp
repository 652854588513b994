// SPDX-License-Identifier: Apache-2.0
#pragma once
// What hansad does with its state folder at start, beside the database.

#include "broker/identity/tokens.hpp"
#include "broker/store/sqlite_store.hpp"

#include <filesystem>
#include <string>

namespace hansa::app {

/// Makes the folder (0700) if it is missing; refuses one that others can enter or that is not ours, with the remedy.
Result<void> make_state_folder(const std::filesystem::path& folder);

/// If there is no token yet: makes an operator's and writes it to `folder`/operator.token (0600).
async::Task<> ensure_operator_token(identity::TokenAuthority& tokens, std::filesystem::path folder);

std::string store_metrics(const store::Figures& figures);

}  // namespace hansa::app
