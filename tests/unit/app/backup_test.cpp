// SPDX-License-Identifier: Apache-2.0
// hansad backup and restore as functions: what a backup says of itself, and what a restore refuses and keeps.
#include "broker/app/backup.hpp"

#include "broker/store/sqlite_store.hpp"
#include "broker/store/state_folder.hpp"
#include "tests/unit/store/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>

namespace hansa::app {
namespace {

namespace fs = std::filesystem;

constexpr auto kNow = UtcTime{std::chrono::sys_days{std::chrono::year{2026} / 11 / 29}} + std::chrono::hours{23};

std::string read(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A state folder after a broker has lived `lives` times: its epoch tells one database from another.
struct Broker {
  Broker() { config.broker.state_dir = folder.path(); }
  void live(const std::string& id = "one") const {
    auto opened = store::SqliteStore::open({.state_dir = folder.path(), .broker_id = id});
    REQUIRE(opened);
    REQUIRE((*opened)->begin_epoch());
  }
  [[nodiscard]] std::int64_t epoch() const { return store::holdings_of(folder.path() / "hansa.db")->epoch; }
  /// As the notary writes it.
  void sign(std::int64_t size) const {
    std::ofstream(folder.path() / "ledger.signed") << "hansa/one\n" << size << "\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
  }

  store::TemporaryFolder folder{store::TemporaryFolder::memory()};
  config::BrokerConfig config;
};

}  // namespace

TEST_CASE("a backup says what it holds, and is never replaced") {
  const Broker broker;
  broker.live();
  broker.sign(0);
  std::ofstream(broker.folder.path() / "ledger.key") << "PRIVATE";
  const auto made = back_up(broker.config, std::nullopt, kNow);
  REQUIRE(made);
  CHECK(made->file == broker.folder.path() / "backups" / "20261129T230000Z.db");
  const auto statement = read(made->file.string() + ".json");
  for (const auto* part : {"\"format\": \"hansa-backup/1\"", "\"broker_id\": \"one\"", "\"epoch\": 1",
                           "\"sha256\": ", "ledger.key", "\"ledger_signed\": \"hansa/one"}) {
    CAPTURE(part);
    CHECK(statement.contains(part));
  }
  CHECK_FALSE(statement.contains("PRIVATE"));
  CHECK(back_up(broker.config, made->file, kNow).error().code == "BACKUP_EXISTS");
  CHECK(back_up(broker.config, broker.folder.path() / "no-such" / "x.db", kNow).error().code == "BACKUP_NOT_WRITTEN");
}

TEST_CASE("a backup names the keys of secrets that it does not have, wherever they are") {
  Broker broker;
  broker.live();
  const auto told = [&](const fs::path& key, const char* to) {
    std::ofstream(key) << "PRIVATE";
    const auto made = back_up(broker.config, broker.folder.path() / to, kNow);
    REQUIRE(made);
    return read(made->file.string() + ".json").contains('"' + key.string() + '"');
  };
  CHECK(told(broker.folder.path() / "secrets.key", "a.db"));
  broker.config.broker.secrets_key = broker.folder.path() / "elsewhere.key";
  CHECK(told(*broker.config.broker.secrets_key, "b.db"));
}

TEST_CASE("a restore puts the backup in place and keeps what was there") {
  const Broker broker;
  broker.live();
  const auto made = back_up(broker.config, std::nullopt, kNow);
  REQUIRE(made);
  broker.live();
  REQUIRE(broker.epoch() == 2);
  const auto restored = restore(broker.config, made->file, false, kNow);
  REQUIRE(restored);
  CHECK(broker.epoch() == 1);
  CHECK(store::holdings_of(restored->aside)->epoch == 2);
  broker.live();  // and it lives
  CHECK(broker.epoch() == 2);
}

TEST_CASE("a restore to a new machine knows what was signed") {
  Broker broker, other;
  broker.live();
  broker.sign(0);
  const auto made = back_up(broker.config, std::nullopt, kNow);
  REQUIRE(made);
  const auto restored = restore(other.config, made->file, false, kNow);
  REQUIRE(restored);
  CHECK(restored->aside.empty());
  CHECK(read(other.folder.path() / "ledger.signed") == read(broker.folder.path() / "ledger.signed"));
}

TEST_CASE("what is newer, another's, damaged or in use is refused") {
  const Broker broker;
  broker.live();
  const auto made = back_up(broker.config, std::nullopt, kNow);
  REQUIRE(made);
  SECTION("signed since") {
    broker.sign(7);
    const auto refused = restore(broker.config, made->file, false, kNow);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "BACKUP_OLDER");
    CHECK(refused.error().message.contains("--over-newer"));
    const auto told = restore(broker.config, made->file, true, kNow);
    REQUIRE(told);
    CHECK(told->signs_nothing);
    CHECK(read(broker.folder.path() / "ledger.signed").contains("\n7\n"));  // a person removes it, or nobody
  }
  SECTION("of another broker") {
    const Broker other;
    other.live("two");
    CHECK(restore(other.config, made->file, false, kNow).error().code == "BACKUP_OLDER");
  }
  SECTION("another file than its statement's") {
    std::ofstream(made->file, std::ios::app) << "x";
    CHECK(restore(broker.config, made->file, true, kNow).error().code == "BACKUP_DAMAGED");
  }
  SECTION("a broker runs") {
    const auto lock = store::StateLock::take(broker.folder.path());
    REQUIRE(lock);
    CHECK(restore(broker.config, made->file, true, kNow).error().code == "STATE_LOCKED");
  }
  CHECK(broker.epoch() == 1);
}

TEST_CASE("a database that cannot be read any more is kept aside with its log") {
  const Broker broker;
  broker.live();
  const auto made = back_up(broker.config, std::nullopt, kNow);
  REQUIRE(made);
  std::ofstream(broker.folder.path() / "hansa.db")
      << "nothing that SQLite knows, but long enough to be looked into by it, one hopes";
  std::ofstream(broker.folder.path() / "hansa.db-wal") << "its log";
  const auto restored = restore(broker.config, made->file, false, kNow);
  REQUIRE(restored);
  CHECK(read(restored->aside).starts_with("nothing that SQLite knows"));
  CHECK_FALSE(fs::exists(broker.folder.path() / "hansa.db-wal"));
  CHECK(read(restored->aside.string() + "-wal") == "its log");
  CHECK(broker.epoch() == 1);
}

TEST_CASE("the log of a database that was moved away is not the restored one's") {
  const Broker broker;
  const auto database = broker.folder.path() / "hansa.db";
  broker.live();
  const auto made = back_up(broker.config, std::nullopt, kNow);
  REQUIRE(made);
  std::string log;
  {
    auto opened = store::SqliteStore::open({.state_dir = broker.folder.path(), .broker_id = "one"});
    REQUIRE(opened);
    REQUIRE((*opened)->begin_epoch());
    log = read(database.string() + "-wal");  // as a killed broker leaves it
  }
  REQUIRE(!log.empty());
  fs::remove(database);
  std::ofstream(database.string() + "-wal") << log;
  const auto restored = restore(broker.config, made->file, false, kNow);
  REQUIRE(restored);
  CHECK(restored->aside.empty());
  CHECK(broker.epoch() == 1);
  CHECK(read(database.string() + ".before-restore-20261129T230000Z-wal") == log);
}

}  // namespace hansa::app
