// SPDX-License-Identifier: Apache-2.0
#include "broker/store/migrations.hpp"

#include "broker/store/jobs.hpp"
#include "broker/store/ledger.hpp"

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

void add_bound_job(Connection& db) {
  db.run_script(
      "INSERT INTO jobs(row, id, owner, project, broker_id, epoch, version, active, state, reason_code, reason_message, "
      "held_by_user, accepted_at_ms, spec) "
      "VALUES(1, zeroblob(16), 'o', 'p', 'b', 1, 1, 1, 'accepted', '', '', 0, 0, '{}');"
      "INSERT INTO attempts(job, number, site, queue, account, scheduler_account, state, intended_at_ms, site_job_id, sends, "
      "sealed, reason_code, reason_message) VALUES(1, 1, 'alpha', 'q', 'alice', '', 'bound', 0, '41', 1, 0, '', '');");
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

TEST_CASE("usage that was booked before the ledger becomes its first records") {
  auto db = memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations().first(13), UtcTime{}));
  add_bound_job(db);
  db.run_script("INSERT INTO site_usage VALUES('alpha', 'cursor', 3)");
  const std::string values = ", 200, 'alice', 'proj', 'q', 'COMPLETED', 0, 100, 2, 8, 1, 800, 100, 200, 'raw line')";
  for (const auto* started : {"100", "-1"}) {
    db.run_script("INSERT INTO usage_records VALUES(NULL, 1, 1, 'local:alice', 'p', 'alpha', 'FI', 'c', '41', 50, " +
                  std::string(started) + values);
  }
  REQUIRE(migrate(db, migrations(), from_unix_seconds(1000)));
  const auto records = read_ledger_records(db, 0, 10, true);
  REQUIRE(records);
  REQUIRE(records->size() == 2);
  CHECK(records->front().text.contains("\"core_seconds\":800,"));
  CHECK(records->front().text.contains("\"started_s\":100,"));
  CHECK_FALSE(records->back().text.contains("started_s"));
  CHECK(records->front().personal.contains("local:alice"));
  CHECK(read_ledger_head(db).value().size == 2);
  CHECK(read_usage_refusals(db).value().front().records == 3);
  auto gone = db.query("SELECT 1 FROM sqlite_schema WHERE name = 'usage_records'");
  CHECK_FALSE(gone.next());
}

TEST_CASE("who made a token from before that was kept is unknown but of the first one of all") {
  for (const bool first_is_ours : {true, false}) {
    auto db = memory();
    REQUIRE(db.apply_settings(Connection::Mode::read_write));
    REQUIRE(migrate(db, migrations().first(21), UtcTime{}));
    const auto add = [&](const std::string& id, const std::string& at) {
      db.run_script("INSERT INTO tokens VALUES('" + id + "', '" + id + "', 'local:operator', 'operator', '" +
                    "made by hansad for operator.token', " + at + ", NULL, NULL)");
    };
    if (!first_is_ours) db.run_script("INSERT INTO tokens VALUES('z', 'z', 'local:eve', 'operator', '', 1, NULL, NULL)");
    add("b", "2");
    add("a", "3");  // says of itself what the first one says
    REQUIRE(migrate(db, migrations(), UtcTime{}));
    auto rows = db.query("SELECT id, makers FROM tokens ORDER BY created_at_ms");
    while (rows.next()) {
      CAPTURE(rows.string(0), first_is_ours);
      CHECK(rows.string(1) == (first_is_ours && rows.string(0) == "b" ? "[]" : R"(["unknown:"])"));
    }
  }
}

