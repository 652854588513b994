// SPDX-License-Identifier: Apache-2.0
// token_verdicts NOW ISSUER AUDIENCE: reads a line of keys (a JWK set), then tokens, each a line in base64url; writes for each
// "OK" or the code that refuses it.
#include "broker/core/base64url.hpp"
#include "broker/identity/token_gate.hpp"

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) {
  using namespace hansa;
  using namespace hansa::identity;
  if (argc != 4) return 2;
  const IssuerTerms issuer{.id = "one", .url = argv[2], .audience = argv[3], .algorithms = {Algorithm::rs256, Algorithm::es256}};
  const auto now = from_unix_seconds(std::atoll(argv[1]));
  std::string line;
  std::getline(std::cin, line);
  auto parsed = KeySet::parse(line);
  if (!parsed) {
    std::cerr << parsed.error().message << '\n';
    return 1;
  }
  const auto keys = std::make_shared<const KeySet>(std::move(*parsed));
  while (std::getline(std::cin, line)) {
    const auto token = from_base64url(line).value_or("");
    const auto checked = check_token(token, std::span(&issuer, 1), [&](std::size_t) { return keys; }, now);
    std::cout << (checked ? "OK" : checked.error().code) << std::endl;  // the other end waits for it
  }
}
