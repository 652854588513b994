// SPDX-License-Identifier: Apache-2.0
// The corpus: every way in which a token can be wrong that the threat model names, each with the one code that refuses it.
#include "broker/identity/token_gate.hpp"

#include "tests/unit/identity/token_maker.hpp"

#include <catch2/catch.hpp>

#include <functional>

using namespace hansa;
using namespace hansa::identity;
using namespace hansa::identity::test;

namespace {

const std::shared_ptr<const KeySet>& usual_keys() {
  static const auto keys = key_set({rsa_key().jwk(), ec_key().jwk()});
  return keys;
}

std::string verdict(const std::string& token, const IssuerTerms& issuer = terms(),
                    const std::shared_ptr<const KeySet>& keys = usual_keys(), std::int64_t now = kNow) {
  const auto checked = check_token(token, std::span(&issuer, 1), [&](std::size_t) { return keys; }, from_unix_seconds(now));
  if (checked) return "OK";
  CHECK(checked.error().kind == (checked.error().code == "KEYS_NOT_KNOWN" ? ErrorKind::unavailable : ErrorKind::unauthenticated));
  if (token.size() > 20) CHECK_FALSE(checked.error().message.contains(token.substr(0, 20)));
  return checked.error().code;
}

std::string spoilt(const std::function<void(Draft&)>& spoil) {
  Draft draft;
  spoil(draft);
  return verdict(draft.signed_by(rsa_key()));
}

std::string with_claim(const char* name, const Json& value) {
  return spoilt([&](Draft& draft) { draft.claims[name] = value; });
}
std::string without_claim(const char* name) {
  return spoilt([&](Draft& draft) { draft.claims.erase(name); });
}
std::string with_header(const char* name, const Json& value) {
  return spoilt([&](Draft& draft) { draft.header[name] = value; });
}

/// Signed as it is written, whatever is in it.
std::string raw_parts(const std::string& header, const std::string& claims) {
  const auto text = to_base64url(header) + "." + to_base64url(claims);
  return text + "." + to_base64url(rsa_key().sign("RS256", text));
}

}  // namespace

TEST_CASE("a good token of each kind is taken, and says whose it is", "[tokens][T01]") {
  const auto issuer = terms();
  Draft draft;
  const auto good = check_token(
      draft.signed_by(rsa_key()), std::span(&issuer, 1), [](std::size_t) { return usual_keys(); }, from_unix_seconds(kNow));
  REQUIRE(good);
  CHECK(good->principal.str() == "one:28c5353b@example.org");
  CHECK(good->jti == "j-1");
  CHECK(good->kid == "rsa-1");
  CHECK(good->expires_at == from_unix_seconds(kNow + 600));

  draft.header["alg"] = "ES256";
  draft.header["kid"] = "ec-1";
  CHECK(verdict(draft.signed_by(ec_key())) == "OK");
  auto pss = terms();
  pss.algorithms = {Algorithm::ps256};
  draft.header = {{"alg", "PS256"}, {"kid", "rsa-1"}};
  CHECK(verdict(draft.signed_by(rsa_key()), pss) == "OK");
  CHECK(verdict(draft.signed_by(rsa_key())) == "TOKEN_ALGORITHM");  // the issuer's set counts
}

