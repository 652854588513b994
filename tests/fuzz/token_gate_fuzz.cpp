// SPDX-License-Identifier: Apache-2.0
// Whatever comes as a token is refused with a code, unless our key signed exactly this; a message never repeats the token. Every
// other input is taken as header and claims, which are then signed, so that what lies behind the signature is reached as well.

#include "tests/fuzz/require.hpp"
#include "tests/unit/identity/token_maker.hpp"

using namespace hansa;
using namespace hansa::identity;
using namespace hansa::identity::test;

namespace {

void check(const std::string& token) {
  static const auto keys = key_set({ec_key().jwk()});
  static const auto issuer = [] {
    auto made = terms();
    made.clients = {"hansa-cli"};
    return made;
  }();
  const auto checked = check_token(token, std::span(&issuer, 1), [](std::size_t) { return keys; }, from_unix_seconds(kNow));
  if (!checked) {
    require(!checked.error().code.empty() && !checked.error().message.empty());
    require(token.size() < 24 || !checked.error().message.contains(token));
    return;
  }
  require(checked->principal.str() == "one:" + checked->subject && !checked->subject.empty());
  require(checked->expires_at > from_unix_seconds(kNow) && checked->expires_at - checked->issued_at <= issuer.longest);
  require(checked->claims.at("iss") == kIssuer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(text);
  const auto cut = text.find('\n');
  if (cut == std::string::npos) return 0;
  const auto parts = to_base64url(text.substr(0, cut)) + "." + to_base64url(text.substr(cut + 1));
  check(parts + "." + to_base64url(ec_key().sign("ES256", parts)));
  return 0;
}
