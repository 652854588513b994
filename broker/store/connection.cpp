// SPDX-License-Identifier: Apache-2.0
#include "broker/store/connection.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <vector>

namespace hansa::store {
namespace {

constexpr std::size_t kLogPart = std::size_t{64} << 10;  // SQLite's file layer takes no more than 128 KiB at a time

/// The write-ahead log as SQLite has opened it, or null.
sqlite3_file* log_of(sqlite3* db) {
  sqlite3_file* log = nullptr;
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK) return nullptr;
  return log == nullptr || log->pMethods == nullptr ? nullptr : log;
}

int last_errno(sqlite3_file* file) {
  int error = 0;
  file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
  return error;
}

/// sqlite3_system_errno() knows nothing of a COMMIT that failed (3.40), and a quota must be told from a failing disk.
int system_error_of(sqlite3* db, int extended) {
  auto* log = extended == SQLITE_IOERR_WRITE ? log_of(db) : nullptr;
  const int error = log == nullptr ? 0 : last_errno(log);
  return error != 0 ? error : sqlite3_system_errno(db);
}

/// After a failed fsync, closing must not copy the log: that would be a second try.
[[noreturn]] void throw_failure(sqlite3* db, const SqliteFailure& failure) {
  if (failure.is_fatal()) sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  throw failure;
}

[[noreturn]] void raise(sqlite3* db, int code) {
  if (db == nullptr) throw SqliteFailure(code, 0, sqlite3_errstr(code));
  const int extended = sqlite3_extended_errcode(db);
  throw_failure(db, SqliteFailure(extended == SQLITE_OK ? code : extended, system_error_of(db, extended), sqlite3_errmsg(db)));
}

void check(sqlite3_stmt* statement, int code) {
  if (code != SQLITE_OK) raise(sqlite3_db_handle(statement), code);
}

}  // namespace

// A write refused for the owner's quota reaches us as an I/O error with its errno; a -shm file that cannot grow, too.
bool SqliteFailure::is_full() const {
  return (code_ & 0xff) == SQLITE_FULL || code_ == SQLITE_IOERR_SHMSIZE ||
         (code_ == SQLITE_IOERR_WRITE && (system_error_ == EDQUOT || system_error_ == ENOSPC));
}
bool SqliteFailure::is_local() const {
  const int primary = code_ & 0xff;
  return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG || primary == SQLITE_MISMATCH || primary == SQLITE_RANGE ||
         primary == SQLITE_ERROR;
}
bool SqliteFailure::is_fatal() const {
  if (is_full() || code_ == SQLITE_IOERR_NOMEM) return false;
  const int primary = code_ & 0xff;
  return primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

Error SqliteFailure::error() const {
  const auto detail = "SQLite " + std::to_string(code_) + ": " + text_ +
                      (system_error_ == 0 ? std::string{} : "; system: " + std::string(std::strerror(system_error_)));
  const auto make = [&](ErrorKind kind, std::string_view code, std::string message) {
    return fail(kind, code, std::move(message), detail).error();
  };
  if (is_full()) {
    return make(ErrorKind::storage_full, "STORAGE_FULL",
                "the broker's disk is full: nothing was written; try again when its operator has made room");
  }
  switch (code_ & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return make(ErrorKind::unavailable, "STORE_BUSY", "the broker's database is locked by another program; try again");
    case SQLITE_NOMEM: return make(ErrorKind::unavailable, "STORE_BUSY", "the broker is short of memory; try again");
    case SQLITE_TOOBIG: return make(ErrorKind::too_large, "STORE_TOO_LARGE", "too large to be stored");
    case SQLITE_CONSTRAINT: return make(ErrorKind::conflict, "STORE_CONFLICT", "it collides with what is stored");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return make(ErrorKind::internal, "STORE_CORRUPT",
                  "the broker's database is damaged: stop hansad and restore the last backup");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return make(ErrorKind::internal, "STORE_NOT_WRITABLE",
                  "the broker's database cannot be opened for writing: check the owner and mode of the file and its folder");
    case SQLITE_IOERR:
      return make(ErrorKind::internal, "STORE_IO",
                  "the broker's disk failed: look into the kernel's log, mend or replace the disk, then start hansad again");
    default:
      return make(ErrorKind::internal, "STORE_FAILED",
                  "the broker's database did not answer as expected: look into the log of hansad, and start it again");
  }
}

Statement::~Statement() {
  if (handle_ == nullptr) return;
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

bool Statement::next() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  raise(sqlite3_db_handle(handle_), code);
}

int Statement::columns() const { return sqlite3_column_count(handle_); }
std::string_view Statement::column_name(int column) const { return sqlite3_column_name(handle_, column); }
bool Statement::is_integer(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_INTEGER; }
bool Statement::is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }
std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

