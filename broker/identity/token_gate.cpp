// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/token_gate.hpp"

#include "broker/core/base64url.hpp"
#include "broker/core/time_text.hpp"
#include "broker/identity/ascii.hpp"

#include <algorithm>
#include <array>

namespace hansa::identity {

namespace {

constexpr std::size_t kDepth = 8;
constexpr std::size_t kMostAudiences = 64;
constexpr std::size_t kMostSubjectBytes = 255;  // OpenID Connect Core 1.0, section 2
constexpr std::int64_t kLastSecond = 253'402'300'799;  // of the year 9999

std::unexpected<Error> refuse(std::string_view code, std::string message) {
  return fail(ErrorKind::unauthenticated, code, std::move(message));
}

const Json* member(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at == object.end() ? nullptr : &*at;
}

/// "" also for what is no text: the checks that follow want a particular one.
std::string text_of(const Json& object, const char* name) {
  const auto* value = member(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

/// A NumericDate of whole seconds; negative for one that is none.
std::int64_t seconds_of(const Json& object, const char* name) {
  const auto* value = member(object, name);
  if (value == nullptr || !value->is_number_integer()) return -1;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(kLastSecond)) return -1;
  return value->get<std::int64_t>();
}

struct Parts {
  Json header, claims;
  std::size_t signature_size = 0;
};

Result<Parts> take_apart(std::string_view token) {
  if (token.size() > kLongestToken)
    return refuse("TOKEN_TOO_LONG", "the token is longer than " + std::to_string(kLongestToken) + " bytes");
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return refuse("TOKEN_SHAPE", "the token is not of three parts: no signed JSON Web Token");
  const auto header = from_base64url(token.substr(0, first));
  const auto claims = from_base64url(token.substr(first + 1, second - first - 1));
  const auto signature = from_base64url(token.substr(second + 1));
  if (!header || !claims || !signature || header->empty() || claims->empty())
    return refuse("TOKEN_ENCODING", "a part of the token is not base64url without padding");
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // nlohmann's parser skips one, cjose's does not
  if (header->starts_with(kByteOrderMark) || claims->starts_with(kByteOrderMark))
    return refuse("TOKEN_JSON", "a part of the token begins with a byte order mark, which JSON has none of");
  auto read_header = parse_json(*header, kDepth), read_claims = parse_json(*claims, kDepth);
  if (!read_header || !read_claims || !read_header->is_object() || !read_claims->is_object()) {
    const auto why = !read_header ? read_header.error().message : !read_claims ? read_claims.error().message : "no JSON object";
    return refuse("TOKEN_JSON", "a part of the token is " + why);
  }
  return Parts{.header = std::move(*read_header), .claims = std::move(*read_claims), .signature_size = signature->size()};
}

Result<Algorithm> check_header(const Json& header, const IssuerTerms* issuer) {
  const auto algorithm = parse_algorithm(text_of(header, "alg"));
  if (!algorithm || (issuer != nullptr && std::ranges::find(issuer->algorithms, *algorithm) == issuer->algorithms.end()))
    return refuse("TOKEN_ALGORITHM", "the token is not signed by an algorithm that its issuer may use here");
  if (header.contains("crit"))
    return refuse("TOKEN_CRITICAL", "the token has extensions that must be understood (crit); none is");
  if (issuer != nullptr && issuer->typed) {
    const auto type = in_lower_case(text_of(header, "typ"));
    if (type != "at+jwt" && type != "application/at+jwt")
      return refuse("TOKEN_TYPE", "the token says that it is no access token (typ at+jwt), but perhaps an ID token");
  }
  return *algorithm;
}

Result<void> check_audience(const Json& claims, const std::string& audience) {
  const auto* told = member(claims, "aud");
  const bool is_list = told != nullptr && told->is_array() && told->size() <= kMostAudiences;
  const bool well_formed = is_list ? std::ranges::all_of(*told, [](const Json& one) { return one.is_string(); })
                                   : told != nullptr && told->is_string();
  const auto is_ours = [&](const Json& one) { return one == audience; };
  const bool ours = well_formed && (is_list ? std::ranges::any_of(*told, is_ours) : is_ours(*told));
  if (ours) return {};
  return refuse("TOKEN_AUDIENCE",
                "the token is not for this broker: ask the issuer for one with the audience \"" + audience + '"');
}

Result<void> check_times(const Json& claims, const IssuerTerms& issuer, UtcTime now, FederatedToken& token) {
  const auto expires = seconds_of(claims, "exp"), issued = seconds_of(claims, "iat");
  const auto not_before = claims.contains("nbf") ? seconds_of(claims, "nbf") : 0;
  if (expires < 0 || issued < 0 || not_before < 0)
    return refuse("TOKEN_CLAIMS", "the token does not say, in whole seconds, when it was made and when it ends (iat, exp; nbf)");
  token.expires_at = from_unix_seconds(expires);
  token.issued_at = from_unix_seconds(issued);
  if (now >= token.expires_at)
    return refuse("TOKEN_EXPIRED", "the token was good until " + format_utc(token.expires_at) + ": hansa login makes a new one");
  if (from_unix_seconds(not_before) > now + kClockSkew)
    return refuse("TOKEN_NOT_YET", "the token is not good before " + format_utc(from_unix_seconds(not_before)) + "; it is " +
                                       format_utc(now) + " by this broker's clock");
  if (token.issued_at > now + kClockSkew)
    return refuse("TOKEN_FROM_FUTURE", "the token was made at " + format_utc(token.issued_at) + "; it is " + format_utc(now) +
                                           " by this broker's clock: one of the two is wrong");
  if (auto audience = check_audience(claims, issuer.audience); !audience) return audience;
  if (token.expires_at - token.issued_at > issuer.longest)
    return refuse("TOKEN_LIFETIME", "the token is good for longer than the " + std::to_string(issuer.longest.count()) +
                                        " s that tokens of this issuer may be");
  return {};
}

}  // namespace

Result<FederatedToken> check_token(std::string_view token, std::span<const IssuerTerms> issuers, const KeysOf& keys_of,
                                   UtcTime now) {
  auto parts = take_apart(token);
  if (!parts) return std::unexpected(parts.error());
  // Whose set of algorithms counts is known by the issuer; a token of nobody's is refused for what is wrong with it first.
  const auto* told = member(parts->claims, "iss");
  const auto at = told != nullptr && told->is_string()
                      ? std::ranges::find(issuers, told->get_ref<const std::string&>(), &IssuerTerms::url)
                      : issuers.end();
  const auto algorithm = check_header(parts->header, at == issuers.end() ? nullptr : &*at);
  if (!algorithm) return std::unexpected(algorithm.error());
  if (at == issuers.end()) return refuse("TOKEN_ISSUER", "the token's issuer is none of this broker's: see hansa login --list");
  FederatedToken good{.issuer = static_cast<std::size_t>(at - issuers.begin()), .claims = {}};

  good.kid = text_of(parts->header, "kid");
  if (good.kid.empty()) return refuse("KEY_ID_MISSING", "the token does not name its key (kid)");
  const auto keys = keys_of(good.issuer);
  if (keys == nullptr)
    return fail(ErrorKind::unavailable, "KEYS_NOT_KNOWN",
                "the keys of issuer " + at->id + " could not be read: nobody can be known by its tokens until it answers");
  if (auto signed_by_it = keys->verify(token, good.kid, *algorithm, parts->signature_size); !signed_by_it)
    return std::unexpected(signed_by_it.error());

  const auto& claims = parts->claims;
  if (auto times = check_times(claims, *at, now, good); !times) return std::unexpected(times.error());
  good.subject = text_of(claims, "sub");
  const bool plain = std::ranges::all_of(good.subject, [](char c) { return c > ' ' && c < '\x7f'; });
  if (good.subject.empty() || good.subject.size() > kMostSubjectBytes || !plain)
    return refuse("TOKEN_SUBJECT", "the token's subject is not 1 to 255 visible ASCII characters");
  // WLCG profile 1.3: another minor version is taken, another major one is not.
  if (claims.contains("wlcg.ver") && !text_of(claims, "wlcg.ver").starts_with("1."))
    return refuse("TOKEN_VERSION", "the token follows another version of the WLCG profile than 1");
  if (!at->clients.empty()) {
    const auto party = claims.contains("azp") ? text_of(claims, "azp") : text_of(claims, "client_id");
    if (std::ranges::find(at->clients, party) == at->clients.end())
      return refuse("TOKEN_CLIENT", "the token was made for a client that may not speak for people here: use hansa login");
  }
  good.jti = text_of(claims, "jti");
  good.principal = Principal{at->id + ":" + good.subject};
  good.claims = std::move(parts->claims);
  return good;
}

}  // namespace hansa::identity
