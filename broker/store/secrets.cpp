// SPDX-License-Identifier: Apache-2.0
#include "broker/store/secrets.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/domain/secret_use.hpp"
#include "broker/store/readers.hpp"
#include "broker/store/sqlite_store_impl.hpp"

namespace hansa::store {
namespace {

using ports::SealedSecret;

constexpr char kOtherSecrets[] = "SELECT count(*) FROM secrets WHERE owner = ?1 AND name <> ?2";
constexpr char kPutSecret[] =
    "INSERT INTO secrets(owner, name, key_id, sealed, bytes, changed_at_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
    "ON CONFLICT(owner, name) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed, bytes = excluded.bytes, "
    "changed_at_ms = excluded.changed_at_ms";
constexpr char kListSecrets[] =
    "SELECT owner, name, key_id, x'', bytes, changed_at_ms FROM secrets WHERE owner = ?1 ORDER BY name";
constexpr char kOneSecret[] =
    "SELECT owner, name, key_id, sealed, bytes, changed_at_ms FROM secrets WHERE owner = ?1 AND name = ?2";
constexpr char kDeleteSecret[] = "DELETE FROM secrets WHERE owner = ?1 AND name = ?2";
constexpr char kByOthers[] =
    "SELECT owner, name, key_id, sealed, bytes, changed_at_ms FROM secrets WHERE key_id <> ?1 ORDER BY owner, name LIMIT ?2";
constexpr char kReseal[] = "UPDATE secrets SET key_id = ?3, sealed = ?4 WHERE owner = ?1 AND name = ?2 AND sealed = ?5";

constexpr char kNoteCopy[] =
    "INSERT INTO secret_copies(job, attempt) SELECT j.row, a.number FROM jobs j JOIN attempts a ON a.job = j.row "
    "WHERE j.id = ?1 AND a.number = ?2 ON CONFLICT DO NOTHING";
constexpr char kIsNoted[] =
    "SELECT EXISTS(SELECT 1 FROM secret_copies c JOIN jobs j ON j.row = c.job WHERE j.id = ?1 AND c.attempt = ?2)";
constexpr char kSecretCopies[] =
    "SELECT j.id, c.attempt, a.site, a.account, j.owner, iif(json_valid(j.spec), coalesce(j.spec ->> '$.secrets', '[]'), ''), "
    "a.state = 'ended' "
    "FROM secret_copies c JOIN jobs j ON j.row = c.job JOIN attempts a ON a.job = c.job AND a.number = c.attempt "
    "ORDER BY c.job, c.attempt";
constexpr char kCopyGone[] = "DELETE FROM secret_copies WHERE job = (SELECT row FROM jobs WHERE id = ?1) AND attempt = ?2";

SealedSecret secret_of(const Statement& row) {
  return {.owner = Principal(row.text(0)),
          .name = row.string(1),
          .key_id = row.string(2),
          .sealed = row.string(3),
          .bytes = row.integer(4),
          .changed_at = row.time_ms(5)};
}

std::vector<SealedSecret> secrets_in(Statement rows) {
  std::vector<SealedSecret> all;
  while (rows.next()) all.push_back(secret_of(rows));
  return all;
}

}  // namespace

Result<void> put_secret(Connection& db, const SealedSecret& secret, std::size_t most) {
  auto others = db.query(kOtherSecrets, secret.owner, secret.name);
  if (others.next() && others.integer(0) >= static_cast<std::int64_t>(most))
    return fail(
        ErrorKind::conflict, "SECRETS_FULL",
        "you have " + std::to_string(most) + " secrets already, which is the most: delete one (hansa secret delete NAME)");
  db.execute(kPutSecret, secret.owner, secret.name, secret.key_id, Blob{secret.sealed}, secret.bytes, secret.changed_at);
  return {};
}

Result<std::vector<SealedSecret>> read_secrets(Connection& db, const Principal& owner) {
  return secrets_in(db.query(kListSecrets, owner));
}

Result<std::vector<SealedSecret>> read_sealed_secrets(Connection& db, const Principal& owner,
                                                      const std::vector<std::string>& names) {
  std::vector<SealedSecret> found;
  for (const auto& name : names) {
    auto row = db.query(kOneSecret, owner, name);
    if (row.next()) found.push_back(secret_of(row));
  }
  return found;
}

Result<void> delete_secret(Connection& db, const Principal& owner, const std::string& name) {
  if (db.execute(kDeleteSecret, owner, name) == 0)
    return fail(ErrorKind::not_found, "SECRET_NOT_FOUND", "you have no secret " + name + "; see: hansa secret list");
  return {};
}

Result<std::vector<SealedSecret>> read_sealed_by_others(Connection& db, const std::string& key_id, std::size_t limit) {
  return secrets_in(db.query(kByOthers, key_id, limit));
}

Result<void> reseal(Connection& db, const SealedSecret& before, const SealedSecret& now) {
  db.execute(kReseal, before.owner, before.name, now.key_id, Blob{now.sealed}, Blob{before.sealed});
  return {};
}

Result<void> note_secret_copy(Connection& db, const JobId& job, std::int32_t attempt) {
  db.execute(kNoteCopy, job, attempt);
  auto noted = db.query(kIsNoted, job, attempt);
  if (noted.next() && noted.boolean(0)) return {};
  return fail(ErrorKind::not_found, "ATTEMPT_NOT_FOUND", "there is no such attempt of the job");
}

Result<std::vector<ports::SecretCopy>> read_secret_copies(Connection& db) {
  std::vector<ports::SecretCopy> all;
  auto row = db.query(kSecretCopies);
  while (row.next()) {
    ports::SecretCopy copy{.job = row.job_id(0),
                           .attempt = row.integer32(1),
                           .site = SiteId(row.text(2)),
                           .account = LocalAccount(row.text(3)),
                           .person = Principal(row.text(4)),
                           .files = {},
                           .over = row.boolean(6)};
    const auto uses = parse_json(row.text(5));
    copy.unreadable = !uses || !uses->is_array();
    for (const auto& text : copy.unreadable ? Json::array() : *uses) {
      auto use = domain::parse_secret_use(text.is_string() ? text.get<std::string>() : std::string());
      if (use)
        copy.files.push_back(std::move(use->file));
      else
        copy.unreadable = true;
    }
    all.push_back(std::move(copy));
  }
  return all;
}

Result<void> secret_copy_gone(Connection& db, const JobId& job, std::int32_t attempt) {
  db.execute(kCopyGone, job, attempt);
  return {};
}

// ---- the port

Task<> SqliteStore::put_secret(ports::SealedSecret secret, std::size_t most) {
  const auto bytes = 512 + secret.sealed.size();
  co_return co_await impl_->write<void>(
      bytes, [secret = std::move(secret), most](Connection& db) { return store::put_secret(db, secret, most); });
}

Task<std::vector<ports::SealedSecret>> SqliteStore::secrets_of(Principal owner) {
  co_return co_await impl_->read<std::vector<ports::SealedSecret>>(
      &Impl::lookups_, [owner = std::move(owner)](Connection& db) { return read_secrets(db, owner); });
}

Task<std::vector<ports::SealedSecret>> SqliteStore::sealed_secrets(Principal owner, std::vector<std::string> names) {
  co_return co_await impl_->read<std::vector<ports::SealedSecret>>(
      &Impl::lookups_,
      [owner = std::move(owner), names = std::move(names)](Connection& db) { return read_sealed_secrets(db, owner, names); });
}

Task<> SqliteStore::delete_secret(Principal owner, std::string name) {
  co_return co_await impl_->write<void>(
      256, [owner = std::move(owner), name = std::move(name)](Connection& db) { return store::delete_secret(db, owner, name); });
}

Task<std::vector<ports::SealedSecret>> SqliteStore::sealed_by_others(std::string key_id, std::size_t limit) {
  co_return co_await impl_->read<std::vector<ports::SealedSecret>>(
      &Impl::scans_, [key_id = std::move(key_id), limit](Connection& db) { return read_sealed_by_others(db, key_id, limit); });
}

Task<> SqliteStore::reseal(ports::SealedSecret before, ports::SealedSecret now) {
  const auto bytes = 512 + before.sealed.size() + now.sealed.size();
  co_return co_await impl_->write<void>(
      bytes, [before = std::move(before), now = std::move(now)](Connection& db) { return store::reseal(db, before, now); });
}

Task<> SqliteStore::note_secret_copy(JobId job, std::int32_t attempt) {
  co_return co_await impl_->write<void>(128, [=](Connection& db) { return store::note_secret_copy(db, job, attempt); });
}

Task<std::vector<ports::SecretCopy>> SqliteStore::secret_copies() {
  co_return co_await impl_->read<std::vector<ports::SecretCopy>>(&Impl::scans_,
                                                                 [](Connection& db) { return read_secret_copies(db); });
}

Task<> SqliteStore::secret_copy_gone(JobId job, std::int32_t attempt) {
  co_return co_await impl_->write<void>(128, [=](Connection& db) { return store::secret_copy_gone(db, job, attempt); });
}

}  // namespace hansa::store