std::string_view Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(handle_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  return bytes == nullptr ? std::string_view{} : std::string_view(bytes, size);
}

std::optional<UtcTime> Statement::optional_time_ms(int column) const {
  return is_null(column) ? std::nullopt : std::optional(time_ms(column));
}

std::optional<std::int32_t> Statement::optional_integer32(int column) const {
  return is_null(column) ? std::nullopt : std::optional(integer32(column));
}

JobId Statement::job_id(int column) const {
  std::array<std::uint8_t, 16> bytes{};
  const auto stored = text(column);  // the schema checks its length
  std::copy_n(stored.begin(), std::min(stored.size(), bytes.size()), bytes.begin());
  return JobId(bytes);
}

void Statement::bind(int index, std::int64_t value) { check(handle_, sqlite3_bind_int64(handle_, index, value)); }
void Statement::bind(int index, std::nullptr_t) { check(handle_, sqlite3_bind_null(handle_, index)); }

void Statement::bind(int index, std::string_view value) {
  const auto lifetime = text_ == Text::copied ? SQLITE_TRANSIENT : SQLITE_STATIC;
  check(handle_,
        sqlite3_bind_text64(handle_, index, value.data() == nullptr ? "" : value.data(), value.size(), lifetime, SQLITE_UTF8));
}
void Statement::bind(int index, Blob value) {
  const auto lifetime = text_ == Text::copied ? SQLITE_TRANSIENT : SQLITE_STATIC;
  check(handle_, sqlite3_bind_blob64(handle_, index, value.bytes.data() == nullptr ? "" : value.bytes.data(), value.bytes.size(),
                                     lifetime));
}
void Statement::bind(int index, const JobId& id) {
  bind(index, Blob{std::string_view(reinterpret_cast<const char*>(id.bytes().data()), id.bytes().size())});
}

void Connection::Close::operator()(sqlite3* db) const { sqlite3_close(db); }
void Connection::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Connection::Connection(const Settings& settings, Mode mode) : in_memory_(settings.path == ":memory:") {
  // Before SQLite is first used: without statistics of its memory, all threads allocate without one lock between them.
  [[maybe_unused]] static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  // NOMUTEX: a connection belongs to one thread. A reader opens for writing too where the -shm file has to be made.
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (mode == Mode::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE);
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(settings.path.c_str(), &raw, flags, settings.vfs.empty() ? nullptr : settings.vfs.c_str());
  db_.reset(raw);
  if (code != SQLITE_OK) raise(raw, code);
  sqlite3_busy_timeout(raw, static_cast<int>(settings.busy_timeout.count()));
  run_script("PRAGMA cache_size=-" + std::to_string(settings.cache_kib));
}

Connection::~Connection() = default;

Result<void> Connection::apply_settings(Mode mode) {
  struct Setting {
    const char* set;
    const char* read;
    std::string_view expected;
  };
  // temp_store: statement journals of savepoints stay in memory. cell_size_check: a damaged page is noticed when it is read.
  const Setting settings[] = {
      {"PRAGMA journal_mode=WAL", "PRAGMA journal_mode", in_memory_ ? "memory" : "wal"},
      {"PRAGMA synchronous=FULL", "PRAGMA synchronous", "2"},
      {"PRAGMA foreign_keys=ON", "PRAGMA foreign_keys", "1"},
      {"PRAGMA recursive_triggers=ON", "PRAGMA recursive_triggers", "1"},
      {"PRAGMA trusted_schema=OFF", "PRAGMA trusted_schema", "0"},
      {"PRAGMA cell_size_check=ON", "PRAGMA cell_size_check", "1"},
      {"PRAGMA temp_store=MEMORY", "PRAGMA temp_store", "2"},
      {"PRAGMA secure_delete=ON", "PRAGMA secure_delete", "1"},  // what is deleted is overwritten (and see wipe.cpp)
      {"PRAGMA journal_size_limit=67108864", "PRAGMA journal_size_limit", "67108864"},
      {"PRAGMA wal_autocheckpoint=0", "PRAGMA wal_autocheckpoint", "0"},  // writer.cpp does it, and looks at its errors
  };
  for (const auto& setting : settings) {
    run_script(setting.set);
    auto answer = query(setting.read);
    if (!answer.next() || answer.text(0) != setting.expected) {
      return fail(ErrorKind::internal, "STORE_SETTINGS",
                  "SQLite did not take \"" + std::string(setting.set) + "\": is this a complete build of SQLite 3.37 or later?");
    }
  }
  if (mode == Mode::read_only) run_script("PRAGMA query_only=ON");
  return {};
}

