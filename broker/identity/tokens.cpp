// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/tokens.hpp"

#include "broker/core/base64url.hpp"
#include "broker/core/digest.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

namespace hansa::identity {

using ports::ApiToken;
using ports::Role;

namespace {

constexpr std::string_view kTokenPrefix = "hansa_";
constexpr std::string_view kIssuer = "local:";

std::unexpected<Error> refuse(std::string_view code, std::string message) {
  return fail(ErrorKind::unauthenticated, code, std::move(message));
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::user: return "user";
    case Role::operator_: return "operator";
    case Role::auditor: return "auditor";
    case Role::policy_officer: return "policy-officer";
    case Role::agent: return "agent";
  }
  return "?";
}

std::optional<Role> parse_role(std::string_view text) {
  for (const auto role : {Role::user, Role::operator_, Role::auditor, Role::policy_officer}) {
    if (to_string(role) == text) return role;
  }
  return std::nullopt;
}

std::string role_text(Role role, const std::vector<SiteId>& sites) {
  std::string text(to_string(role));
  for (const auto& site : sites) text += (&site == &sites.front() ? " (" : ", ") + site.str();
  return sites.empty() ? text : text + ")";
}

Result<Principal> local_principal(std::string_view user) {
  auto name = user.starts_with(kIssuer) ? user.substr(kIssuer.size()) : user;
  const bool good = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == '@';
  });
  if (!good) {
    auto error =
        fail(ErrorKind::invalid_argument, "BAD_USER", "a user is 1 to 64 letters, digits, '.', '_', '-' or '@', as in \"alice\"");
    error.error().faults.push_back({"/user", error.error().message});
    return error;
  }
  return Principal{std::string(kIssuer) + std::string(name)};
}

std::string random_name(Random& random, std::string_view prefix, std::size_t bytes) {
  std::vector<std::byte> drawn(bytes);
  random.fill(drawn);
  return std::string(prefix) + to_base64url({reinterpret_cast<const char*>(drawn.data()), drawn.size()});
}

std::string_view bearer_of(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = authorization.size() > kScheme.size() &&
                      std::ranges::equal(authorization.substr(0, kScheme.size()), kScheme, [](char a, char b) {
                        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
                      });
  return bearer ? authorization.substr(kScheme.size()) : std::string_view{};
}

TokenAuthority::TokenAuthority(const Clock& clock, Random& random, ports::TokenStore& store)
    : clock_(clock), random_(random), store_(store) {}

async::Task<> TokenAuthority::load() {
  auto tokens = co_await store_.tokens();
  if (!tokens) co_return std::unexpected(tokens.error());
  const std::unique_lock lock(mutex_);
  by_hash_.clear();
  for (auto& token : *tokens) {
    auto hash = token.hash;
    by_hash_.emplace(std::move(hash), std::move(token));
  }
  co_return Result<void>{};
}

Result<Caller> TokenAuthority::authenticate(std::string_view authorization) const {
  if (authorization.empty()) {
    return refuse("NO_TOKEN", "send a token: Authorization: Bearer hansa_... (the command line reads it from HANSA_TOKEN_FILE)");
  }
  const auto token = bearer_of(authorization);
  if (!token.starts_with(kTokenPrefix) || token.size() > 256) return refuse("BAD_TOKEN", "that is no token of this broker");
  const auto hash = sha256_hex(token);

  const std::shared_lock lock(mutex_);
  const auto at = by_hash_.find(hash);
  if (at == by_hash_.end()) return refuse("BAD_TOKEN", "that is no token of this broker");
  const auto& record = at->second;
  if (record.revoked_at) return refuse("TOKEN_REVOKED", "this token was revoked; ask an operator for a new one");
  if (record.expires_at && clock_.now_utc() >= *record.expires_at)
    return refuse("TOKEN_EXPIRED", "this token has expired; ask an operator for a new one");
  return Caller{.principal = record.principal, .role = record.role, .token_id = record.id, .sites = record.sites};
}

bool TokenAuthority::is_valid(const ApiToken& token) const {
  return !token.revoked_at && (!token.expires_at || clock_.now_utc() < *token.expires_at);
}

async::Task<NewToken> TokenAuthority::create(Principal principal, Role role, std::string note, std::optional<UtcTime> expires_at,
                                             std::vector<SiteId> sites, std::optional<Caller> maker) {
  std::vector<Principal> makers;
  if (maker) {
    makers = makers_of(maker->token_id);
    if (std::ranges::find(makers, maker->principal) == makers.end()) makers.push_back(std::move(maker->principal));
  }
  NewToken made{.token = Secret(random_name(random_, kTokenPrefix, 32)), .record = {}};
  made.record = {.id = random_name(random_, "tok_", 9),
                 .hash = sha256_hex(made.token.reveal()),
                 .principal = std::move(principal),
                 .role = role,
                 .sites = std::move(sites),
                 .note = std::move(note),
                 .created_at = clock_.now_utc(),
                 .expires_at = expires_at,
                 .makers = std::move(makers)};
  if (auto stored = co_await store_.create_token(made.record); !stored) co_return std::unexpected(stored.error());
  const std::unique_lock lock(mutex_);
  by_hash_.emplace(made.record.hash, made.record);
  co_return made;
}

std::vector<Principal> TokenAuthority::makers_of(std::string_view token_id) const {
  const std::shared_lock lock(mutex_);
  for (const auto& [hash, token] : by_hash_) {
    if (token.id == token_id) return token.makers;
  }
  return {};
}

async::Task<ApiToken> TokenAuthority::revoke(std::string id) {
  auto revoked = co_await store_.revoke_token(std::move(id), clock_.now_utc());
  if (!revoked) co_return revoked;
  const std::unique_lock lock(mutex_);
  by_hash_[revoked->hash] = *revoked;
  co_return revoked;
}

async::Task<> TokenAuthority::forget(Principal person) {
  for (const auto& token : list()) {
    if (token.principal != person) continue;
    if (auto revoked = co_await store_.revoke_token(token.id, clock_.now_utc());
        !revoked && revoked.error().kind != ErrorKind::not_found)
      co_return std::unexpected(revoked.error());
    const std::unique_lock lock(mutex_);
    by_hash_.erase(token.hash);
  }
  co_return Result<void>{};
}

void TokenAuthority::forget_ended(UtcTime before) {
  const std::unique_lock lock(mutex_);
  std::erase_if(by_hash_, [before](const auto& entry) {
    const auto& token = entry.second;
    return (token.revoked_at && *token.revoked_at < before) || (token.expires_at && *token.expires_at < before);
  });
}

std::vector<ApiToken> TokenAuthority::list() const {
  std::vector<ApiToken> tokens;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [hash, token] : by_hash_) tokens.push_back(token);
  }
  std::ranges::sort(tokens, {}, [](const ApiToken& token) { return std::pair(token.created_at, token.id); });
  return tokens;
}

}  // namespace hansa::identity
