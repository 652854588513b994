// SPDX-License-Identifier: Apache-2.0
#include "broker/store/tokens.hpp"

#include "broker/core/canonical_json.hpp"

namespace hansa::store {
namespace {

using ports::ApiToken;
using ports::Role;

constexpr char kInsert[] =
    "INSERT INTO tokens(id, hash, principal, role, note, created_at_ms, expires_at_ms, revoked_at_ms, makers) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
constexpr char kSelectByHash[] =
    "SELECT id, hash, principal, role, note, created_at_ms, expires_at_ms, revoked_at_ms, makers FROM tokens WHERE hash = ?1";
constexpr char kSelectById[] =
    "SELECT id, hash, principal, role, note, created_at_ms, expires_at_ms, revoked_at_ms, makers FROM tokens WHERE id = ?1";
constexpr char kSelectAll[] =
    "SELECT id, hash, principal, role, note, created_at_ms, expires_at_ms, revoked_at_ms, makers FROM tokens ORDER BY "
    "created_at_ms, id";
constexpr char kRevoke[] = "UPDATE tokens SET revoked_at_ms = ?2 WHERE id = ?1 AND revoked_at_ms IS NULL";

std::string_view spell(Role role) {
  switch (role) {
    case Role::user: return "user";
    case Role::operator_: return "operator";
    case Role::auditor: return "auditor";
    case Role::policy_officer: return "policy-officer";
    case Role::agent: break;
  }
  return "";  // nobody's: such a row is not read
}

/// "operator", "operator:alpha,beta".
std::string spell(Role role, const std::vector<SiteId>& sites) {
  std::string text(spell(role));
  for (const auto& site : sites) text += (&site == &sites.front() ? ':' : ',') + site.str();
  return text;
}

/// None: it was cut short or altered. A name that is missing must not become all sites.
std::optional<std::vector<SiteId>> sites_in(std::string_view list) {
  std::vector<SiteId> sites;
  while (true) {
    const auto name = list.substr(0, list.find(','));
    if (name.empty()) return std::nullopt;
    sites.emplace_back(name);
    if (name.size() == list.size()) return sites;
    list.remove_prefix(name.size() + 1);
  }
}

Result<ApiToken> token_of(const Statement& row) {
  const auto text = row.string(3);
  const auto colon = text.find(':');
  for (const auto role : {Role::user, Role::operator_, Role::auditor, Role::policy_officer}) {
    if (text.substr(0, colon) != spell(role) || (colon != std::string::npos && role != Role::operator_)) continue;
    auto sites = colon == std::string::npos ? std::optional<std::vector<SiteId>>(std::in_place)
                                            : sites_in(std::string_view(text).substr(colon + 1));
    if (!sites) break;
    return ApiToken{.id = row.string(0),
                    .hash = row.string(1),
                    .principal = Principal(row.text(2)),
                    .role = role,
                    .sites = std::move(*sites),
                    .note = row.string(4),
                    .created_at = row.time_ms(5),
                    .expires_at = row.optional_time_ms(6),
                    .revoked_at = row.optional_time_ms(7),
                    .makers = makers_in(row.text(8))};
  }
  return fail(ErrorKind::internal, "STORE_CORRUPT", "a stored token cannot be read", "role " + text);
}

Result<ApiToken> single(Statement rows) {
  if (!rows.next()) return fail(ErrorKind::not_found, "TOKEN_NOT_FOUND", "there is no such token");
  return token_of(rows);
}

}  // namespace

std::string text_of(const std::vector<Principal>& makers) {
  Json names = Json::array();
  for (const auto& maker : makers) names.push_back(maker.str());
  return canonical_json(names);
}

std::vector<Principal> makers_in(std::string_view text) {
  std::vector<Principal> makers;
  const auto names = Json::parse(text, nullptr, false);
  for (const auto& name : names.is_array() ? names : Json::array()) {
    if (name.is_string()) makers.emplace_back(name.get_ref<const std::string&>());
  }
  return makers;
}

Result<void> create_token(Connection& db, const ApiToken& token) {
  const auto made = db.execute(kInsert, token.id, token.hash, token.principal, spell(token.role, token.sites), token.note,
                               token.created_at, token.expires_at, token.revoked_at, text_of(token.makers));
  if (made == 0)
    return fail(ErrorKind::conflict, "TOKEN_EXISTS", "there is a token with this id or secret already: make a new one");
  return {};
}

Result<ApiToken> read_token_by_hash(Connection& db, const std::string& hash) { return single(db.query(kSelectByHash, hash)); }

Result<std::vector<ApiToken>> read_tokens(Connection& db) {
  std::vector<ApiToken> all;
  auto rows = db.query(kSelectAll);
  while (rows.next()) {
    auto token = token_of(rows);
    if (!token) return std::unexpected(token.error());
    all.push_back(std::move(*token));
  }
  return all;
}

Result<ApiToken> revoke_token(Connection& db, const std::string& id, UtcTime at) {
  db.execute(kRevoke, id, at);
  return single(db.query(kSelectById, id));
}

}  // namespace hansa::store
