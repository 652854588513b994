// SPDX-License-Identifier: Apache-2.0
#include "broker/store/tokens.hpp"

namespace hansa::store {
namespace {

using ports::ApiToken;
using ports::Role;

constexpr char kInsert[] =
    "INSERT INTO tokens(id, hash, principal, role, note, created_at_ms, expires_at_ms, revoked_at_ms) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
constexpr char kSelectByHash[] =
    "SELECT id, hash, principal, role, note, created_at_ms, expires_at_ms, revoked_at_ms FROM tokens WHERE hash = ?1";
constexpr char kSelectById[] =
    "SELECT id, hash, principal, role, note, created_at_ms, expires_at_ms, revoked_at_ms FROM tokens WHERE id = ?1";
constexpr char kSelectAll[] =
    "SELECT id, hash, principal, role, note, created_at_ms, expires_at_ms, revoked_at_ms FROM tokens ORDER BY created_at_ms, id";
constexpr char kRevoke[] = "UPDATE tokens SET revoked_at_ms = ?2 WHERE id = ?1 AND revoked_at_ms IS NULL";

std::string_view spell(Role role) {
  switch (role) {
    case Role::user: return "user";
    case Role::operator_: return "operator";
    case Role::auditor: return "auditor";
  }
  return "user";
}

Result<ApiToken> token_of(const Statement& row) {
  for (const auto role : {Role::user, Role::operator_, Role::auditor}) {
    if (row.text(3) != spell(role)) continue;
    return ApiToken{.id = row.string(0),
                    .hash = row.string(1),
                    .principal = Principal(row.text(2)),
                    .role = role,
                    .note = row.string(4),
                    .created_at = row.time_ms(5),
                    .expires_at = row.optional_time_ms(6),
                    .revoked_at = row.optional_time_ms(7)};
  }
  return fail(ErrorKind::internal, "STORE_CORRUPT", "a stored token cannot be read", "role " + row.string(3));
}

Result<ApiToken> single(Statement rows) {
  if (!rows.next()) return fail(ErrorKind::not_found, "TOKEN_NOT_FOUND", "there is no such token");
  return token_of(rows);
}

}  // namespace

Result<void> create_token(Connection& db, const ApiToken& token) {
  const auto made = db.execute(kInsert, token.id, token.hash, token.principal, spell(token.role), token.note, token.created_at,
                               token.expires_at, token.revoked_at);
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