TEST_CASE("a ledger from before runs had their attempt in their name is the same tree, and grows") {
  auto db = memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations().first(15), UtcTime{}));
  add_bound_job(db);
  for (int started = 0; started < 300; ++started) {
    db.run_script("INSERT INTO usage_records VALUES(NULL, 1, 1, 'local:alice', 'p', 'alpha', 'FI', 'c', '41', 50, " +
                  std::to_string(started) + ", 200, 'alice', 'proj', 'q', 'COMPLETED', 0, 100, 2, 8, 1, 800, 100, 200, 'line')");
  }
  REQUIRE(migrate(db, migrations().first(16), from_unix_seconds(1000)));
  const auto before = read_ledger_head(db).value();
  CHECK(before.size == 300);
  REQUIRE(migrate(db, migrations(), from_unix_seconds(2000)));
  CHECK(read_ledger_head(db).value().root == before.root);
  LedgerAppender ledger(db, kHashesARow);
  for (int i = 0; i < 290; ++i) REQUIRE(ledger.add(ledger::Kind::policy, i, {{"sha256", "x"}}));
  CHECK_FALSE(read_ledger_root(db, 590));  // the last row of hashes is missing, and that is seen
  ledger.finish();
  const auto root = read_ledger_root(db, 590).value();
  for (const std::int64_t seq : {0, 150, 299, 300, 450, 589}) {
    INFO(seq);
    const auto proof = prove_record(db, seq, 590).value();
    CHECK(ledger::is_included(proof.path, seq, 590, ledger::leaf_hash(proof.record.text), root));
  }
  CHECK(ledger::is_consistent(prove_growth(db, 300, 590).value(), 300, 590, before.root, root));
  CHECK(read_ledger_records_of(db, JobId(std::array<std::uint8_t, 16>{})).value().size() == 300);
}

TEST_CASE("the ledger cannot be edited, and has no gaps") {
  auto db = memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  add_bound_job(db);
  const auto insert = [](std::int64_t seq, const std::string& kind, std::int64_t revision, const std::string& refers_to) {
    return "INSERT INTO ledger(seq, kind, at_s, refers_to, reason, job, attempt, revision, site, country, cluster, site_job_id, "
           "submitted_s, started_s, ended_s, site_state, project, queue, scheduler_account, nodes, cores, gpus, runs, elapsed_s, "
           "core_seconds, gpu_seconds, node_seconds, personal) VALUES(" +
           std::to_string(seq) + ", '" + kind + "', 0, " + refers_to + ", 'x', 1, 1, " + std::to_string(revision) +
           ", 'alpha', 'FI', 'c', '41', 1, 2, 3, 'S', 'p', 'q', '', 1, 1, 0, 1, 1, 1, 0, 1, " +
           (kind == "usage" ? "zeroblob(32))" : "NULL)");
  };
  db.run_script(insert(0, "usage", 0, "NULL"));
  db.run_script("INSERT INTO ledger(seq, kind, at_s, body) VALUES(1, 'policy', 0, '{}')");
  db.run_script("INSERT INTO ledger_hashes VALUES(0, zeroblob(32))");
  db.run_script("INSERT INTO ledger_persons VALUES(0, zeroblob(16), 'o', 'p', 'a', 'l')");
  db.run_script("INSERT INTO ledger_checkpoints VALUES(1, 'note', 0)");
  for (const auto& edit : std::vector<std::string>{
           "UPDATE ledger SET core_seconds = 2", "DELETE FROM ledger", "UPDATE ledger_hashes SET hash = zeroblob(32)",
           "DELETE FROM ledger_hashes", "UPDATE ledger_persons SET owner = 'x'", "UPDATE ledger_checkpoints SET note = ''",
           "DELETE FROM ledger_checkpoints", "INSERT INTO ledger(seq, kind, at_s, body) VALUES(3, 'policy', 0, '{}')",
           "INSERT OR REPLACE INTO ledger(seq, kind, at_s, body) VALUES(1, 'policy', 0, '{\"x\":1}')",
           "INSERT INTO ledger(seq, kind, at_s, body) VALUES(2, 'gossip', 0, '{}')",
           "INSERT INTO ledger(seq, kind, at_s) VALUES(2, 'policy', 0)",
           "INSERT OR REPLACE INTO ledger_hashes VALUES(0, zeroblob(32))", insert(2, "usage", 0, "NULL"),
           insert(2, "usage", 1, "NULL"), insert(2, "reversal", 0, "NULL"), insert(2, "reversal", 0, "2")}) {
    INFO(edit);
    CHECK_THROWS_AS(db.run_script(edit), SqliteFailure);
    if (db.in_transaction()) db.roll_back();
  }
  db.run_script(insert(2, "reversal", 0, "0"));
  CHECK_THROWS_AS(db.run_script(insert(3, "reversal", 0, "0")), SqliteFailure);
  db.run_script(insert(3, "usage", 1, "NULL"));
  CHECK_THROWS_AS(db.run_script("DELETE FROM ledger_persons WHERE seq = 0"), SqliteFailure);
  db.run_script("INSERT INTO erasing VALUES(1); DELETE FROM ledger_persons WHERE seq = 0; DELETE FROM erasing");  // forgotten
}

