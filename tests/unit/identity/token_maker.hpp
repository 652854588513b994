// SPDX-License-Identifier: Apache-2.0
#pragma once
// An issuer of the test's: keys, and tokens of any shape signed with them, by OpenSSL alone.

#include "broker/core/base64url.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/identity/token_gate.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace hansa::identity::test {

inline constexpr std::int64_t kNow = 1'795'341'600;  // 2026-11-22T10:00:00Z
inline const std::string kIssuer = "https://idp.example.org/realms/one";
inline const std::string kAudience = "https://hansa.example.org";

class SigningKey {
 public:
  static SigningKey rsa(const std::string& kid, unsigned bits = 2'048) { return {EVP_RSA_gen(bits), kid}; }
  static SigningKey ec(const std::string& kid, const char* curve = "P-256") { return {EVP_EC_gen(curve), kid}; }

  [[nodiscard]] const std::string& kid() const { return kid_; }
  [[nodiscard]] bool is_rsa() const { return EVP_PKEY_is_a(key_.get(), "RSA") == 1; }

  [[nodiscard]] Json jwk() const {
    if (is_rsa()) return {{"kty", "RSA"}, {"kid", kid_}, {"use", "sig"}, {"n", number("n")}, {"e", number("e")}};
    return {{"kty", "EC"}, {"kid", kid_}, {"use", "sig"}, {"crv", "P-256"}, {"x", number("qx", 32)}, {"y", number("qy", 32)}};
  }
  [[nodiscard]] std::string modulus() const { return *from_base64url(number("n")); }

  [[nodiscard]] std::string sign(const std::string& algorithm, const std::string& text) const {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EVP_PKEY_CTX* settings = nullptr;
    must(EVP_DigestSignInit(context.get(), &settings, EVP_sha256(), nullptr, key_.get()));
    if (algorithm == "PS256") {
      must(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING));
      must(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST));
    }
    std::size_t size = 0;
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    must(EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()));
    std::string signature(size, '\0');
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    must(EVP_DigestSign(context.get(), out, &size, bytes, text.size()));
    signature.resize(size);
    return is_rsa() ? signature : raw(signature);
  }

 private:
  SigningKey(EVP_PKEY* key, std::string kid) : key_(key, &EVP_PKEY_free), kid_(std::move(kid)) {
    if (!key_) std::abort();
  }
  static void must(int result) {
    if (result != 1) std::abort();
  }
  [[nodiscard]] std::string number(const char* name, std::size_t width = 0) const {
    BIGNUM* value = nullptr;
    must(EVP_PKEY_get_bn_param(key_.get(), name, &value));
    std::string bytes(width > 0 ? width : static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    BN_free(value);
    return to_base64url(bytes);
  }
  /// DER to the two numbers side by side (RFC 7518, 3.4).
  static std::string raw(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string both(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(both.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 32, 32);
    ECDSA_SIG_free(pair);
    return both;
  }

  std::shared_ptr<EVP_PKEY> key_;
  std::string kid_;
};

/// Made once: 2,048 bits take their time.
inline const SigningKey& rsa_key() {
  static const auto key = SigningKey::rsa("rsa-1");
  return key;
}
inline const SigningKey& other_rsa_key() {
  static const auto key = SigningKey::rsa("rsa-2");
  return key;
}
inline const SigningKey& ec_key() {
  static const auto key = SigningKey::ec("ec-1");
  return key;
}

inline std::string keys_text(const std::vector<Json>& keys) { return Json{{"keys", keys}}.dump(); }
inline std::shared_ptr<const KeySet> key_set(const std::vector<Json>& keys) {
  auto set = KeySet::parse(keys_text(keys));
  return set ? std::make_shared<const KeySet>(std::move(*set)) : nullptr;
}

/// A token that is good at kNow; a test spoils it.
struct Draft {
  Json header{{"alg", "RS256"}, {"typ", "at+jwt"}, {"kid", "rsa-1"}};
  Json claims{{"iss", kIssuer}, {"sub", "28c5353b@example.org"}, {"aud", kAudience}, {"iat", kNow - 10}, {"exp", kNow + 600},
              {"jti", "j-1"},   {"client_id", "hansa-cli"}};

  [[nodiscard]] std::string unsigned_text() const { return to_base64url(header.dump()) + "." + to_base64url(claims.dump()); }
  [[nodiscard]] std::string signed_by(const SigningKey& key) const {
    const auto text = unsigned_text();
    return text + "." + to_base64url(key.sign(header.contains("alg") && header["alg"] == "PS256" ? "PS256" : "", text));
  }
  /// HMAC-SHA-256 with any secret, as one who knows a public key would.
  [[nodiscard]] std::string sealed_with(const std::string& secret) const {
    const auto text = unsigned_text();
    std::string mac(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), reinterpret_cast<unsigned char*>(mac.data()), &size);
    mac.resize(size);
    return text + "." + to_base64url(mac);
  }
};

inline IssuerTerms terms() {
  return {.id = "one", .url = kIssuer, .audience = kAudience, .algorithms = {Algorithm::rs256, Algorithm::es256}};
}

}  // namespace hansa::identity::test
