// SPDX-License-Identifier: Apache-2.0
#pragma once
// API tokens of the broker's own: who is asking. A token is shown once, when it is made; only its SHA-256 is kept.
//
// The broker is the only writer of its token table, so the tokens in memory are the truth: a request costs one hash and one
// look-up, and a revocation counts from the moment it is durable. Thread-safe.

#include "broker/core/secret.hpp"
#include "broker/ports/stores.hpp"

#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace hansa::identity {

/// Who is asking, once that is established.
struct Caller {
  Principal principal;
  ports::Role role = ports::Role::user;
  std::string token_id = {};
  std::vector<SiteId> sites = {};  // of an operator: these alone; empty: all. Of an agent: whose it is
  // As they are at this moment: the API fills them in.
  std::vector<ProjectId> projects = {};
  std::vector<ProjectId> leads = {};
};

struct NewToken {
  Secret token;                     // "hansa_" and 43 characters of base64url: 256 random bits
  ports::ApiToken record;
};

std::string_view to_string(ports::Role role);
std::optional<ports::Role> parse_role(std::string_view text);  // of those that a token or a group may have
/// "operator (alpha, beta)".
std::string role_text(ports::Role role, const std::vector<SiteId>& sites);

/// "alice" or "local:alice" -> local:alice. Names are 1 to 64 of [A-Za-z0-9._@-]; other issuers have no tokens here.
Result<Principal> local_principal(std::string_view user);

/// `prefix` and that many random bytes as base64url.
std::string random_name(Random& random, std::string_view prefix, std::size_t bytes);

/// What follows "Bearer ", in any case; "" if it is none.
std::string_view bearer_of(std::string_view authorization);

class TokenAuthority {
 public:
  TokenAuthority(const Clock& clock, Random& random, ports::TokenStore& store);

  /// Reads all tokens; before the first request.
  async::Task<> load();

  /// The caller behind "Authorization: Bearer ...". Errors: unauthenticated with NO_TOKEN, BAD_TOKEN, TOKEN_REVOKED,
  /// TOKEN_EXPIRED.
  [[nodiscard]] Result<Caller> authenticate(std::string_view authorization) const;

  /// Neither revoked nor expired.
  [[nodiscard]] bool is_valid(const ports::ApiToken& token) const;

  async::Task<NewToken> create(Principal principal, ports::Role role, std::string note, std::optional<UtcTime> expires_at,
                               std::vector<SiteId> sites = {}, std::optional<Caller> maker = std::nullopt);
  /// Who had a hand in this token: one that is no token of the broker's has none (an issuer vouches for whoever shows it).
  [[nodiscard]] std::vector<Principal> makers_of(std::string_view token_id) const;
  async::Task<ports::ApiToken> revoke(std::string id);
  /// Revokes all of a person's and knows them no more; the store's rows are the erasure's (broker/ports/privacy.hpp).
  async::Task<> forget(Principal person);
  /// The same of all that were of no use any more before that time.
  void forget_ended(UtcTime before);
  [[nodiscard]] std::vector<ports::ApiToken> list() const;

 private:
  const Clock& clock_;
  Random& random_;
  ports::TokenStore& store_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, ports::ApiToken> by_hash_;
};

}  // namespace hansa::identity
