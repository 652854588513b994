// SPDX-License-Identifier: Apache-2.0
#pragma once
// API tokens: their hashes, never the tokens.

#include "broker/ports/stores.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

/// conflict, TOKEN_EXISTS, for an id or hash that is there already.
Result<void> create_token(Connection& db, const ports::ApiToken& token);
Result<ports::ApiToken> read_token_by_hash(Connection& db, const std::string& hash);
Result<std::vector<ports::ApiToken>> read_tokens(Connection& db);
/// A token that is revoked already keeps its first time.
Result<ports::ApiToken> revoke_token(Connection& db, const std::string& id, UtcTime at);

/// Who had a hand in one, as a column has them: a JSON list.
std::string text_of(const std::vector<Principal>& makers);
std::vector<Principal> makers_in(std::string_view text);

}  // namespace hansa::store