TEST_CASE("each way in which a token is wrong has a code of its own", "[tokens][T01][T02][T03]") {
  const Draft good;
  const auto token = good.signed_by(rsa_key());
  const auto signature = token.substr(token.rfind('.') + 1);
  const auto header = token.substr(0, token.find('.'));
  const auto claims = token.substr(header.size() + 1, token.rfind('.') - header.size() - 1);

  SECTION("shape") {
    for (const auto& [text, code] : std::vector<std::pair<std::string, std::string>>{
             {"", "TOKEN_SHAPE"},
             {"abc", "TOKEN_SHAPE"},
             {header + "." + claims, "TOKEN_SHAPE"},
             {token + ".", "TOKEN_SHAPE"},
             {token + ".x.y", "TOKEN_SHAPE"},  // five parts: encrypted (JWE)
             {"..", "TOKEN_ENCODING"},
             {header + ".." + signature, "TOKEN_ENCODING"},
             {header + "=." + claims + "." + signature, "TOKEN_ENCODING"},
             {header + "." + claims + "==." + signature, "TOKEN_ENCODING"},
             {header + "." + claims + "." + signature + "\n", "TOKEN_ENCODING"},
             {" " + token, "TOKEN_ENCODING"},
             {header + "." + claims + "+." + signature, "TOKEN_ENCODING"},
             {header + "." + claims + "." + signature.substr(0, signature.size() - 1) + "/", "TOKEN_ENCODING"},
             {token + std::string(kLongestToken, 'A'), "TOKEN_TOO_LONG"},
             {raw_parts("{", "{}"), "TOKEN_JSON"},
             {raw_parts("[]", "{}"), "TOKEN_JSON"},
             {raw_parts("{}", "\"x\""), "TOKEN_JSON"},
             {raw_parts("{} {}", "{}"), "TOKEN_JSON"},
             {raw_parts("\xEF\xBB\xBF" + good.header.dump(), good.claims.dump()), "TOKEN_JSON"},
             {raw_parts(good.header.dump(), "\xEF\xBB\xBF" + good.claims.dump()), "TOKEN_JSON"},
             {raw_parts("{\"alg\":\"RS256\",\"alg\":\"none\"}", good.claims.dump()), "TOKEN_JSON"},
             {raw_parts(good.header.dump(), "{\"iss\":\"a\",\"iss\":\"" + kIssuer + "\"}"), "TOKEN_JSON"},
             {raw_parts(good.header.dump(), "{\"a\":" + std::string(9, '[') + std::string(9, ']') + "}"), "TOKEN_JSON"},
             {raw_parts(good.header.dump(), "{\"a\":\"\xFF\"}"), "TOKEN_JSON"},
             {raw_parts(good.header.dump(), good.claims.dump() + std::string(1, '\0')), "TOKEN_JSON"},
         }) {
      CAPTURE(text.substr(0, 200));
      CHECK(verdict(text) == code);
    }
  }
  SECTION("algorithm") {
    for (const auto* name : {"none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "ES384",
                             "ES256K", "EdDSA", "RS256 ", "rs256", ""}) {
      CAPTURE(name);
      CHECK(with_header("alg", name) == "TOKEN_ALGORITHM");
    }
    CHECK(with_header("alg", nullptr) == "TOKEN_ALGORITHM");
    CHECK(with_header("alg", Json::array({"RS256"})) == "TOKEN_ALGORITHM");
    Draft draft;
    draft.header.erase("alg");
    CHECK(verdict(draft.signed_by(rsa_key())) == "TOKEN_ALGORITHM");
    draft = {};
    draft.header["alg"] = "none";
    CHECK(verdict(draft.unsigned_text() + ".") == "TOKEN_ALGORITHM");
    // The public key, of which anybody can make a secret.
    draft.header["alg"] = "HS256";
    CHECK(verdict(draft.sealed_with(rsa_key().modulus())) == "TOKEN_ALGORITHM");
    CHECK(verdict(draft.sealed_with(rsa_key().jwk().dump())) == "TOKEN_ALGORITHM");
    CHECK(verdict(draft.sealed_with("")) == "TOKEN_ALGORITHM");
  }
  SECTION("extensions and addresses in the header") {
    CHECK(with_header("crit", Json::array({"exp"})) == "TOKEN_CRITICAL");
    CHECK(with_header("crit", Json::array()) == "TOKEN_CRITICAL");
    CHECK(with_header("crit", nullptr) == "TOKEN_CRITICAL");
    Draft b64;
    b64.header["b64"] = false;
    b64.header["crit"] = Json::array({"b64"});
    CHECK(verdict(b64.signed_by(rsa_key())) == "TOKEN_CRITICAL");
    // What says where a key is to be had is not looked at: the key is the issuer's or none.
    for (const auto* name : {"jku", "x5u"}) {
      Draft draft;
      draft.header[name] = "http://169.254.169.254/latest/meta-data/";
      CHECK(verdict(draft.signed_by(rsa_key())) == "OK");
      CHECK(verdict(draft.signed_by(other_rsa_key())) == "SIGNATURE_WRONG");
    }
    Draft own;
    own.header["jwk"] = other_rsa_key().jwk();
    CHECK(verdict(own.signed_by(other_rsa_key())) == "SIGNATURE_WRONG");
    auto typed = terms();
    typed.typed = true;
    Draft id_token;
    for (const auto& [type, code] : std::vector<std::pair<Json, std::string>>{{"JWT", "TOKEN_TYPE"},
                                                                              {"id+jwt", "TOKEN_TYPE"},
                                                                              {nullptr, "TOKEN_TYPE"},
                                                                              {"at+jwt", "OK"},
                                                                              {"AT+JWT", "OK"},
                                                                              {"application/at+jwt", "OK"}}) {
      id_token.header["typ"] = type;
      CHECK(verdict(id_token.signed_by(rsa_key()), typed) == code);
      CHECK(verdict(id_token.signed_by(rsa_key())) == "OK");
    }
  }
  SECTION("issuer") {
    for (const auto& issuer : {Json("https://evil.example.org"), Json(kIssuer + "/"), Json("HTTPS://idp.example.org/realms/one"),
                               Json(kIssuer + "%2F"), Json(""), Json(nullptr), Json::array({kIssuer}), Json(7)}) {
      CAPTURE(issuer);
      CHECK(with_claim("iss", issuer) == "TOKEN_ISSUER");
    }
    CHECK(without_claim("iss") == "TOKEN_ISSUER");
  }
  SECTION("key") {
    CHECK(with_header("kid", "") == "KEY_ID_MISSING");
    CHECK(with_header("kid", nullptr) == "KEY_ID_MISSING");
    CHECK(with_header("kid", 1) == "KEY_ID_MISSING");
    CHECK(with_header("kid", "rsa-2") == "KEY_UNKNOWN");
    CHECK(with_header("kid", "../../etc/passwd") == "KEY_UNKNOWN");
    CHECK(with_header("kid", "rsa-1'; DROP TABLE") == "KEY_UNKNOWN");
    CHECK(with_header("kid", "ec-1") == "KEY_MISMATCH");
    CHECK(verdict(token, terms(), nullptr) == "KEYS_NOT_KNOWN");
    Draft elliptic;
    elliptic.header["alg"] = "ES256";
    CHECK(verdict(elliptic.signed_by(ec_key())) == "KEY_MISMATCH");  // kid rsa-1
  }
  SECTION("signature") {
    CHECK(verdict(good.signed_by(other_rsa_key())) == "SIGNATURE_WRONG");
    CHECK(verdict(header + "." + claims + ".") == "SIGNATURE_LENGTH");
    CHECK(verdict(header + "." + claims + "." + to_base64url(std::string(255, 'x'))) == "SIGNATURE_LENGTH");
    CHECK(verdict(header + "." + claims + "." + to_base64url(std::string(256, '\0'))) == "SIGNATURE_WRONG");
    CHECK(verdict(header + "." + claims + "." + to_base64url(std::string(256, '\xFF'))) == "SIGNATURE_WRONG");
    Draft changed = good;
    changed.claims["sub"] = "somebody-else";
    CHECK(verdict(changed.unsigned_text() + "." + signature) == "SIGNATURE_WRONG");
    Draft elliptic;
    elliptic.header["alg"] = "ES256";
    elliptic.header["kid"] = "ec-1";
    const auto text = elliptic.unsigned_text();
    const auto right = ec_key().sign("ES256", text);
    for (const auto& bytes : {right.substr(0, 63), right + "x", right + std::string(64, 'x'), std::string(1, 'x'),
                              std::string(8'192, 'x'), right.substr(0, 32), std::string()}) {
      CAPTURE(bytes.size());
      CHECK(verdict(text + "." + to_base64url(bytes)) == "SIGNATURE_LENGTH");
    }
    CHECK(verdict(text + "." + to_base64url(std::string(64, '\0'))) == "SIGNATURE_WRONG");
    CHECK(verdict(text + "." + to_base64url(right.substr(32) + right.substr(0, 32))) == "SIGNATURE_WRONG");
    CHECK(verdict(text + "." + to_base64url(right)) == "OK");
  }
  SECTION("times") {
    CHECK(with_claim("exp", kNow) == "TOKEN_EXPIRED");  // to the second: no grace
    CHECK(with_claim("exp", kNow + 1) == "OK");
    CHECK(with_claim("exp", kNow - 1) == "TOKEN_EXPIRED");
    CHECK(with_claim("exp", 0) == "TOKEN_EXPIRED");
    CHECK(with_claim("nbf", kNow + 60) == "OK");
    CHECK(with_claim("nbf", kNow + 61) == "TOKEN_NOT_YET");
    CHECK(with_claim("iat", kNow + 60) == "OK");
    CHECK(with_claim("iat", kNow + 61) == "TOKEN_FROM_FUTURE");
    CHECK(spoilt([](Draft& d) {
            d.claims["iat"] = kNow - 10;
            d.claims["exp"] = kNow - 10 + 21'600;
          }) == "OK");
    CHECK(spoilt([](Draft& d) {
            d.claims["iat"] = kNow - 10;
            d.claims["exp"] = kNow - 10 + 21'601;
          }) == "TOKEN_LIFETIME");
    for (const auto* name : {"exp", "iat"}) {
      CHECK(without_claim(name) == "TOKEN_CLAIMS");
      for (const auto& value :
           {Json("1795341700"), Json(1.795e9), Json(true), Json(nullptr), Json(-1), Json::array({kNow}),
            Json(std::numeric_limits<std::int64_t>::max()), Json(std::numeric_limits<std::uint64_t>::max()), Json(1e300)}) {
        CAPTURE(name, value);
        CHECK(with_claim(name, value) == "TOKEN_CLAIMS");
      }
    }
    CHECK(with_claim("nbf", "now") == "TOKEN_CLAIMS");
    // The clock steps under it.
    const auto hour = 3'600;
    CHECK(verdict(token, terms(), usual_keys(), kNow + hour) == "TOKEN_EXPIRED");
    CHECK(verdict(token, terms(), usual_keys(), kNow - hour) == "TOKEN_FROM_FUTURE");
  }
  SECTION("audience, in every wrong shape") {
    for (const auto& wrong :
         {Json("https://other.example.org"), Json(kAudience + "/"), Json(kAudience.substr(0, kAudience.size() - 1)),
          Json(kAudience + ".evil.example"), Json("HTTPS://HANSA.EXAMPLE.ORG"), Json(""), Json("*"), Json(nullptr), Json(true),
          Json(1), Json::object({{kAudience, true}}), Json::array(), Json::array({""}), Json::array({kAudience + "/"}),
          Json::array({Json::array({kAudience})}), Json::array({kAudience, 1}), Json("https://wlcg.cern.ch/jwt/v1/any"),
          Json(kAudience + " https://other.example.org"), Json(std::vector<std::string>(65, kAudience))}) {
      CAPTURE(wrong);
      CHECK(with_claim("aud", wrong) == "TOKEN_AUDIENCE");
    }
    CHECK(without_claim("aud") == "TOKEN_AUDIENCE");
    CHECK(with_claim("aud", Json::array({"https://other.example.org", kAudience})) == "OK");
  }
  SECTION("subject, client, version") {
    for (const auto& wrong : {Json(""), Json(nullptr), Json(7), Json(std::string(256, 'a')), Json("a b"), Json("a\nb"),
                              Json("\xC3\xA5lice"), Json(std::string("a\0b", 3)), Json::array({"a"})}) {
      CAPTURE(wrong);
      CHECK(with_claim("sub", wrong) == "TOKEN_SUBJECT");
    }
    CHECK(without_claim("sub") == "TOKEN_SUBJECT");
    CHECK(with_claim("sub", std::string(255, 'a')) == "OK");
    CHECK(with_claim("sub", "a:b|c/d") == "OK");
    CHECK(with_claim("wlcg.ver", "1.0") == "OK");
    CHECK(with_claim("wlcg.ver", "1.7") == "OK");
    CHECK(with_claim("wlcg.ver", "2.0") == "TOKEN_VERSION");
    CHECK(with_claim("wlcg.ver", 1) == "TOKEN_VERSION");
    auto bound = terms();
    bound.clients = {"hansa-cli"};
    Draft draft;
    CHECK(verdict(draft.signed_by(rsa_key()), bound) == "OK");
    draft.claims["azp"] = "another";
    CHECK(verdict(draft.signed_by(rsa_key()), bound) == "TOKEN_CLIENT");
    draft.claims.erase("azp");
    draft.claims.erase("client_id");
    CHECK(verdict(draft.signed_by(rsa_key()), bound) == "TOKEN_CLIENT");
  }
}

TEST_CASE("what is checked first is told first", "[tokens][T01]") {
  Draft all;  // wrong in everything that follows the signature, and in what comes before it
  all.header = {{"alg", "HS256"}, {"crit", Json::array()}};
  all.claims = {{"iss", "x"}, {"exp", 0}};
  CHECK(verdict(all.unsigned_text() + ".") == "TOKEN_ALGORITHM");
  all.header["alg"] = "RS256";
  CHECK(verdict(all.unsigned_text() + ".") == "TOKEN_CRITICAL");
  all.header.erase("crit");
  CHECK(verdict(all.unsigned_text() + ".") == "TOKEN_ISSUER");
  all.claims["iss"] = kIssuer;
  CHECK(verdict(all.unsigned_text() + ".") == "KEY_ID_MISSING");
  all.header["kid"] = "rsa-9";
  CHECK(verdict(all.unsigned_text() + ".") == "KEY_UNKNOWN");
  all.header["kid"] = "rsa-1";
  CHECK(verdict(all.unsigned_text() + ".") == "SIGNATURE_LENGTH");
  CHECK(verdict(all.signed_by(other_rsa_key())) == "SIGNATURE_WRONG");
  CHECK(verdict(all.signed_by(rsa_key())) == "TOKEN_CLAIMS");
  all.claims["iat"] = 1;
  CHECK(verdict(all.signed_by(rsa_key())) == "TOKEN_EXPIRED");
}

TEST_CASE("an issuer's token is none of another's", "[tokens][T05][T06]") {
  auto one = terms(), two = terms();
  two.id = "two";
  two.url = "https://idp.example.org/realms/two";
  const std::vector<IssuerTerms> both{one, two};
  const auto keys_of = [](std::size_t issuer) { return issuer == 0 ? usual_keys() : key_set({other_rsa_key().jwk()}); };
  Draft draft;
  draft.claims["iss"] = two.url;
  const auto stolen = check_token(draft.signed_by(rsa_key()), both, keys_of, from_unix_seconds(kNow));  // one's key, two's name
  REQUIRE(!stolen);
  CHECK(stolen.error().code == "KEY_UNKNOWN");
  draft.header["kid"] = "rsa-2";
  const auto right = check_token(draft.signed_by(other_rsa_key()), both, keys_of, from_unix_seconds(kNow));
  REQUIRE(right);
  CHECK(right->principal.str() == "two:28c5353b@example.org");
}

TEST_CASE("no user name and no address of mail makes a token somebody else's", "[tokens][T06]") {
  const auto issuer = terms();
  for (const auto* claim : {"preferred_username", "email", "upn", "name", "nickname", "sun", "username", "uid", "eppn",
                            "voperson_id", "eduperson_unique_id", "cuid", "act", "principal"}) {
    for (const Json& value : {Json("alice"), Json("local:alice"), Json("two:alice"), Json(Json::array({"local:alice"})),
                              Json(Json::object({{"sub", "local:alice"}}))}) {
      CAPTURE(claim, value);
      Draft draft;
      draft.claims[claim] = value;
      draft.claims["email_verified"] = true;
      const auto told = check_token(
          draft.signed_by(rsa_key()), std::span(&issuer, 1), [](std::size_t) { return usual_keys(); }, from_unix_seconds(kNow));
      REQUIRE(told);
      CHECK(told->principal.str() == "one:28c5353b@example.org");
    }
  }
  Draft named;  // who is called like a person of the broker's own is that issuer's all the same
  named.claims["sub"] = "local:alice";
  const auto told = check_token(
      named.signed_by(rsa_key()), std::span(&issuer, 1), [](std::size_t) { return usual_keys(); }, from_unix_seconds(kNow));
  REQUIRE(told);
  CHECK(told->principal.str() == "one:local:alice");
}