template <typename Write>
void Connection::write_log(Write write) {
  if (in_memory_) return;
  run_script("BEGIN IMMEDIATE");  // no other program appends to it meanwhile
  try {
    auto* log = log_of(db_.get());
    const auto check_file = [&](int code) {
      if (code != SQLITE_OK) throw_failure(db_.get(), SqliteFailure(code, last_errno(log), sqlite3_errstr(code)));
    };
    sqlite3_int64 size = 0;
    if (log != nullptr) check_file(log->pMethods->xFileSize(log, &size));
    if (log != nullptr && write(log, size, check_file)) check_file(log->pMethods->xSync(log, SQLITE_SYNC_NORMAL));
  } catch (...) {
    roll_back();
    throw;
  }
  roll_back();
}

void Connection::rewrite_log() {
  write_log([](sqlite3_file* log, sqlite3_int64 size, const auto& check_file) {
    std::vector<char> part(kLogPart);
    for (sqlite3_int64 done = 0; done < size; done += std::ssize(part)) {
      const auto length = static_cast<int>(std::min<sqlite3_int64>(std::ssize(part), size - done));
      check_file(log->pMethods->xRead(log, part.data(), length, done));
      check_file(log->pMethods->xWrite(log, part.data(), length, done));
    }
    return size > 0;
  });
}

void Connection::lengthen_log(std::int64_t bytes) {
  write_log([bytes](sqlite3_file* log, sqlite3_int64 size, const auto& check_file) {
    const std::vector<char> zeros(kLogPart, '\0');
    for (auto done = size; done < bytes; done += std::ssize(zeros)) {
      const auto length = static_cast<int>(std::min<sqlite3_int64>(std::ssize(zeros), bytes - done));
      check_file(log->pMethods->xWrite(log, zeros.data(), length, done));
    }
    return size < bytes;
  });
}

bool Connection::copy_log() {
  int in_log = 0, copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
  if (code != SQLITE_OK) raise(db_.get(), code);
  return in_log == copied;
}

bool Connection::empty_log() {
  if (!copy_log()) return false;
  std::int64_t patience = 0;
  if (auto row = query("PRAGMA busy_timeout"); row.next()) patience = row.integer(0);
  sqlite3_busy_timeout(db_.get(), 50);  // commits wait meanwhile: rather try again than wait for readers
  const int code = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(db_.get(), static_cast<int>(patience));
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) raise(db_.get(), code);
  return code == SQLITE_OK;
}

sqlite3_stmt* Connection::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) raise(db_.get(), code);
  return statement;
}

sqlite3_stmt* Connection::prepared(const char* sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return found->second.get();
  return statements_.emplace(sql, Prepared(prepare(sql))).first->second.get();
}

sqlite3_stmt* Connection::prepared_composed(const std::string& sql) {
  if (const auto found = composed_.find(sql); found != composed_.end()) return found->second.get();
  constexpr std::size_t kMost = 64;
  if (composed_.size() >= kMost) composed_.clear();  // none is in use: a connection answers one question at a time
  return composed_.emplace(sql, Prepared(prepare(sql))).first->second.get();
}

void Connection::run_script(const std::string& sql) {
  if (const int code = sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr); code != SQLITE_OK) raise(db_.get(), code);
}

std::int64_t Connection::last_row() const { return sqlite3_last_insert_rowid(db_.get()); }
std::int64_t Connection::changes() const { return sqlite3_changes64(db_.get()); }
bool Connection::in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }

void Connection::roll_back() noexcept {
  if (in_transaction()) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace hansa::store
