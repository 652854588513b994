// SPDX-License-Identifier: Apache-2.0
#include "broker/store/migrations.hpp"

#include "broker/store/jobs.hpp"

#include <catch2/catch.hpp>

#include <array>

using namespace hansa;
using namespace hansa::store;

namespace {

Connection memory() {
  return Connection({.path = ":memory:", .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
                    Connection::Mode::read_write);
}

constexpr std::array kOne = {Migration{.version = 1, .name = "one", .sql = "CREATE TABLE a(x INTEGER) STRICT;"}};
constexpr std::array kTwo = {
    kOne[0], Migration{.version = 2, .name = "two", .sql = "CREATE TABLE b(x INTEGER) STRICT; INSERT INTO b VALUES(7);"}};
constexpr std::array kBroken = {
    kOne[0],
    Migration{.version = 2, .name = "broken", .sql = "CREATE TABLE b(x INTEGER) STRICT; CREATE TABLE a(x INTEGER) STRICT;"}};

std::string plan(Connection& db, const std::string& sql) {
  std::string text;
  auto rows = db.query_composed("EXPLAIN QUERY PLAN " + sql);
  while (rows.next()) text.append(rows.text(3)).append("\n");
  return text;
}

}  // namespace

TEST_CASE("each step is taken once and in order") {
  auto db = memory();
  REQUIRE(migrate(db, kOne, UtcTime{}));
  REQUIRE(migrate(db, kOne, UtcTime{}));
  REQUIRE(migrate(db, kTwo, UtcTime{}));
  auto row = db.query("SELECT x FROM b");
  REQUIRE(row.next());
  CHECK(row.integer(0) == 7);
  CHECK_FALSE(row.next());
}

TEST_CASE("a step that fails leaves nothing behind") {
  auto db = memory();
  REQUIRE(migrate(db, kOne, UtcTime{}));
  CHECK_THROWS_AS(migrate(db, kBroken, UtcTime{}), SqliteFailure);
  db.roll_back();
  REQUIRE(migrate(db, kTwo, UtcTime{}));
}

TEST_CASE("a newer, an altered and a foreign database are refused") {
  auto newer = memory();
  REQUIRE(migrate(newer, kTwo, UtcTime{}));
  const auto too_new = migrate(newer, kOne, UtcTime{});
  REQUIRE_FALSE(too_new);
  CHECK(too_new.error().code == "SCHEMA_TOO_NEW");
  CHECK(too_new.error().message.find("version 2") != std::string::npos);

  auto altered = memory();
  REQUIRE(migrate(altered, kOne, UtcTime{}));
  constexpr std::array kOther = {Migration{.version = 1, .name = "one", .sql = "CREATE TABLE a(x INTEGER) STRICT; "}};
  CHECK(migrate(altered, kOther, UtcTime{}).error().code == "SCHEMA_ALTERED");

  auto foreign = memory();
  foreign.run_script("CREATE TABLE browser_history(url TEXT)");
  CHECK(migrate(foreign, kOne, UtcTime{}).error().code == "NOT_A_HANSA_STORE");
  auto marked = memory();
  marked.run_script("PRAGMA application_id=42");
  CHECK(migrate(marked, kOne, UtcTime{}).error().code == "NOT_A_HANSA_STORE");
}

TEST_CASE("settings are read back") {
  auto db = memory();
  CHECK(db.apply_settings(Connection::Mode::read_write));
}

TEST_CASE("events and usage cannot be edited, not even by a replacement") {
  auto db = memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  db.run_script(
      "INSERT INTO jobs(row, id, owner, project, broker_id, epoch, version, active, state, reason_code, reason_message, "
      "held_by_user, accepted_at_ms, spec) "
      "VALUES(1, zeroblob(16), 'o', 'p', 'b', 1, 1, 1, 'accepted', '', '', 0, 0, '{}');"
      "INSERT INTO events(sequence, job, version, at_ms, name, body) VALUES(1, 1, 1, 0, 'accepted', '{}');");
  for (const auto* edit :
       {"UPDATE events SET body = ''", "DELETE FROM events", "INSERT OR REPLACE INTO events VALUES(1, 1, 1, 0, 'x', '')",
        "INSERT OR REPLACE INTO events VALUES(2, 1, 1, 0, 'x', '')"}) {
    INFO(edit);
    CHECK_THROWS_AS(db.run_script(edit), SqliteFailure);
  }
  CHECK_THROWS_AS(db.run_script("INSERT INTO payloads VALUES(99, x'', x'', x'')"), SqliteFailure);  // no such job
  CHECK_THROWS_AS(db.run_script("INSERT INTO broker VALUES(1, 2, 'text')"), SqliteFailure);         // STRICT
}

TEST_CASE("what was changed about a dataset, and who approved it, cannot be edited, and nobody approves their own") {
  auto db = memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  db.run_script(
      "INSERT INTO datasets VALUES('d', 'alice', 'p', '[\"open\"]', 1, 1, 'h', 0, 0, 2, '{}');"
      "INSERT INTO dataset_changes VALUES(zeroblob(16), 'd', 1, 'alice', 0, '', 0, 'registered', '{}');"
      "INSERT INTO dataset_changes VALUES(x'0102030405060708090a0b0c0d0e0f10', 'd', 2, 'alice', 0, '', 1, 'owner_changed', "
      "'{}');");
  const std::string ruling = "INSERT INTO dataset_rulings VALUES(x'0102030405060708090a0b0c0d0e0f10', 3, 1, ";
  CHECK_THROWS_AS(db.run_script(ruling + "'alice', 0, '')"), SqliteFailure);
  CHECK_THROWS_AS(db.run_script("INSERT INTO dataset_rulings VALUES(zeroblob(16), 3, 1, 'bob', 0, '')"), SqliteFailure);
  db.run_script(ruling + "'bob', 0, '')");
  for (const auto* edit :
       {"UPDATE dataset_changes SET by_whom = 'x'", "DELETE FROM dataset_changes", "UPDATE dataset_rulings SET approved = 0",
        "DELETE FROM dataset_rulings", "DELETE FROM datasets",
        "INSERT OR REPLACE INTO dataset_changes VALUES(zeroblob(16), 'd', 1, 'x', 0, '', 0, 'registered', '{}')",
        "INSERT OR REPLACE INTO dataset_changes VALUES(x'ff02030405060708090a0b0c0d0e0f10', 'd', 1, 'x', 0, '', 0, 'x', '{}')",
        "INSERT OR REPLACE INTO dataset_rulings VALUES(x'0102030405060708090a0b0c0d0e0f10', 3, 0, 'carol', 0, '')",
        "INSERT INTO dataset_changes VALUES(x'ff02030405060708090a0b0c0d0e0f10', 'nobody''s', 1, 'x', 0, '', 0, 'x', '{}')"}) {
    INFO(edit);
    CHECK_THROWS_AS(db.run_script(edit), SqliteFailure);
  }
}

TEST_CASE("what was changed about a fact, and who approved it, cannot be edited, and nobody approves what is theirs") {
  auto db = memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  const std::string change = "INSERT INTO fact_changes VALUES(";
  db.run_script(change + "zeroblob(16), 'site:a', 'site.labels', 1, 'alice', 0, '', 0, 'fact_withdrawn', '{}');" + change +
                "x'0102030405060708090a0b0c0d0e0f10', 'site:a', 'site.labels', 2, 'alice', 0, '', 1, 'fact_stated', '{}');" +
                change +
                "x'1102030405060708090a0b0c0d0e0f10', 'person:bob', 'user.country', 1, 'alice', 0, '', 1, 'fact_stated', '{}');"
                "INSERT INTO facts VALUES('site:a', 'site.labels', 2, zeroblob(16), 0, NULL);");
  const std::string ruling = "INSERT INTO fact_rulings VALUES(x'0102030405060708090a0b0c0d0e0f10', 3, 1, ";
  const std::string of_bob = "INSERT INTO fact_rulings VALUES(x'1102030405060708090a0b0c0d0e0f10', 2, 1, ";
  CHECK_THROWS_AS(db.run_script(ruling + "'alice', 0, '')"), SqliteFailure);
  CHECK_THROWS_AS(db.run_script(of_bob + "'bob', 0, '')"), SqliteFailure);
  CHECK_THROWS_AS(db.run_script("INSERT INTO fact_rulings VALUES(zeroblob(16), 3, 1, 'bob', 0, '')"), SqliteFailure);
  db.run_script(ruling + "'bob', 0, '');" + of_bob + "'carol', 0, '')");
  for (const auto* edit :
       {"UPDATE fact_changes SET by_whom = 'x'", "DELETE FROM fact_changes", "UPDATE fact_rulings SET approved = 0",
        "DELETE FROM fact_rulings", "UPDATE facts SET change = x'ff02030405060708090a0b0c0d0e0f10'",
        "INSERT OR REPLACE INTO fact_changes VALUES(zeroblob(16), 'site:a', 'x', 9, 'x', 0, '', 0, 'x', '{}')",
        "INSERT OR REPLACE INTO fact_changes VALUES(randomblob(16), 'site:a', 'site.labels', 1, 'x', 0, '', 0, 'x', '')",
        "INSERT OR REPLACE INTO fact_rulings VALUES(x'0102030405060708090a0b0c0d0e0f10', 3, 0, 'carol', 0, '')"}) {
    INFO(edit);
    CHECK_THROWS_AS(db.run_script(edit), SqliteFailure);
  }
}

TEST_CASE("what is asked often finds its rows by an index, in order, without sorting") {
  auto db = memory();
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  const auto check = [&](const std::string& sql, const std::string& index) {
    const auto text = plan(db, sql);
    INFO(sql << "\n" << text);
    CHECK(text.find(index) != std::string::npos);
    CHECK(text.find("SCAN") == std::string::npos);
    CHECK(text.find("TEMP B-TREE") == std::string::npos);
  };
  check("SELECT * FROM jobs WHERE id = x'00'", "sqlite_autoindex_jobs_1");
  check("SELECT * FROM jobs WHERE owner = 'a' AND id < x'ff' ORDER BY id DESC LIMIT 9", "jobs_by_owner");
  check("SELECT * FROM jobs INDEXED BY jobs_active WHERE active = 1 AND id > x'00' ORDER BY id LIMIT 9", "jobs_active");
  check("SELECT * FROM events WHERE job = 1 ORDER BY version", "sqlite_autoindex_events_1");
  check("SELECT * FROM decisions WHERE job = 1 ORDER BY sequence DESC LIMIT 1", "decisions_by_job");
  check("SELECT * FROM usage_records WHERE ended_s >= 1 AND ended_s < 2", "usage_by_end");
  check("SELECT * FROM usage_records WHERE job = 1", "usage_by_job");
  check("SELECT labels FROM datasets WHERE sha256 = 'h'", "datasets_by_content");
  check("SELECT * FROM facts WHERE subject = 's' AND attribute = 'a'", "PRIMARY KEY");
  check("SELECT * FROM replicas WHERE dataset = 'd' ORDER BY site", "PRIMARY KEY");
  check("SELECT * FROM waits WHERE site = 'a' ORDER BY number DESC LIMIT 9", "PRIMARY KEY");
  check("SELECT max(number) FROM waits WHERE site = 'a'", "PRIMARY KEY");
  check("SELECT * FROM idempotency WHERE key = 'k' AND owner = 'o'", "PRIMARY KEY");
}
