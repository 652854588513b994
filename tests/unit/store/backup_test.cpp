// SPDX-License-Identifier: Apache-2.0
// Copies of the database: of one moment, whole or not there, and one before the schema changes.
#include "broker/store/backup.hpp"

#include "broker/store/migrations.hpp"
#include "broker/store/sqlite_store.hpp"
#include "tests/unit/store/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <fstream>
#include <string>

using namespace hansa;
using namespace hansa::store;

namespace {

Connection database(const std::filesystem::path& file) {
  return Connection({.path = file.string(), .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
                    Connection::Mode::read_write);
}

void add_jobs(Connection& db, int from, int to) {
  for (int i = from; i < to; ++i) {
    const auto row = std::to_string(i);
    db.run_script("INSERT INTO jobs(row, id, owner, project, broker_id, epoch, version, active, state, reason_code, reason_message, "
                  "held_by_user, accepted_at_ms, spec) VALUES(" +
                  row + ", CAST(printf('%016d', " + row + ") AS BLOB), 'o', 'p', 'b', 1, 1, 1, 'accepted', '', '', 0, 0, '{}')");
  }
}

/// Of a release that knew `steps` of the schema, with three jobs.
void make_database(const std::filesystem::path& file, std::size_t steps = migrations().size()) {
  auto db = database(file);
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations().first(steps), UtcTime{}));
  REQUIRE(establish_broker_id(db, "broker-1"));
  add_jobs(db, 1, 4);
}

Result<std::unique_ptr<SqliteStore>> open_store(const std::filesystem::path& folder) {
  Options options{.state_dir = folder, .broker_id = "another", .backups = folder / "backups"};
  return SqliteStore::open(std::move(options));
}

}  // namespace

TEST_CASE("a copy is of one moment, while others write") {
  const TemporaryFolder folder(TemporaryFolder::memory());
  const auto file = folder.path() / "hansa.db", copy = folder.path() / "copy.db";
  make_database(file);
  auto writer = database(file);
  REQUIRE(writer.apply_settings(Connection::Mode::read_write));
  add_jobs(writer, 4, 6);  // in the log alone
  writer.run_script("BEGIN IMMEDIATE");
  add_jobs(writer, 6, 9);  // not committed
  const auto held = copy_database(file, copy);
  REQUIRE(held);
  CHECK(held->jobs == 5);
  CHECK(held->broker_id == "broker-1");
  writer.run_script("COMMIT");
  CHECK(verify_database(copy)->jobs == 5);
  CHECK(holdings_of(file)->jobs == 8);

  struct stat found{};
  REQUIRE(::stat(copy.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777U) == 0600);
  for (const auto* beside : {"copy.db-wal", "copy.db-shm", "copy.db.new"}) CHECK_FALSE(std::filesystem::exists(folder.path() / beside));
}

TEST_CASE("a damaged copy is found out") {
  const TemporaryFolder folder(TemporaryFolder::memory());
  const auto file = folder.path() / "hansa.db", copy = folder.path() / "copy.db";
  make_database(file);
  REQUIRE(copy_database(file, copy));
  SECTION("a page of it") {
    std::fstream bytes(copy, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(3 * 4096 + 1);
    bytes << std::string(600, '\xff');
  }
  SECTION("its end") { std::filesystem::resize_file(copy, std::filesystem::file_size(copy) / 2); }
  SECTION("all of it") {
    std::filesystem::resize_file(copy, 0);
    std::ofstream(copy) << "no database at all, whatever its name says, and longer than a header is";
  }
  const auto verified = verify_database(copy);
  REQUIRE_FALSE(verified);
  CHECK(verified.error().code == "BACKUP_DAMAGED");
  CHECK(verified.error().message.contains("copy.db"));
}

TEST_CASE("what cannot be copied leaves what there was") {
  const TemporaryFolder folder(TemporaryFolder::memory());
  const auto file = folder.path() / "hansa.db", copy = folder.path() / "copy.db";
  CHECK(copy_database(folder.path() / "none.db", copy).error().code == "BACKUP_NOT_THERE");
  make_database(file);
  std::ofstream(copy) << "the last one";
  CHECK_FALSE(copy_database(file, folder.path() / "no-such" / "copy.db"));
  {
    auto foreign = database(folder.path() / "foreign.db");
    foreign.run_script("CREATE TABLE a(x)");
  }
  CHECK(copy_database(folder.path() / "foreign.db", copy).error().code == "NOT_A_HANSA_STORE");
  CHECK(std::filesystem::file_size(copy) == 12);
}

TEST_CASE("before schema steps a verified copy is kept, and only then") {
  const TemporaryFolder folder(TemporaryFolder::memory());
  const auto kept = folder.path() / "backups" / ("before-schema-" + std::to_string(migrations().size()) + ".db");
  { REQUIRE(open_store(folder.path())); }  // a new one
  CHECK_FALSE(std::filesystem::exists(folder.path() / "backups"));
  { REQUIRE(open_store(folder.path())); }  // one that needs no step
  CHECK_FALSE(std::filesystem::exists(folder.path() / "backups"));

  std::filesystem::remove(folder.path() / "hansa.db");
  make_database(folder.path() / "hansa.db", migrations().size() - 1);
  { REQUIRE(open_store(folder.path())); }
  const auto old = verify_database(kept);
  REQUIRE(old);
  CHECK(old->schema == std::ssize(migrations()) - 1);
  CHECK(old->jobs == 3);
  CHECK(verify_database(folder.path() / "hansa.db")->schema == std::ssize(migrations()));
}

TEST_CASE("without a copy no schema step is taken") {
  const TemporaryFolder folder(TemporaryFolder::memory());
  make_database(folder.path() / "hansa.db", migrations().size() - 1);
  std::ofstream(folder.path() / "backups") << "a file in the way";
  const auto opened = open_store(folder.path());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message.contains("no copy of it could be kept before"));
  CHECK(holdings_of(folder.path() / "hansa.db")->schema == std::ssize(migrations()) - 1);
}
