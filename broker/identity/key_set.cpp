// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/key_set.hpp"

#include "broker/core/base64url.hpp"
#include "broker/core/canonical_json.hpp"

#include <cjose/cjose.h>
#include <openssl/err.h>

#include <algorithm>
#include <bit>

namespace hansa::identity {

namespace {

constexpr std::size_t kDepth = 8;
constexpr std::size_t kLeastRsaBits = 2'048, kMostRsaBits = 8'192;  // more costs a verification milliseconds
constexpr std::size_t kMostExponentBytes = 4;
constexpr std::size_t kCoordinate = 32;  // of P-256
constexpr std::size_t kMostKeyIdBytes = 255;

std::unexpected<Error> refuse(std::string_view code, std::string message) {
  return fail(ErrorKind::unauthenticated, code, std::move(message));
}

std::string text_of(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// Big-endian, without leading zeros (RFC 7518, 2: Base64urlUInt).
std::optional<std::string> whole_number(const Json& object, const char* name) {
  auto bytes = from_base64url(text_of(object, name));
  if (!bytes || bytes->empty() || bytes->front() == '\0') return std::nullopt;
  return bytes;
}

bool is_for_signatures(const Json& object) {
  const auto use = object.find("use");
  if (use != object.end() && *use != "sig") return false;
  const auto operations = object.find("key_ops");
  return operations == object.end() || (operations->is_array() && std::ranges::find(*operations, "verify") != operations->end());
}

std::uint8_t* bytes_of(std::string& text) { return reinterpret_cast<std::uint8_t*>(text.data()); }

}  // namespace

struct KeySet::Material {
  cjose_jwk_t* jwk = nullptr;
  explicit Material(cjose_jwk_t* made) : jwk(made) {}
  Material(const Material&) = delete;
  Material& operator=(const Material&) = delete;
  ~Material() { cjose_jwk_release(jwk); }
};

std::string_view to_string(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::rs256: return "RS256";
    case Algorithm::ps256: return "PS256";
    case Algorithm::es256: return "ES256";
  }
  return "?";
}

std::optional<Algorithm> parse_algorithm(std::string_view text) {
  for (const auto algorithm : {Algorithm::rs256, Algorithm::ps256, Algorithm::es256}) {
    if (to_string(algorithm) == text) return algorithm;
  }
  return std::nullopt;
}

Result<KeySet> KeySet::parse(std::string_view text) {
  const auto bad = [](std::string_view code, std::string message) {
    return fail(ErrorKind::invalid_argument, code, std::move(message));
  };
  if (text.size() > kMostBytes)
    return bad("KEYS_TOO_LONG", "the issuer's keys are a document of more than " + std::to_string(kMostBytes) + " bytes");
  const auto document = parse_json(text, kDepth);
  if (!document) return bad("KEYS_JSON", "the issuer's keys are " + document.error().message);
  const auto list = document->is_object() ? document->find("keys") : document->end();
  if (list == document->end() || !list->is_array()) return bad("KEYS_JSON", "the issuer's keys are no list \"keys\"");
  if (list->size() > kMostKeys)
    return bad("KEYS_TOO_MANY",
               "the issuer has " + std::to_string(list->size()) + " keys; at most " + std::to_string(kMostKeys) + " are taken");

  KeySet set;
  for (const auto& entry : *list) {
    if (!entry.is_object() || !is_for_signatures(entry)) continue;
    const auto type = text_of(entry, "kty");
    if (type != "RSA" && type != "EC") continue;  // "oct" above all: a public document holds no secret
    Key key{.kid = text_of(entry, "kid"), .elliptic = type == "EC", .algorithm = {}, .fault = {}, .material = {}};
    if (key.kid.empty() || key.kid.size() > kMostKeyIdBytes) continue;
    if (entry.contains("alg")) key.algorithm = text_of(entry, "alg");
    cjose_err error{};
    cjose_jwk_t* made = nullptr;
    if (entry.contains("d") || entry.contains("k")) {
      key.fault = "is published with its private part";
    } else if (key.elliptic) {
      auto x = from_base64url(text_of(entry, "x")), y = from_base64url(text_of(entry, "y"));
      key.signature_size = 2 * kCoordinate;
      if (text_of(entry, "crv") != "P-256") {
        key.fault = "is of another curve than P-256";
      } else if (!x || !y || x->size() != kCoordinate || y->size() != kCoordinate) {
        key.fault = "is no point of P-256";
      } else {
        cjose_jwk_ec_keyspec point{};
        point.crv = CJOSE_JWK_EC_P_256;
        point.x = bytes_of(*x);
        point.xlen = x->size();
        point.y = bytes_of(*y);
        point.ylen = y->size();
        made = cjose_jwk_create_EC_spec(&point, &error);  // OpenSSL refuses what is not on the curve
        if (made == nullptr) key.fault = "is no point of P-256";
      }
    } else {
      auto n = whole_number(entry, "n"), e = whole_number(entry, "e");
      const auto bits = n ? n->size() * 8 - static_cast<std::size_t>(std::countl_zero(static_cast<std::uint8_t>(n->front()))) : 0;
      const bool odd = n && e && (n->back() & 1) != 0 && (e->back() & 1) != 0;
      key.signature_size = n ? n->size() : 0;
      if (!odd || e->size() > kMostExponentBytes || *e == "\x01") {
        key.fault = "is no RSA key";
      } else if (bits < kLeastRsaBits || bits > kMostRsaBits) {
        key.fault = "has " + std::to_string(bits) + " bits; taken are " + std::to_string(kLeastRsaBits) + " to " +
                    std::to_string(kMostRsaBits);
      } else {
        cjose_jwk_rsa_keyspec numbers{};
        numbers.n = bytes_of(*n);
        numbers.nlen = n->size();
        numbers.e = bytes_of(*e);
        numbers.elen = e->size();
        made = cjose_jwk_create_RSA_spec(&numbers, &error);
        if (made == nullptr) key.fault = "is no RSA key";
      }
    }
    if (made != nullptr) key.material = std::make_shared<const Material>(made);
    set.keys_.push_back(std::move(key));
  }
  ERR_clear_error();  // or TLS on this thread would take them for its own
  if (set.keys_.empty())
    return bad("KEYS_NONE", "the issuer publishes no key with an id that could sign a token: RSA, or EC on P-256");
  return set;
}

bool KeySet::knows(std::string_view kid) const {
  return std::ranges::any_of(keys_, [kid](const Key& key) { return key.kid == kid; });
}

Result<void> KeySet::verify(std::string_view token, std::string_view kid, Algorithm algorithm, std::size_t signature_size) const {
  const bool elliptic = algorithm == Algorithm::es256;
  const Key* found = nullptr;
  for (const auto& key : keys_) {
    if (key.kid != kid) continue;
    if (found != nullptr && found->elliptic == key.elliptic)
      return refuse("KEY_AMBIGUOUS", "the issuer has two keys of the id that the token names; tell its operator");
    if (found == nullptr || key.elliptic == elliptic) found = &key;
  }
  if (found == nullptr) return refuse("KEY_UNKNOWN", "the token is signed with a key that its issuer does not publish");
  if (found->elliptic != elliptic || (found->algorithm && *found->algorithm != to_string(algorithm)))
    return refuse("KEY_MISMATCH", "the token's key is not for " + std::string(to_string(algorithm)));
  if (found->material == nullptr) return refuse("KEY_UNUSABLE", "the token's key " + found->fault);
  if (signature_size != found->signature_size)
    return refuse("SIGNATURE_LENGTH", "the token's signature has " + std::to_string(signature_size) + " bytes, not " +
                                          std::to_string(found->signature_size));
  cjose_err error{};
  const std::unique_ptr<cjose_jws_t, decltype(&cjose_jws_release)> jws(cjose_jws_import(token.data(), token.size(), &error),
                                                                       &cjose_jws_release);
  const bool good = jws != nullptr && cjose_jws_verify(jws.get(), found->material->jwk, &error);
  ERR_clear_error();
  if (!good) return refuse("SIGNATURE_WRONG", "the token's signature is not its issuer's");
  return {};
}

}  // namespace hansa::identity
