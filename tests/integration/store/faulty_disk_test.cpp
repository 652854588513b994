// SPDX-License-Identifier: Apache-2.0
// The disk that others are tested on does lose what it should, and nothing else.
#include "tests/disk/faulty_disk.hpp"

#include "tests/unit/store/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <sqlite3.h>

#include <set>
#include <string>

using namespace hansa;
using namespace hansa::disk;

namespace {

class Database {
 public:
  Database(const store::TemporaryFolder& folder, const FaultyDisk& disk,
           const std::string& settings = "PRAGMA synchronous=FULL") {
    REQUIRE(sqlite3_open_v2((folder.path() / "d.db").c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                            disk.vfs().c_str()) == SQLITE_OK);
    static_cast<void>(run(settings));
    static_cast<void>(run("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0"));
  }
  ~Database() {
    sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    sqlite3_close(db_);
  }
  int run(const std::string& sql) { return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr); }
  /// "1,2,3,", or what is wrong.
  std::string rows() {
    std::string found;
    const auto add = [](void* text, int, char** columns, char**) {
      static_cast<std::string*>(text)->append(columns[0]).append(",");
      return 0;
    };
    const int code = sqlite3_exec(db_, "SELECT n FROM t ORDER BY n", add, &found, nullptr);
    return code == SQLITE_OK ? found : sqlite3_errmsg(db_);
  }

 private:
  sqlite3* db_ = nullptr;
};

void make_table(const store::TemporaryFolder& folder, const FaultyDisk& disk) {
  Database db(folder, disk);
  REQUIRE(db.run("CREATE TABLE t(n INTEGER PRIMARY KEY, text TEXT); INSERT INTO t VALUES(1, '')") == SQLITE_OK);
}

}  // namespace

TEST_CASE("a power cut takes what was not synced, and that alone") {
  const auto rows_after = [](const std::string& settings) {
    const store::TemporaryFolder folder;
    FaultyDisk disk;
    make_table(folder, disk);
    {
      Database db(folder, disk, settings);
      REQUIRE(db.run("INSERT INTO t VALUES(2, '')") == SQLITE_OK);
      REQUIRE(db.run("INSERT INTO t VALUES(3, '')") == SQLITE_OK);
      disk.cut_power_now(Loss::all);
      CHECK(db.run("INSERT INTO t VALUES(4, '')") != SQLITE_OK);
    }
    disk.restore_power();
    return Database(folder, disk).rows();
  };
  CHECK(rows_after("PRAGMA synchronous=FULL") == "1,2,3,");
  CHECK(rows_after("PRAGMA synchronous=NORMAL") == "1,");  // WAL syncs at check points alone
  CHECK(rows_after("PRAGMA synchronous=OFF") == "1,");
}

TEST_CASE("what was not synced may be there all the same, whole, in part or torn; sectors stay whole") {
  std::set<std::size_t> lengths;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    for (const auto loss : {Loss::some, Loss::tail}) {
      const store::TemporaryFolder folder;
      FaultyDisk disk(seed);
      make_table(folder, disk);
      {
        Database db(folder, disk, "PRAGMA synchronous=OFF");
        for (int n = 2; n < 6; ++n) REQUIRE(db.run("INSERT INTO t VALUES(" + std::to_string(n) + ", '')") == SQLITE_OK);
        disk.cut_power_now(loss);
      }
      disk.restore_power();
      const auto rows = Database(folder, disk).rows();
      CHECK(std::string("1,2,3,4,5,").starts_with(rows));  // the log's checksums end it where something is missing
      lengths.insert(rows.size());
    }
  }
  CHECK(lengths.size() >= 3);
}

TEST_CASE("a failed sync loses its pages for good: the next program reads them, builds on them, and loses that too") {
  bool lost = false;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const store::TemporaryFolder folder;
    FaultyDisk disk(seed);
    make_table(folder, disk);
    {
      Database db(folder, disk);
      disk.fail_sync(1);
      CHECK(db.run("INSERT INTO t VALUES(2, '')") == SQLITE_IOERR);
    }
    {
      Database db(folder, disk);
      CHECK(db.rows() == "1,2,");
      CHECK(db.run("INSERT INTO t VALUES(3, '')") == SQLITE_OK);
      disk.cut_power_now(Loss::all);
    }
    disk.restore_power();
    const auto rows = Database(folder, disk).rows();
    CHECK((rows == "1,2,3," || rows == "1,"));
    lost = lost || rows == "1,";
  }
  CHECK(lost);
}

TEST_CASE("the folder's entry of a new file is not there before the first sync") {
  const store::TemporaryFolder folder;
  FaultyDisk disk;
  {
    Database db(folder, disk, "PRAGMA synchronous=OFF");
    REQUIRE(db.run("CREATE TABLE t(n)") == SQLITE_OK);
    disk.cut_power_now(Loss::all);
  }
  disk.restore_power();
  CHECK_FALSE(std::filesystem::exists(folder.path() / "d.db"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "d.db-wal"));
}

TEST_CASE("a fault strikes at its operation, once or from there on") {
  const store::TemporaryFolder folder;
  FaultyDisk disk;
  make_table(folder, disk);
  Database db(folder, disk);
  REQUIRE(db.run("INSERT INTO t VALUES(2, '')") == SQLITE_OK);
  const auto next = disk.operations().size() + 1;
  disk.plan({.at = next, .failure = Failure::no_space});
  CHECK(db.run("INSERT INTO t VALUES(3, '')") == SQLITE_FULL);
  CHECK(db.run("INSERT INTO t VALUES(3, '')") == SQLITE_OK);
  CHECK(disk.struck() == 1);
  disk.fill();
  CHECK(db.run("INSERT INTO t VALUES(4, '')") == SQLITE_FULL);
  CHECK(db.run("INSERT INTO t VALUES(4, '')") == SQLITE_FULL);
  disk.mend();
  CHECK(db.run("INSERT INTO t VALUES(4, '')") == SQLITE_OK);
  CHECK(db.rows() == "1,2,3,4,");
}
