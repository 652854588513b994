// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an access token of an issuer's (RFC 7519, RFC 9068, the WLCG profile 1.3) must be to count here. Everything is checked in
// one order, what costs least first, and no URL is ever taken from a token. Pure: the tests' corpus, the fuzzer and the
// comparison with another implementation ask the same function as the API.

#include "broker/core/canonical_json.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "broker/identity/key_set.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::identity {

inline constexpr std::size_t kLongestToken = std::size_t{16} << 10;
inline constexpr Seconds kClockSkew{60};  // of nbf and iat; an end has none

/// Which of its tokens an issuer's word is taken for.
struct IssuerTerms {
  std::string id;        // of the configuration: what stands before a principal's colon
  std::string url;       // "iss", byte for byte
  std::string audience;  // one of "aud", byte for byte
  std::vector<Algorithm> algorithms;
  bool typed = false;                    // "typ" must be at+jwt (RFC 9068)
  Seconds longest{21'600};               // from iat to exp
  std::vector<std::string> clients = {};  // "azp" or "client_id" must be one of them; none: any
};

struct FederatedToken {
  std::size_t issuer = 0;  // its place among those that were given
  Principal principal;     // "<issuer's id>:<subject>"
  std::string subject, jti, kid;
  UtcTime issued_at{}, expires_at{};
  Json claims;
};

/// The keys of the issuer at that place; null: they are not known now.
using KeysOf = std::function<std::shared_ptr<const KeySet>(std::size_t issuer)>;

/// Errors, in the order in which they are looked for: unauthenticated with TOKEN_TOO_LONG, TOKEN_SHAPE, TOKEN_ENCODING,
/// TOKEN_JSON; TOKEN_ALGORITHM, TOKEN_CRITICAL, TOKEN_TYPE; TOKEN_ISSUER; KEY_ID_MISSING; unavailable with KEYS_NOT_KNOWN; what
/// KeySet::verify says; TOKEN_CLAIMS (one that must be there is not, or is of another type), TOKEN_EXPIRED, TOKEN_NOT_YET,
/// TOKEN_FROM_FUTURE, TOKEN_AUDIENCE, TOKEN_LIFETIME, TOKEN_SUBJECT, TOKEN_VERSION, TOKEN_CLIENT.
Result<FederatedToken> check_token(std::string_view token, std::span<const IssuerTerms> issuers, const KeysOf& keys_of,
                                   UtcTime now);

}  // namespace hansa::identity