TEST_CASE("names are taken out of what is append-only through the gate alone, and nothing else is") {
  auto db = memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  db.run_script(
      "INSERT INTO jobs(row, id, owner, project, broker_id, epoch, version, active, state, reason_code, reason_message, "
      "held_by_user, accepted_at_ms, spec) "
      "VALUES(1, zeroblob(16), 'o', 'p', 'b', 1, 1, 1, 'accepted', '', '', 0, 0, '{}');"
      "INSERT INTO events VALUES(1, 1, 1, 0, 'accepted', '{}');"
      "INSERT INTO access_people VALUES(1, 'local:root'), (2, 'local:alice');"
      "INSERT INTO access_log VALUES(1, 0, 1, 'operator', 2, 'getJob', 'why', 1);"
      "INSERT INTO retention_log VALUES(1, 0, 'jobs', 0, 1);"
      "INSERT INTO erasures(row, id, principal, reason, by_whom, at_ms, state) VALUES(1, zeroblob(16), 'x', '', 'a', 0, "
      "'pending')");
  for (const auto* edit :
       {"UPDATE events SET body = 'x'", "UPDATE access_log SET reason = ''", "DELETE FROM access_log",
        "INSERT OR REPLACE INTO access_log VALUES(1, 0, 2, 'operator', 2, 'getJob', '', 1)", "DELETE FROM retention_log",
        "UPDATE retention_log SET rows = 0", "DELETE FROM erasures", "UPDATE erasures SET state = 'done'",
        "UPDATE erasures SET state = 'approved', ruled_by = 'a'", "UPDATE erasures SET state = 'approved'"}) {
    INFO(edit);
    CHECK_THROWS_AS(db.run_script(edit), SqliteFailure);
  }
  db.run_script("INSERT INTO erasing VALUES(1); UPDATE events SET body = 'x'; UPDATE access_log SET reason = ''");
  for (const auto* edit :
       {"UPDATE events SET name = 'x'", "UPDATE events SET version = 2", "DELETE FROM events", "UPDATE access_log SET reader = 2",
        "UPDATE access_log SET subject = NULL", "UPDATE access_log SET at_s = 1", "INSERT INTO erasing VALUES(2)"}) {
    INFO(edit);
    CHECK_THROWS_AS(db.run_script(edit), SqliteFailure);
  }
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
  check("SELECT * FROM ledger WHERE body IS NULL AND ended_s >= 1 AND ended_s < 2", "ledger_by_end");
  check("SELECT * FROM ledger WHERE job = 1 AND kind = 'usage'", "ledger_runs");
  check("SELECT * FROM ledger WHERE job = 1 AND kind IN ('reversal', 'adjustment')", "ledger_corrections");
  check(
      "SELECT revision FROM ledger WHERE kind = 'usage' AND job = 1 AND attempt = 1 AND site_job_id = '1' AND submitted_s = 1 AND "
      "started_s = 1 AND cluster = 'c' AND site = 's' ORDER BY revision DESC LIMIT 1",
      "ledger_runs");
  check("SELECT seq FROM ledger WHERE kind = 'key' AND body IS NOT NULL ORDER BY seq DESC", "ledger_others");
  check("SELECT 1 FROM ledger WHERE refers_to = 1 AND kind = 'reversal'", "ledger_reversals");
  check("SELECT labels FROM datasets WHERE sha256 = 'h'", "datasets_by_content");
  check("SELECT * FROM facts WHERE subject = 's' AND attribute = 'a'", "PRIMARY KEY");
  check("SELECT * FROM replicas WHERE dataset = 'd' ORDER BY site", "PRIMARY KEY");
  check("SELECT * FROM waits WHERE site = 'a' ORDER BY number DESC LIMIT 9", "PRIMARY KEY");
  check("SELECT max(number) FROM waits WHERE site = 'a'", "PRIMARY KEY");
  check("SELECT * FROM idempotency WHERE key = 'k' AND owner = 'o'", "PRIMARY KEY");
  check("SELECT sum(amount) FROM charges WHERE project = 'p' AND unit = 'u' AND site = 's' AND ended_s > 1", "charges_by_end");
  check(
      "SELECT amount FROM charges WHERE job = 1 AND attempt = 1 AND site_job_id = '1' AND started_s = 1 AND +reverses IS NULL "
      "ORDER BY sequence DESC LIMIT 1",
      "charges_of_run");
}
