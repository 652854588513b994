// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whom and what an operator has shut out: a person whatever token they show, one token, one key of an issuer's, an issuer. Counts
// from the moment it is durable until it is lifted. As with tokens, the broker is the only writer and the copy in memory the
// truth. Thread-safe.

#include "broker/ports/revocations.hpp"

#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace hansa::identity {

class Revocations {
 public:
  Revocations(const Clock& clock, ports::RevocationStore& store) : clock_(clock), store_(store) {}

  async::Task<> load();

  /// `value`: a principal, "<issuer>:<jti>", "<issuer>:<kid>", an issuer's id. Again the same: the one that is there.
  async::Task<ports::Revocation> revoke(ports::Revocation::What what, std::string value, std::string reason, Principal by);
  /// not_found, NOT_REVOKED.
  async::Task<ports::Revocation> lift(std::int64_t number, Principal by);
  [[nodiscard]] std::vector<ports::Revocation> list() const;  // oldest first, lifted ones too
  /// Who shut out others is nobody now; as the store has it once they are erased. Whoever is shut out stays so.
  void forget(const Principal& person);

  /// unauthenticated with PERSON_REVOKED, TOKEN_REVOKED, KEY_REVOKED, ISSUER_REVOKED.
  [[nodiscard]] Result<void> check(ports::Revocation::What what, std::string_view value) const;

 private:
  const Clock& clock_;
  ports::RevocationStore& store_;
  mutable std::shared_mutex mutex_;
  std::vector<ports::Revocation> all_;
  std::unordered_set<std::string> in_force_;  // "person egi:..."
};

std::string_view to_string(ports::Revocation::What what);  // "person", "token", "key", "issuer"
std::optional<ports::Revocation::What> parse_revocation(std::string_view text);

}  // namespace hansa::identity
