// SPDX-License-Identifier: Apache-2.0
#pragma once
// People's secrets, sealed, and the attempts that have copies of them (broker/ports/secrets.hpp).

#include "broker/ports/secrets.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<void> put_secret(Connection& db, const ports::SealedSecret& secret, std::size_t most);
Result<std::vector<ports::SealedSecret>> read_secrets(Connection& db, const Principal& owner);
Result<std::vector<ports::SealedSecret>> read_sealed_secrets(Connection& db, const Principal& owner,
                                                             const std::vector<std::string>& names);
Result<void> delete_secret(Connection& db, const Principal& owner, const std::string& name);
Result<std::vector<ports::SealedSecret>> read_sealed_by_others(Connection& db, const std::string& key_id, std::size_t limit);
Result<void> reseal(Connection& db, const ports::SealedSecret& before, const ports::SealedSecret& now);

/// not_found: there is no such attempt.
Result<void> note_secret_copy(Connection& db, const JobId& job, std::int32_t attempt);
Result<std::vector<ports::SecretCopy>> read_secret_copies(Connection& db);
Result<void> secret_copy_gone(Connection& db, const JobId& job, std::int32_t attempt);

}  // namespace hansa::store
