// SPDX-License-Identifier: Apache-2.0
#include "broker/app/backup.hpp"

#include "broker/app/secrets_key.hpp"
#include "broker/app/state_folder.hpp"
#include "broker/app/version.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/core/sha256_stream.hpp"
#include "broker/core/time_text.hpp"
#include "broker/ledger/note.hpp"
#include "broker/store/state_folder.hpp"
#include "config/text_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace hansa::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "hansa-backup/1";
constexpr std::size_t kMostStatement = std::size_t{1} << 20;

fs::path statement_of(const fs::path& file) { return file.string() + ".json"; }

/// "20261129T230501Z": fit for a file's name, in the order of time.
std::string stamp(UtcTime now) {
  auto text = format_utc(std::chrono::floor<std::chrono::seconds>(now));
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

Result<std::string> sha256_of_file(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  Sha256Stream sum;
  static thread_local std::array<char, std::size_t{1} << 18> part;
  ssize_t size = descriptor < 0 ? -1 : 0;
  while (descriptor >= 0 && (size = ::read(descriptor, part.data(), part.size())) > 0)
    sum.add({part.data(), static_cast<std::size_t>(size)});
  const int problem = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (size < 0)
    return fail(ErrorKind::unavailable, "BACKUP_NOT_READ", file.string() + " cannot be read: " + std::strerror(problem));
  return sum.finish();
}

/// As it is; none where nothing was signed.
std::optional<std::string> signed_last(const fs::path& state_dir) {
  auto text = config::read_text_file((state_dir / "ledger.signed").string(), kMostStatement);
  return text ? std::optional(std::move(*text)) : std::nullopt;
}

/// Up to where that was signed; 0 of what is none.
std::int64_t signed_size(const std::optional<std::string>& text) {
  const auto checkpoint = text ? ledger::parse_checkpoint(*text) : Result<ledger::Checkpoint>(std::unexpected(Error{}));
  return checkpoint ? checkpoint->size : 0;
}

std::string statement(const store::Holdings& holds, const fs::path& file, const std::string& sha256,
                      const std::optional<std::string>& last_signed, const config::BrokerConfig& config, UtcTime now) {
  std::error_code ignored;
  Json not_in_it = Json::array();
  const auto& state = config.broker.state_dir;
  for (const auto& path : {state / "ledger.key", state / "ledger.key.next", secrets_key_file(config), state / "operator.token",
                           state / "code", state / "agents"}) {
    if (fs::exists(path, ignored)) not_in_it.push_back(path.string());
  }
  const Json told{{"format", kFormat},
                  {"made_at", format_utc(now)},
                  {"made_by", "hansad " + std::string(kVersion)},
                  {"bytes", fs::file_size(file, ignored)},
                  {"sha256", sha256},
                  {"broker_id", holds.broker_id},
                  {"epoch", holds.epoch},
                  {"schema", holds.schema},
                  {"jobs", holds.jobs},
                  {"last_event", holds.last_event},
                  {"ledger_size", holds.ledger_size},
                  {"ledger_root", ledger::base64_of(holds.ledger_root)},
                  {"ledger_signed", last_signed ? Json(*last_signed) : Json()},
                  {"not_in_it", std::move(not_in_it)}};
  return told.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// What was signed when it was made. A backup without a statement is read all the same: it is verified by what it holds.
Result<std::optional<std::string>> check_statement(const fs::path& backup) {
  const auto file = statement_of(backup);
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  const auto text = config::read_text_file(file.string(), kMostStatement);
  if (!text) return std::unexpected(text.error());
  const auto told = parse_json(*text);
  if (!told || !told->is_object() || told->value("format", Json()) != kFormat || !told->value("sha256", Json()).is_string())
    return fail(ErrorKind::invalid_argument, "BACKUP_DAMAGED",
                file.string() + " is no statement of a backup: restore it from where it was kept, or remove it");
  const auto sum = sha256_of_file(backup);
  if (!sum) return std::unexpected(sum.error());
  if (*sum != (*told)["sha256"].get<std::string>())
    return fail(ErrorKind::invalid_argument, "BACKUP_DAMAGED",
                backup.string() + " is not the file that " + file.string() + " speaks of: take another backup");
  const auto last = told->value("ledger_signed", Json());
  return last.is_string() ? std::optional(last.get<std::string>()) : std::nullopt;
}

Result<void> copy_file_whole(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (auto made = store::create_private_file(to); !made) return made;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (!error) return store::sync_path(to);
  std::error_code ignored;
  fs::remove(to, ignored);
  const bool full = error == std::errc::no_space_on_device;
  return fail(full ? ErrorKind::storage_full : ErrorKind::unavailable, full ? "BACKUP_NO_ROOM" : "BACKUP_NOT_WRITTEN",
              to.string() + " cannot be written: " + error.message() + (full ? ": make room; nothing was changed" : ""));
}

/// Whatever log is there is not the restored database's, which would be opened with it.
Result<void> keep_log_aside(const fs::path& file, const fs::path& aside) {
  for (const auto* suffix : {"-wal", "-shm"}) {
    const auto log = file.string() + suffix;
    if (::rename(log.c_str(), (aside.string() + suffix).c_str()) != 0 && errno != ENOENT)
      return fail(ErrorKind::unavailable, "BACKUP_NOT_WRITTEN", log + " cannot be moved aside: " + std::strerror(errno));
  }
  return store::sync_path(file.parent_path());
}

/// The database that is there under another name, its log in it; at no moment is there none.
Result<void> keep_aside(const fs::path& file, const fs::path& aside) {
  std::error_code ignored;
  if (store::settle_log(file)) {  // else it is damaged: what there is of its log is kept beside it
    for (const auto* suffix : {"-wal", "-shm"}) fs::remove(file.string() + suffix, ignored);
  }
  if (::link(file.c_str(), aside.c_str()) != 0)
    return fail(ErrorKind::unavailable, "BACKUP_NOT_WRITTEN",
                aside.string() + " cannot be made, under which the database is to be kept: " + std::strerror(errno));
  return {};
}

std::string more_than(std::string_view what, std::int64_t there, std::int64_t restored) {
  return std::to_string(there) + " " + std::string(what) + ", the backup " + std::to_string(restored);
}

/// "": nothing there is newer than the backup.
std::string newer_than(const store::Holdings& backup, const Result<store::Holdings>& there, std::int64_t last_signed) {
  if (last_signed > backup.ledger_size)
    return "what was signed last (ledger.signed) vouches for " +
           more_than("records of the ledger", last_signed, backup.ledger_size);
  if (!there || there->broker_id.empty()) return "";
  if (there->broker_id != backup.broker_id)
    return "the database that is there is of broker \"" + there->broker_id + "\", the backup of \"" + backup.broker_id + "\"";
  if (there->ledger_size > backup.ledger_size)
    return "the database that is there has " + more_than("records of the ledger", there->ledger_size, backup.ledger_size);
  if (there->last_event > backup.last_event)
    return "the database that is there has " + more_than("events of jobs", there->last_event, backup.last_event);
  return "";
}

}  // namespace

Result<Backup> back_up(const config::BrokerConfig& config, std::optional<fs::path> to, UtcTime now) {
  const auto& state = config.broker.state_dir;
  const auto database = config::database_path(config);
  if (!to) {
    to = state / "backups" / (stamp(now) + ".db");
    if (::mkdir(to->parent_path().c_str(), 0700) != 0 && errno != EEXIST)
      return fail(ErrorKind::unavailable, "BACKUP_NOT_WRITTEN",
                  to->parent_path().string() + " cannot be made: " + std::strerror(errno) + "; name a file with --to");
  }
  std::error_code ignored;
  to = fs::absolute(*to);
  if (fs::exists(fs::symlink_status(*to, ignored)))
    return fail(ErrorKind::conflict, "BACKUP_EXISTS", to->string() + " is there already: give another name, or remove it");
  if (!fs::is_directory(to->parent_path(), ignored))
    return fail(ErrorKind::invalid_argument, "BACKUP_NOT_WRITTEN",
                to->parent_path().string() + " is no folder: make it, for the account that runs hansad");
  const auto last_signed = signed_last(state);  // before the database: so what it vouches for is in the copy
  const auto draft = fs::path(to->string() + ".part");
  const auto failed = [&](Error error) {
    fs::remove(draft, ignored);
    fs::remove(statement_of(*to), ignored);
    return std::unexpected(std::move(error));
  };
  auto holds = store::copy_database(database, draft);
  if (!holds) return std::unexpected(holds.error());
  const auto sum = sha256_of_file(draft);
  if (!sum) return failed(sum.error());
  if (auto said = write_private_file(statement_of(*to), statement(*holds, draft, *sum, last_signed, config, now)); !said)
    return failed(said.error());
  if (::rename(draft.c_str(), to->c_str()) != 0)
    return failed(
        fail(ErrorKind::unavailable, "BACKUP_NOT_WRITTEN", to->string() + " cannot be made: " + std::strerror(errno)).error());
  if (auto synced = store::sync_path(to->parent_path()); !synced) return std::unexpected(synced.error());
  return Backup{.file = std::move(*to), .holds = std::move(*holds)};
}

Result<Restored> restore(const config::BrokerConfig& config, const fs::path& backup, bool over_newer, UtcTime now) {
  const auto& state = config.broker.state_dir;
  const auto database = config::database_path(config);
  std::error_code ignored;
  std::vector<store::StateLock> locks;  // as the broker takes them
  for (const auto& folder : {state, database.parent_path()}) {
    if (!locks.empty() && fs::equivalent(folder, state, ignored)) continue;
    if (auto usable = store::check_folder(folder); !usable) return std::unexpected(usable.error());
    auto lock = store::StateLock::take(folder);
    if (!lock) return std::unexpected(lock.error());
    locks.push_back(std::move(*lock));
  }
  const auto then_signed = check_statement(backup);
  if (!then_signed) return std::unexpected(then_signed.error());
  auto holds = store::verify_database(backup);
  if (!holds) return std::unexpected(holds.error());

  const bool replaces = fs::exists(database, ignored);
  const auto there = replaces ? store::holdings_of(database) : Result<store::Holdings>(store::Holdings{});
  const auto last_signed = signed_last(state);
  Restored restored{.holds = *holds, .aside = {}, .signs_nothing = signed_size(last_signed) > holds->ledger_size};
  if (const auto newer = newer_than(*holds, there, signed_size(last_signed)); !newer.empty() && !over_newer) {
    return fail(
        ErrorKind::conflict, "BACKUP_OLDER",
        newer + ": nothing was changed; say --over-newer if that is to be given up (docs/ledger.md, A database from a backup)");
  }
  const auto draft = fs::path(database.string() + ".restored");
  if (auto copied = copy_file_whole(backup, draft); !copied) return std::unexpected(copied.error());
  const auto aside = fs::path(database.string() + ".before-restore-" + stamp(now));
  if (replaces) {
    if (auto kept = keep_aside(database, aside); !kept) return std::unexpected(kept.error());
    restored.aside = aside;
  }
  if (auto kept = keep_log_aside(database, aside); !kept) return std::unexpected(kept.error());
  if (::rename(draft.c_str(), database.c_str()) != 0)
    return fail(ErrorKind::unavailable, "BACKUP_NOT_WRITTEN", database.string() + " cannot be replaced: " + std::strerror(errno));
  if (auto synced = store::sync_path(database.parent_path()); !synced) return std::unexpected(synced.error());
  if (!last_signed && *then_signed) {  // a new machine: what was vouched for is known there, too
    if (auto said = write_private_file(state / "ledger.signed", **then_signed); !said) return std::unexpected(said.error());
  }
  return restored;
}

std::string told(const store::Holdings& holdings) {
  return std::to_string(holdings.jobs) + " jobs, " + std::to_string(holdings.ledger_size) + " records of the ledger, schema " +
         std::to_string(holdings.schema) + ", broker " + holdings.broker_id;
}

}  // namespace hansa::app
