// SPDX-License-Identifier: Apache-2.0
#pragma once
// The token that a call shows to the broker, and whence it is. The first of these that there is:
//   1. the file of --token-file, HANSA_TOKEN_FILE, or token_file in the configuration: made for Hansa, by an operator;
//   2. BEARER_TOKEN, then the file of BEARER_TOKEN_FILE (WLCG bearer token discovery 1.0);
//   3. the login of `hansa login` at this broker, renewed if it is about to end;
//   4. oidc-agent, if OIDC_SOCK names its socket, for the issuer and audience that the configuration or the last login at this
//      broker names, never for those that a broker does;
//   5. $XDG_RUNTIME_DIR/bt_uUID, then /tmp/bt_uUID (the end of that discovery).

#include "broker/cli/surroundings.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/core/secret.hpp"

#include <string>

namespace hansa::cli {

struct Credential {
  Secret token;
  std::string from;                // for people: "/home/a/token", "BEARER_TOKEN"
  std::string exposed_file = {};   // others can read it
};

/// unauthenticated, NO_TOKEN: none of these; and what went wrong with the first that there is.
Result<Credential> find_credential(const config::ClientConfig& config, const Surroundings& outside);

/// What would be used in place of a login, or "".
std::string before_login(const config::ClientConfig& config, const Surroundings& outside);

}  // namespace hansa::cli
