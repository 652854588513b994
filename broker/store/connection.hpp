// SPDX-License-Identifier: Apache-2.0
#pragma once
// One SQLite connection of one thread: its settings, its prepared statements, typed parameters and columns.
//
// Inside this folder a failure of SQLite itself is thrown as SqliteFailure, so that the SQL reads as what it does; it is
// caught where an operation begins (writer.cpp, readers.cpp, sqlite_store.cpp) and never leaves the folder. What the
// ports' callers are told (conflict, not_found, ...) is a Result everywhere.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/ulid.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

struct sqlite3;
struct sqlite3_stmt;

namespace hansa::store {

class SqliteFailure final : public std::exception {
 public:
  SqliteFailure(int extended_code, int system_error, std::string text)
      : code_(extended_code), system_error_(system_error), text_(std::move(text)) {}
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

  /// No room: the disk, or the owner's quota on it.
  [[nodiscard]] bool is_full() const;
  /// The statement was wrong or too big; the transaction around it is untouched.
  [[nodiscard]] bool is_local() const;
  /// The disk or the file cannot be trusted any more.
  [[nodiscard]] bool is_fatal() const;
  [[nodiscard]] Error error() const;

 private:
  int code_;
  int system_error_;
  std::string text_;
};

struct Blob {
  std::string_view bytes;
};

/// A prepared statement in use; the connection gets it back, reset, when this goes.
class Statement {
 public:
  /// Whether text is copied when it is bound, or lives until the statement is over.
  enum class Text { copied, borrowed };

  Statement(sqlite3_stmt* handle, Text text) : handle_(handle), text_(text) {}
  ~Statement();
  Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)), text_(other.text_) {}
  Statement& operator=(Statement&&) = delete;

  template <typename... Values>
  void bind_all(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
  }

  /// True: there is a row to read.
  bool next();

  [[nodiscard]] int columns() const;
  [[nodiscard]] std::string_view column_name(int column) const;
  [[nodiscard]] bool is_integer(int column) const;
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::int32_t integer32(int column) const { return static_cast<std::int32_t>(integer(column)); }
  [[nodiscard]] bool boolean(int column) const { return integer(column) != 0; }
  /// Valid until the next call of next().
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::string string(int column) const { return std::string(text(column)); }
  [[nodiscard]] UtcTime time_ms(int column) const { return from_unix_ms(integer(column)); }
  [[nodiscard]] std::optional<UtcTime> optional_time_ms(int column) const;
  [[nodiscard]] std::optional<std::int32_t> optional_integer32(int column) const;
  [[nodiscard]] JobId job_id(int column) const;

 private:
  void bind(int index, std::int64_t value);
  void bind(int index, std::string_view value);
  void bind(int index, Blob value);
  void bind(int index, std::nullptr_t);
  void bind(int index, const char* value) { bind(index, std::string_view(value)); }
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, UtcTime value) { bind(index, to_unix_ms(value)); }
  void bind(int index, const JobId& id);
  template <std::integral T>
  void bind(int index, T value) {
    bind(index, static_cast<std::int64_t>(value));
  }
  template <typename T>
  void bind(int index, const Name<T>& value) {
    bind(index, std::string_view(value.str()));
  }
  template <typename T>
  void bind(int index, const Amount<T>& value) {
    bind(index, value.value);
  }
  template <typename T>
  void bind(int index, const std::optional<T>& value) {
    if (value)
      bind(index, *value);
    else
      bind(index, nullptr);
  }

  sqlite3_stmt* handle_;
  Text text_;
};

class Connection {
 public:
  enum class Mode { read_write, read_only };
  struct Settings {
    std::string path;
    std::string vfs;
    Milliseconds busy_timeout{5000};
    int cache_kib = 16384;
  };

  Connection(const Settings& settings, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sets what every connection needs and reads it back; STORE_SETTINGS if one did not take (a damaged or strange build).
  Result<void> apply_settings(Mode mode);

  /// Writes the log's bytes once more, in place, and syncs them; for the start. Linux takes the pages of a failed fsync for
  /// clean: this process reads from memory what the last one left there, commits behind it, and no fsync would ever write it.
  void rewrite_log();
  /// Makes the log's file that long, with zeros, which no reader of it takes for frames. An fsync that has to make a file longer
  /// takes twice as long as one that does not; SQLite keeps the length from then on.
  void lengthen_log(std::int64_t bytes);
  /// Into the database, as far as readers allow it; syncs both. Whether all of it is there now.
  bool copy_log();
  /// All of it, and nothing stays in its file. False: somebody reads what is older.
  bool empty_log();

  /// `sql` is a constant of the program: it is prepared once per connection, under its address.
  template <typename... Values>
  Statement query(const char* sql, const Values&... values) {
    Statement statement(prepared(sql), Statement::Text::copied);
    statement.bind_all(values...);
    return statement;
  }
  /// The same for text put together from constants; kept under its text. Only for what has few forms.
  template <typename... Values>
  Statement query_composed(const std::string& sql, const Values&... values) {
    Statement statement(prepared_composed(sql), Statement::Text::copied);
    statement.bind_all(values...);
    return statement;
  }
  /// Of what has many forms, once no statement of it is in use.
  void forget(const std::string& sql) { composed_.erase(sql); }
  /// Runs a statement that answers nothing; returns the number of rows it changed.
  template <typename... Values>
  std::int64_t execute(const char* sql, const Values&... values) {
    Statement statement(prepared(sql), Statement::Text::borrowed);
    statement.bind_all(values...);
    while (statement.next()) {}
    return changes();
  }

  /// Several statements without parameters.
  void run_script(const std::string& sql);
  [[nodiscard]] std::int64_t last_row() const;
  [[nodiscard]] bool in_transaction() const;
  /// Leaves any transaction, whatever state it is in.
  void roll_back() noexcept;
  [[nodiscard]] sqlite3* handle() const { return db_.get(); }

 private:
  /// With nobody else appending to the log meanwhile; it is synced if `write` has written to it.
  template <typename Write>
  void write_log(Write write);
  sqlite3_stmt* prepared(const char* sql);
  sqlite3_stmt* prepared_composed(const std::string& sql);
  sqlite3_stmt* prepare(std::string_view sql);
  [[nodiscard]] std::int64_t changes() const;

  struct Close {
    void operator()(sqlite3* db) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;
  std::unique_ptr<sqlite3, Close> db_;
  std::unordered_map<const char*, Prepared> statements_;  // after db_: finalized before it closes
  std::map<std::string, Prepared> composed_;
  bool in_memory_ = false;
};

}  // namespace hansa::store
