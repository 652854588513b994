// SPDX-License-Identifier: Apache-2.0
#pragma once
// The client's half of OAuth 2.0: an issuer's description, and tokens by its device flow (RFC 8628), by a browser on this machine
// (RFC 8252, 7636), or by a refresh token. No secret of a client's is needed: `hansa` is a public one.

#include "broker/cli/surroundings.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/core/secret.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::cli {

/// Of an issuer, as the broker tells it (GET /v1/issuers) and as the issuer describes itself.
struct LoginIssuer {
  std::string id, name, url;
  std::string client;
  std::string scope;  // words with blanks between them
  std::string resource;  // "": none
  std::string ca_file;  // "": the system's authorities
  // Its description.
  std::string token_url, device_url, authorization_url, revocation_url;
  bool pkce = false;  // it says that it checks S256
  std::string audience = {};  // whom its tokens are for
  std::string broker = {};  // who told all this: its URL
};

struct Tokens {
  Secret access;
  Secret refresh;  // empty: none was given
  UtcTime expires_at{};  // a token without an end counts for five minutes
};

/// Fills in the description. Errors name the issuer.
Result<void> describe(LoginIssuer& issuer);

/// Shows where to go and what to type, and waits; at most as long as the issuer's code is good.
Result<Tokens> log_in_by_device(Surroundings& outside, const LoginIssuer& issuer);
/// Opens a browser, or shows the address, and waits for it to come back; at most five minutes.
Result<Tokens> log_in_by_browser(Surroundings& outside, const LoginIssuer& issuer, bool may_open);
/// unauthenticated, LOGIN_OVER: a new login is needed.
Result<Tokens> refresh(const Clock& clock, const LoginIssuer& issuer, const Secret& refresh_token);
/// RFC 7009; nothing is said of whether it was known.
Result<void> revoke(const LoginIssuer& issuer, const Secret& refresh_token);

}  // namespace hansa::cli
