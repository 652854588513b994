// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/oauth.hpp"

#include "broker/cli/redirect_listener.hpp"
#include "broker/core/base64url.hpp"
#include "broker/core/digest.hpp"
#include "broker/http/client.hpp"
#include "broker/http/location.hpp"

#include <algorithm>
#include <array>

namespace hansa::cli {
namespace {

constexpr std::size_t kMostAnswer = std::size_t{256} << 10;
constexpr std::size_t kMostToken = std::size_t{16} << 10;
constexpr std::size_t kIssuerDepth = 8;
constexpr Milliseconds kBrowserWait{300'000};
constexpr Seconds kLongestCode{1'800}, kLongestInterval{60};

using Form = std::vector<std::pair<std::string, std::string>>;

std::unexpected<Error> odd(const LoginIssuer& issuer, const std::string& why) {
  return fail(ErrorKind::unavailable, "ISSUER_ANSWER", "issuer " + issuer.id + " at " + issuer.url + " " + why);
}

std::string text_of(const Json& json, const char* key) {
  const auto at = json.is_object() ? json.find(key) : json.end();
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::int64_t seconds_of(const Json& json, const char* key, std::int64_t otherwise) {
  const auto at = json.find(key);
  if (at == json.end() || !at->is_number_integer()) return otherwise;
  return std::clamp<std::int64_t>(at->get<std::int64_t>(), 0, 366 * 86'400);
}

/// A token never crosses the network in the clear.
Result<http::Location> secure_location(const LoginIssuer& issuer, const std::string& text) {
  auto location = http::Location::parse(text);
  if (!location) return odd(issuer, "names an address that is none");
  const auto& host = location->url.host;
  if (!location->url.tls && !host.starts_with("127.") && host != "::1" && host != "localhost")
    return odd(issuer, "would have secrets sent in the clear, to " + location->url.str());
  return location;
}

Result<http::Response> ask(const LoginIssuer& issuer, const std::string& url, const Form* form) {
  const auto location = secure_location(issuer, url);
  if (!location) return std::unexpected(location.error());
  http::Client client(location->url, {.ca_file = issuer.ca_file,
                                      .peer = "issuer " + issuer.id,
                                      .user_agent = "hansa/" HANSA_VERSION,
                                      .answer_timeout = Milliseconds{20'000},
                                      .answer_limit = kMostAnswer});
  http::Client::Fields fields{{"Accept", "application/json"}};
  if (form == nullptr) return client.request("GET", location->path, fields);
  fields.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  std::string body;
  for (const auto& [name, value] : *form) {
    if (!value.empty()) body += (body.empty() ? "" : "&") + http::percent_encode(name) + "=" + http::percent_encode(value);
  }
  const Secret sent(std::move(body));
  return client.request("POST", location->path, fields, sent.reveal());
}

/// The answer's JSON, whatever its status; an Error for what is none.
Result<std::pair<int, Json>> ask_json(const LoginIssuer& issuer, const std::string& url, const Form* form) {
  auto answer = ask(issuer, url, form);
  if (!answer) return std::unexpected(answer.error());
  auto json = parse_json(answer->body, kIssuerDepth);
  if (!json || !json->is_object()) return odd(issuer, "answers with status " + std::to_string(answer->status) + " and no JSON");
  return std::pair(answer->status, std::move(*json));
}

Result<Tokens> tokens_of(const Clock& clock, const LoginIssuer& issuer, const Json& json) {
  const auto type = text_of(json, "token_type");
  Tokens tokens{.access = Secret(text_of(json, "access_token")), .refresh = Secret(text_of(json, "refresh_token"))};
  const auto good = [](const Secret& token) {
    return token.reveal().size() <= kMostToken &&
           std::ranges::all_of(token.reveal(), [](char c) { return c > ' ' && c < '\x7f'; });
  };
  if (!http::equal_ignoring_case(type, "bearer") || tokens.access.empty() || !good(tokens.access) || !good(tokens.refresh))
    return odd(issuer, "gives no bearer token");
  tokens.expires_at = clock.now_utc() + Seconds{seconds_of(json, "expires_in", 300)};
  return tokens;
}

/// What the issuer says is wrong, fit for people: RFC 6749, 5.2.
std::string complaint_of(const Json& json) {
  const auto error = text_of(json, "error"), description = text_of(json, "error_description");
  return printable((error + (description.empty() ? "" : ": " + description)).substr(0, 300));
}

std::string drawn(Random& random) {
  std::array<std::byte, 32> bytes{};
  random.fill(bytes);
  return to_base64url({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string challenge_of(const std::string& verifier) {
  const auto digest = sha256(verifier);
  return to_base64url({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

void tell(const Surroundings& outside, const std::string& line) { outside.err("hansa: " + printable(line) + "\n"); }

/// Whoever is tricked into it, by somebody else or by the broker that named the issuer, should see what they agree to (RFC
/// 8628, 5.4).
void tell_terms(const Surroundings& outside, const LoginIssuer& issuer) {
  tell(outside, "this lets \"" + issuer.client + "\" on this machine act for you at the broker " + issuer.broker +
                    ", by tokens of the issuer " + issuer.url + " for \"" + issuer.audience + "\"" +
                    (issuer.resource.empty() ? "" : " (resource \"" + issuer.resource + "\")") + ", with: " + issuer.scope +
                    "; go on only if it was you who asked for it");
}

}  // namespace

Result<void> describe(LoginIssuer& issuer) {
  auto base = issuer.url;
  while (base.ends_with('/')) base.pop_back();
  const auto told = ask_json(issuer, base + "/.well-known/openid-configuration", nullptr);
  if (!told) return std::unexpected(told.error());
  const auto& [status, json] = *told;
  if (status != 200 || text_of(json, "issuer") != issuer.url)
    return odd(issuer, "does not describe itself (status " + std::to_string(status) + "): is it the right address?");
  issuer.token_url = text_of(json, "token_endpoint");
  issuer.device_url = text_of(json, "device_authorization_endpoint");
  issuer.authorization_url = text_of(json, "authorization_endpoint");
  issuer.revocation_url = text_of(json, "revocation_endpoint");
  const auto methods = json.find("code_challenge_methods_supported");
  issuer.pkce = methods != json.end() && methods->is_array() && std::ranges::find(*methods, "S256") != methods->end();
  if (issuer.token_url.empty()) return odd(issuer, "gives no tokens (token_endpoint)");
  return {};
}

Result<Tokens> log_in_by_device(Surroundings& outside, const LoginIssuer& issuer) {
  if (issuer.device_url.empty())
    return fail(ErrorKind::invalid_argument, "NO_DEVICE_FLOW",
                "issuer " + issuer.id + " has no device flow; use hansa login --browser");
  const auto verifier = issuer.pkce ? drawn(outside.random) : std::string();
  Form form{{"client_id", issuer.client}, {"scope", issuer.scope}, {"resource", issuer.resource}};
  if (issuer.pkce) form.insert(form.end(), {{"code_challenge", challenge_of(verifier)}, {"code_challenge_method", "S256"}});
  const auto begun = ask_json(issuer, issuer.device_url, &form);
  if (!begun) return std::unexpected(begun.error());
  const auto code = text_of(begun->second, "device_code"), user_code = text_of(begun->second, "user_code"),
             where = text_of(begun->second, "verification_uri");
  if (begun->first != 200 || code.empty() || user_code.empty() || where.empty())
    return fail(ErrorKind::permission_denied, "LOGIN_REFUSED",
                "issuer " + issuer.id + " begins no login: " + complaint_of(begun->second));

  tell(outside, "open " + where + " and type the code " + user_code);
  tell_terms(outside, issuer);
  auto interval = Seconds{std::clamp<std::int64_t>(seconds_of(begun->second, "interval", 5), 1, kLongestInterval.count())};
  const auto end =
      outside.clock.now_monotonic() + std::min<Milliseconds>(Seconds{seconds_of(begun->second, "expires_in", 600)}, kLongestCode);
  const Form poll{{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"},
                  {"device_code", code},
                  {"client_id", issuer.client},
                  {"resource", issuer.resource},
                  {"code_verifier", verifier}};
  while (outside.clock.now_monotonic() < end) {
    outside.pause(interval);
    const auto told = ask_json(issuer, issuer.token_url, &poll);
    if (!told) {  // RFC 8628, 3.5: slower, and again
      interval = std::min(interval * 2, kLongestInterval);
      continue;
    }
    if (told->first == 200) return tokens_of(outside.clock, issuer, told->second);
    const auto error = text_of(told->second, "error");
    if (error == "slow_down") interval = std::min(interval + Seconds{5}, kLongestInterval);
    if (error == "slow_down" || error == "authorization_pending") continue;
    if (error == "expired_token") break;
    return fail(ErrorKind::permission_denied, "LOGIN_REFUSED", "issuer " + issuer.id + " refuses: " + complaint_of(told->second));
  }
  return fail(ErrorKind::deadline_exceeded, "LOGIN_LATE", "nobody typed the code in time; run hansa login again");
}

Result<Tokens> log_in_by_browser(Surroundings& outside, const LoginIssuer& issuer, bool may_open) {
  if (issuer.authorization_url.empty())
    return fail(ErrorKind::invalid_argument, "NO_BROWSER_FLOW",
                "issuer " + issuer.id + " has no such login; use hansa login --device");
  if (const auto safe = secure_location(issuer, issuer.authorization_url); !safe) return std::unexpected(safe.error());
  auto listener = RedirectListener::open();
  if (!listener) return std::unexpected(listener.error());
  const auto verifier = drawn(outside.random), state = drawn(outside.random);
  auto url = issuer.authorization_url + (issuer.authorization_url.contains('?') ? "&" : "?");
  for (const auto& [name, value] : Form{{"response_type", "code"},
                                        {"client_id", issuer.client},
                                        {"redirect_uri", listener->address()},
                                        {"scope", issuer.scope},
                                        {"state", state},
                                        {"code_challenge", challenge_of(verifier)},
                                        {"code_challenge_method", "S256"},
                                        {"resource", issuer.resource},
                                        {"prompt", issuer.scope.contains("offline_access") ? "consent" : ""}}) {
    if (!value.empty()) url += (url.ends_with('?') || url.ends_with('&') ? "" : "&") + name + "=" + http::percent_encode(value);
  }
  tell_terms(outside, issuer);
  tell(outside, "open in a browser on this machine: " + url);
  if (may_open) (void)outside.foreground({"xdg-open", url}, "");
  const auto back = listener->wait(outside.clock, kBrowserWait);
  if (!back) return std::unexpected(back.error());
  const auto value = [&](std::string_view name) {
    const auto at = std::ranges::find(*back, name, &std::pair<std::string, std::string>::first);
    return at == back->end() ? std::string() : at->second;
  };
  if (value("state") != state)
    return fail(ErrorKind::permission_denied, "LOGIN_MIXED_UP", "what came back is not of this login; run hansa login again");
  if (const auto iss = value("iss"); !iss.empty() && iss != issuer.url)  // RFC 9207
    return fail(ErrorKind::permission_denied, "LOGIN_MIXED_UP", "another issuer answered this login; run hansa login again");
  if (value("code").empty())
    return fail(
        ErrorKind::permission_denied, "LOGIN_REFUSED",
        "issuer " + issuer.id + " refuses: " + printable((value("error") + " " + value("error_description")).substr(0, 300)));
  const Form form{{"grant_type", "authorization_code"}, {"code", value("code")},       {"redirect_uri", listener->address()},
                  {"client_id", issuer.client},         {"resource", issuer.resource}, {"code_verifier", verifier}};
  const auto told = ask_json(issuer, issuer.token_url, &form);
  if (!told) return std::unexpected(told.error());
  if (told->first != 200)
    return fail(ErrorKind::permission_denied, "LOGIN_REFUSED", "issuer " + issuer.id + " refuses: " + complaint_of(told->second));
  return tokens_of(outside.clock, issuer, told->second);
}

Result<Tokens> refresh(const Clock& clock, const LoginIssuer& issuer, const Secret& refresh_token) {
  const Form form{{"grant_type", "refresh_token"},
                  {"refresh_token", std::string(refresh_token.reveal())},
                  {"client_id", issuer.client},
                  {"resource", issuer.resource}};
  const auto told = ask_json(issuer, issuer.token_url, &form);
  if (!told) return std::unexpected(told.error());
  if (told->first != 200 && text_of(told->second, "error") == "invalid_grant")
    return fail(ErrorKind::unauthenticated, "LOGIN_OVER",
                "your login at issuer " + issuer.id + " is over; run hansa login again");
  if (told->first != 200) return odd(issuer, "does not renew your token: " + complaint_of(told->second));
  auto tokens = tokens_of(clock, issuer, told->second);
  if (tokens && tokens->refresh.empty()) tokens->refresh = refresh_token;  // RFC 6749, 6: it stays good
  return tokens;
}

Result<void> revoke(const LoginIssuer& issuer, const Secret& refresh_token) {
  const Form form{
      {"token", std::string(refresh_token.reveal())}, {"token_type_hint", "refresh_token"}, {"client_id", issuer.client}};
  const auto answer = ask(issuer, issuer.revocation_url, &form);
  if (!answer) return std::unexpected(answer.error());
  if (answer->status != 200) return odd(issuer, "does not take the token back: status " + std::to_string(answer->status));
  return {};
}

}  // namespace hansa::cli
