// SPDX-License-Identifier: Apache-2.0
#include "broker/store/backup.hpp"

#include "broker/ledger/merkle.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/migrations.hpp"
#include "broker/store/state_folder.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace hansa::store {
namespace {

constexpr std::size_t kRecordsAtATime = 2000;
constexpr int kCopyCacheKib = 16 * 1024;
constexpr char kReadIntegrity[] = "PRAGMA integrity_check(1)";
constexpr char kReadReferences[] = "PRAGMA foreign_key_check";
constexpr char kReadPages[] = "PRAGMA page_count";
constexpr char kReadPageSize[] = "PRAGMA page_size";
constexpr char kHasTable[] = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
constexpr char kSelectBroker[] = "SELECT broker_id, epoch FROM broker";
constexpr char kCountJobs[] = "SELECT count(*) FROM jobs";
constexpr char kLastEvent[] = "SELECT coalesce(max(sequence), 0) FROM events";

std::int64_t integer_of(Connection& db, const char* sql) {
  auto row = db.query(sql);
  return row.next() ? row.integer(0) : 0;
}

bool has_table(Connection& db, std::string_view name) { return db.query(kHasTable, name).next(); }

std::unexpected<Error> damaged(const std::string& what) {
  return fail(ErrorKind::internal, "BACKUP_DAMAGED", "is damaged: " + what + "; take another backup");
}

std::unexpected<Error> of_file(const std::filesystem::path& file, Error error) {
  error.message = file.string() + ": " + error.message;
  return std::unexpected(std::move(error));
}

std::unexpected<Error> system_error(const std::filesystem::path& file, const std::string& what) {
  const bool full = errno == ENOSPC || errno == EDQUOT;
  return fail(full ? ErrorKind::storage_full : ErrorKind::unavailable, full ? "BACKUP_NO_ROOM" : "BACKUP_NOT_WRITTEN",
              file.string() + ": " + what + ": " + std::strerror(errno));
}

/// For reading a file that stays as it is. A log that lies beside it is read, too.
std::unique_ptr<Connection> open_to_read(const std::filesystem::path& file) {
  auto db = std::make_unique<Connection>(
      Connection::Settings{.path = file.string(), .vfs = "", .busy_timeout = Milliseconds{5000}, .cache_kib = kCopyCacheKib},
      Connection::Mode::read_only);
  db->run_script("PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON");
  return db;
}

/// Calls `work` with the file's database; what SQLite throws becomes an Error that names the file.
template <typename T, typename Work>
Result<T> with_database(const std::filesystem::path& file, Work work) {
  if (std::error_code ignored; !std::filesystem::is_regular_file(file, ignored))
    return fail(ErrorKind::not_found, "BACKUP_NOT_THERE", file.string() + " is no file that can be read");
  try {
    auto db = open_to_read(file);
    Result<T> done = work(*db);
    if (!done) return of_file(file, std::move(done.error()));
    return done;
  } catch (const SqliteFailure& failure) { return of_file(file, failure.error()); }
}

Result<void> check_ledger(Connection& db, Holdings& found) {
  ledger::Peaks tree;
  while (tree.size() < found.ledger_size) {
    const auto records = read_ledger_records(db, tree.size(), kRecordsAtATime, false);
    if (!records) return std::unexpected(records.error());
    if (records->empty()) return damaged("record " + std::to_string(tree.size()) + " of the ledger is missing");
    for (const auto& record : *records) {
      if (record.seq != tree.size()) return damaged("record " + std::to_string(tree.size()) + " of the ledger is missing");
      tree.add(ledger::leaf_hash(record.text));
    }
  }
  if (tree.root() != found.ledger_root) return damaged("the ledger's records are not what its tree was made of");
  return {};
}

Result<Holdings> verify(Connection& db) {
  db.run_script("BEGIN");  // of one moment
  auto found = holdings(db);
  if (!found) return found;
  {
    auto answer = db.query(kReadIntegrity);
    if (!answer.next() || answer.text(0) != "ok") return damaged(answer.string(0));
  }
  if (auto answer = db.query(kReadReferences); answer.next())
    return damaged("a row of " + answer.string(0) + " lacks its other end");
  if (found->schema == std::ssize(migrations())) {
    if (auto sound = check_ledger(db, *found); !sound) return std::unexpected(sound.error());
  }
  db.roll_back();
  return found;
}

/// Every page as it is at this moment: one transaction of a reader, whom a writer does not wait for.
void copy_pages(Connection& from, Connection& to) {
  auto* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  int code = backup == nullptr ? sqlite3_extended_errcode(to.handle()) : sqlite3_backup_step(backup, -1);
  if (backup != nullptr) {
    const int end = sqlite3_backup_finish(backup);
    if (code == SQLITE_DONE) code = end;
  }
  if (code != SQLITE_OK) throw SqliteFailure(code, sqlite3_system_errno(to.handle()), sqlite3_errmsg(to.handle()));
}

Result<void> check_room(Connection& db, const std::filesystem::path& to) {
  const auto needed = integer_of(db, kReadPages) * integer_of(db, kReadPageSize);
  std::error_code error;
  const auto room = std::filesystem::space(to.parent_path(), error).available;
  if (error || room >= static_cast<std::uintmax_t>(needed)) return {};
  return fail(ErrorKind::storage_full, "BACKUP_NO_ROOM",
              to.parent_path().string() + " has room for " + std::to_string(room >> 20U) + " MiB, and the copy takes " +
                  std::to_string((needed >> 20) + 1) + " MiB: make room, or give another folder");
}

Result<void> write_copy(Connection& db, const std::filesystem::path& file) {
  if (auto made = create_private_file(file); !made) return made;
  const Connection::Settings settings{
      .path = file.string(), .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = kCopyCacheKib};
  {
    Connection copy(settings, Connection::Mode::read_write);
    copy.run_script("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");  // synced once, at the end
    copy_pages(db, copy);
  }
  Connection copy(settings, Connection::Mode::read_write);
  auto answer = copy.query("PRAGMA journal_mode=DELETE");  // as copied it says that it has a log, like the original
  if (!answer.next() || answer.text(0) != "delete") return damaged("its journal cannot be set");
  return {};
}

/// What is not whole yet, and what SQLite has beside it.
void remove_draft(const std::filesystem::path& draft) {
  std::error_code ignored;
  for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(draft.string() + suffix, ignored);
}

}  // namespace

