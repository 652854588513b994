// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/key_set.hpp"

#include "tests/unit/identity/token_maker.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::identity;
using namespace hansa::identity::test;

namespace {

std::string parsed(const std::string& text) {
  const auto set = KeySet::parse(text);
  return set ? std::to_string(set->size()) : set.error().code;
}

Json with(Json key, const char* name, const Json& value) {
  if (value.is_null())
    key.erase(name);
  else
    key[name] = value;
  return key;
}

/// What becomes of a token of this key, published so.
std::string verdict(const SigningKey& key, const std::vector<Json>& published) {
  const auto set = key_set(published);
  if (set == nullptr) return "NO_SET";
  Draft draft;
  draft.header["alg"] = key.is_rsa() ? "RS256" : "ES256";
  draft.header["kid"] = key.kid();
  const auto token = draft.signed_by(key);
  const auto size = from_base64url(token.substr(token.rfind('.') + 1))->size();
  const auto good = set->verify(token, key.kid(), key.is_rsa() ? Algorithm::rs256 : Algorithm::es256, size);
  return good ? "OK" : good.error().code;
}

}  // namespace

TEST_CASE("a document of keys is read strictly, or not at all", "[tokens]") {
  const auto key = rsa_key().jwk();
  CHECK(parsed(keys_text({key})) == "1");
  for (const auto& text :
       {std::string(), std::string("{}"), std::string("[]"), std::string("null"), std::string("<html>"),
        std::string("{\"keys\":{}}"), std::string("{\"keys\":\"x\"}"), std::string("{\"keys\":[]} x"),
        std::string("{\"keys\":[],\"keys\":[]}"), std::string("{\"keys\":[") + std::string(20, '[') + std::string(20, ']') + "]}",
        std::string("{\"keys\":[\"\xFF\"]}")}) {
    CAPTURE(text);
    CHECK(parsed(text) == "KEYS_JSON");
  }
  CHECK(parsed("{\"keys\":[]}") == "KEYS_NONE");
  CHECK(parsed("{\"keys\":[1,null,\"x\",[]]}") == "KEYS_NONE");
  CHECK(parsed(keys_text(std::vector<Json>(64, key))) == "64");
  CHECK(parsed(keys_text(std::vector<Json>(65, key))) ==
        (keys_text(std::vector<Json>(65, key)).size() > KeySet::kMostBytes ? "KEYS_TOO_LONG" : "KEYS_TOO_MANY"));
  CHECK(parsed("{\"keys\":[" + std::string(KeySet::kMostBytes, ' ') + "]}") == "KEYS_TOO_LONG");
  std::string million = "{\"keys\":[{}";
  for (int i = 1; i < 1'000'000; ++i) million += ",{}";
  CHECK(parsed(million + "]}") == "KEYS_TOO_LONG");  // before a byte of it is parsed
}

TEST_CASE("keys that can sign nothing here are no keys", "[tokens][T01]") {
  const auto rsa = rsa_key().jwk();
  for (const auto& other :
       {with(rsa, "kty", "oct"), with(rsa, "kty", "OKP"), with(rsa, "kty", nullptr), with(rsa, "use", "enc"), with(rsa, "use", 1),
        with(rsa, "kid", nullptr), with(rsa, "kid", ""), with(rsa, "kid", 7), with(rsa, "kid", std::string(256, 'k')),
        with(rsa, "key_ops", Json::array({"encrypt"})), with(rsa, "key_ops", "verify")}) {
    CAPTURE(other);
    CHECK(parsed(keys_text({other})) == "KEYS_NONE");
  }
  // A JWK without alg is used for what the token's own, permitted, algorithm says, never as a secret (CVE-2026-44699).
  CHECK(verdict(rsa_key(), {with(rsa, "alg", nullptr)}) == "OK");
  CHECK(verdict(rsa_key(), {with(rsa, "key_ops", Json::array({"verify"}))}) == "OK");
}

TEST_CASE("a key that cannot be trusted with a signature is named as what it is", "[tokens][T01]") {
  const auto rsa = rsa_key().jwk();
  const auto ec = ec_key().jwk();
  const auto changed = [](std::string text) { return text.substr(1) + text[0]; };
  CHECK(verdict(rsa_key(), {rsa}) == "OK");
  CHECK(verdict(ec_key(), {ec}) == "OK");
  CHECK(verdict(rsa_key(), {with(rsa, "alg", "RS256")}) == "OK");
  CHECK(verdict(rsa_key(), {with(rsa, "alg", "PS256")}) == "KEY_MISMATCH");
  CHECK(verdict(rsa_key(), {with(rsa, "alg", "HS256")}) == "KEY_MISMATCH");
  CHECK(verdict(rsa_key(), {with(rsa, "alg", 1)}) == "KEY_MISMATCH");
  CHECK(verdict(rsa_key(), {with(ec, "kid", "rsa-1")}) == "KEY_MISMATCH");
  CHECK(verdict(rsa_key(), {rsa, rsa}) == "KEY_AMBIGUOUS");
  CHECK(verdict(rsa_key(), {rsa, with(ec, "kid", "rsa-1")}) == "OK");  // the type decides
  CHECK(verdict(rsa_key(), {with(ec, "kid", "rsa-1"), rsa}) == "OK");
  CHECK(verdict(rsa_key(), {with(rsa, "d", "AQAB")}) == "KEY_UNUSABLE");
  for (const auto& [name, value] :
       std::vector<std::pair<const char*, Json>>{{"n", nullptr},
                                                 {"n", ""},
                                                 {"n", "="},
                                                 {"n", "AAAA"},
                                                 {"n", "AQ"},
                                                 {"n", to_base64url(std::string(1'100, '\x7F'))},
                                                 {"n", to_base64url(std::string(1, '\0') + rsa_key().modulus())},
                                                 {"e", nullptr},
                                                 {"e", "AQ"},
                                                 {"e", "Ag"},
                                                 {"e", "AAEAAQ"},
                                                 {"e", to_base64url(std::string(256, '\x7F'))},
                                                 {"e", 65'537}}) {
    CAPTURE(name, value);
    CHECK(verdict(rsa_key(), {with(rsa, name, value)}) == "KEY_UNUSABLE");
  }
  for (const auto& [name, value] : std::vector<std::pair<const char*, Json>>{{"crv", "P-384"},
                                                                             {"crv", "secp256k1"},
                                                                             {"crv", nullptr},
                                                                             {"x", nullptr},
                                                                             {"y", ""},
                                                                             {"x", changed(ec["x"])},
                                                                             {"x", to_base64url(std::string(31, 'x'))},
                                                                             {"y", to_base64url(std::string(33, 'x'))},
                                                                             {"x", to_base64url(std::string(32, '\0'))},
                                                                             {"x", to_base64url(std::string(32, '\xFF'))}}) {
    CAPTURE(name, value);
    CHECK(verdict(ec_key(), {with(ec, name, value)}) == "KEY_UNUSABLE");
  }
  static const auto weak = SigningKey::rsa("weak", 1'024);
  CHECK(verdict(weak, {weak.jwk()}) == "KEY_UNUSABLE");
}