Result<Holdings> holdings(Connection& db) {
  const auto schema = schema_version(db, migrations());
  if (!schema) return std::unexpected(schema.error());
  Holdings found{.schema = static_cast<std::int64_t>(*schema)};
  if (found.schema == 0) return found;
  if (auto row = db.query(kSelectBroker); row.next()) {
    found.broker_id = row.string(0);
    found.epoch = row.integer(1);
  }
  found.jobs = integer_of(db, kCountJobs);
  found.last_event = integer_of(db, kLastEvent);
  if (!has_table(db, "ledger")) return found;
  found.ledger_size = ledger_size(db);
  if (*schema == migrations().size()) {
    const auto head = read_ledger_head(db);
    if (!head) return std::unexpected(head.error());
    found.ledger_root = head->root;
  }
  return found;
}

Result<Holdings> holdings_of(const std::filesystem::path& file) { return with_database<Holdings>(file, holdings); }

Result<Holdings> verify_database(const std::filesystem::path& file) {
  auto verified = with_database<Holdings>(file, verify);
  if (verified) return verified;
  auto& error = verified.error();
  if (error.code == "STORE_CORRUPT") return of_file(file, damaged(error.detail).error());
  if (error.code == "NOT_A_HANSA_STORE") error.message = file.string() + ": is no database of a broker";
  return verified;
}

Result<Holdings> copy_database(Connection& db, const std::filesystem::path& to) {
  const auto draft = std::filesystem::path(to.string() + ".new");
  remove_draft(draft);
  const auto unfinished = [&](Error error) {
    remove_draft(draft);
    return std::unexpected(std::move(error));
  };
  try {
    if (auto room = check_room(db, to); !room) return std::unexpected(room.error());
    if (auto written = write_copy(db, draft); !written) return unfinished(written.error());
  } catch (const SqliteFailure& failure) {
    auto error = failure.error();
    if (failure.is_full()) {
      error.code = "BACKUP_NO_ROOM";
      error.message = to.parent_path().string() + " is full: make room, or give another folder";
    }
    return unfinished(std::move(error));
  }
  auto verified = verify_database(draft);
  if (!verified) return unfinished(verified.error());
  if (auto synced = sync_path(draft); !synced) return unfinished(synced.error());
  if (::rename(draft.c_str(), to.c_str()) != 0) {
    auto error = system_error(to, "cannot be given its name");
    return unfinished(error.error());
  }
  if (auto synced = sync_path(to.parent_path()); !synced) return std::unexpected(synced.error());
  return verified;
}

Result<Holdings> copy_database(const std::filesystem::path& from, const std::filesystem::path& to) {
  return with_database<Holdings>(from, [&](Connection& db) -> Result<Holdings> {
    if (auto known = schema_version(db, migrations()); !known) return std::unexpected(known.error());
    return copy_database(db, to);
  });
}

Result<void> keep_before_migration(Connection& db, const std::filesystem::path& folder) {
  const auto schema = schema_version(db, migrations());
  if (!schema) return std::unexpected(schema.error());
  if (*schema == 0 || *schema == migrations().size()) return {};
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return system_error(folder, "cannot be made");
  const auto kept = copy_database(db, folder / ("before-schema-" + std::to_string(*schema + 1) + ".db"));
  if (kept) return {};
  auto error = kept.error();
  error.message = "the database was not brought up to date, because no copy of it could be kept before: " + error.message + " (" +
                  folder.string() + " may be a link to a folder on another disk)";
  return std::unexpected(std::move(error));
}

Result<void> settle_log(const std::filesystem::path& file) {
  try {
    Connection db({.path = file.string(), .vfs = "", .busy_timeout = Milliseconds{5000}, .cache_kib = kCopyCacheKib},
                  Connection::Mode::read_write);
    db.run_script("PRAGMA synchronous=FULL");
    const int code = sqlite3_wal_checkpoint_v2(db.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    if (code != SQLITE_OK) throw SqliteFailure(code, sqlite3_system_errno(db.handle()), sqlite3_errmsg(db.handle()));
  } catch (const SqliteFailure& failure) { return of_file(file, failure.error()); }
  return {};
}

Result<void> sync_path(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return system_error(path, "cannot be opened");
  const bool synced = ::fsync(descriptor) == 0;
  const int problem = errno;
  ::close(descriptor);
  errno = problem;
  return synced ? Result<void>{} : system_error(path, "cannot be synced");
}

}  // namespace hansa::store
