// SPDX-License-Identifier: Apache-2.0
#include "broker/store/writer.hpp"

#include "temporary_folder.hpp"
#include <catch2/catch.hpp>

#include <future>

using namespace hansa;
using namespace hansa::store;

namespace {

std::unique_ptr<Connection> open(const TemporaryFolder& folder) {
  auto db = std::make_unique<Connection>(
      Connection::Settings{
          .path = (folder.path() / "w.db").string(), .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
      Connection::Mode::read_write);
  if (!db->apply_settings(Connection::Mode::read_write)) throw std::runtime_error("settings");
  db->run_script("CREATE TABLE IF NOT EXISTS numbers(n INTEGER PRIMARY KEY) STRICT");
  return db;
}

std::int64_t count(Connection& db) {
  auto row = db.query("SELECT count(*) FROM numbers");
  row.next();
  return row.integer(0);
}

std::move_only_function<Result<void>(Connection&)> insert(int n) {
  return [n](Connection& db) -> Result<void> {
    db.execute("INSERT INTO numbers VALUES(?1)", n);
    return {};
  };
}

/// Keeps the writer busy until it is opened, so that the next operations gather. As all that the writer's thread touches it is
/// declared before the writer, and goes after it.
struct Gate {
  std::promise<void> entered;
  std::promise<void> open;
  Writer::Operation operation() {
    return {.bytes = 1,
            .run = [this](Connection&) -> Result<void> {
              entered.set_value();
              open.get_future().wait();
              return {};
            },
            .settle = [](Result<void>) {}};
  }
};

}  // namespace

TEST_CASE("what gathers during a commit is committed together; one that fails is undone alone") {
  const TemporaryFolder folder;
  Gate gate;
  std::vector<std::string> ends(7, "not settled");
  std::promise<void> last;
  Writer writer(open(folder), Options{});
  writer.submit(gate.operation());
  gate.entered.get_future().wait();

  const auto settle = [&](std::size_t i) {
    return [&ends, &last, i](Result<void> end) {
      ends[i] = end ? "" : end.error().code;
      if (i == 6) last.set_value();
    };
  };
  writer.submit({.bytes = 1, .run = insert(1), .settle = settle(0)});
  writer.submit({.bytes = 1,
                 .run = [](Connection& db) -> Result<void> {
                   db.execute("INSERT INTO numbers VALUES(100)");
                   return fail(ErrorKind::conflict, "REFUSED", "refused");
                 },
                 .settle = settle(1)});
  writer.submit({.bytes = 1, .run = insert(1), .settle = settle(2)});  // collides with the first of its group
  writer.submit({.bytes = 1,
                 .run = [](Connection& db) -> Result<void> {
                   db.execute("INSERT INTO numbers VALUES(101)");
                   throw std::runtime_error("a defect");
                 },
                 .settle = settle(3)});
  writer.submit({.bytes = 1,
                 .run = [](Connection& db) -> Result<void> {
                   db.execute("INSERT INTO numbers VALUES(102)");
                   db.execute("INSERT INTO nowhere VALUES(1)");
                   return {};
                 },
                 .settle = settle(4)});
  writer.submit({.bytes = 1, .run = insert(2), .settle = settle(5)});
  writer.submit({.bytes = 1, .run = insert(3), .settle = settle(6)});
  CHECK(writer.figures().queued == 7);
  gate.open.set_value();
  last.get_future().wait();
  CHECK(ends == std::vector<std::string>{"", "REFUSED", "STORE_CONFLICT", "STORE_FAILED", "STORE_FAILED", "", ""});
  CHECK(writer.figures().commit_ms.count() == 2);
  CHECK(writer.figures().group.sum == 8);
  REQUIRE(writer.close());
  CHECK(count(*open(folder)) == 3);
}

TEST_CASE("a full queue says so at once, and a closed one too") {
  const TemporaryFolder folder;
  Options options;
  options.queued_operations = 2;
  options.queued_bytes = 100;
  Gate gate;
  std::vector<Error> refused;
  int done = 0;
  Writer writer(open(folder), options);
  writer.submit(gate.operation());
  gate.entered.get_future().wait();
  const auto settle = [&](Result<void> end) {
    if (end)
      ++done;
    else
      refused.push_back(end.error());
  };
  writer.submit({.bytes = 60, .run = insert(1), .settle = settle});
  writer.submit({.bytes = 60, .run = insert(2), .settle = settle});  // too many bytes
  REQUIRE(refused.size() == 1);
  writer.submit({.bytes = 10, .run = insert(3), .settle = settle});
  writer.submit({.bytes = 10, .run = insert(4), .settle = settle});  // too many operations
  REQUIRE(refused.size() == 2);
  for (const auto& error : refused) {
    CHECK(error.kind == ErrorKind::unavailable);
    CHECK(error.code == "STORE_BUSY");
    CHECK(error.retryable);
  }
  gate.open.set_value();
  REQUIRE(writer.close());
  CHECK(done == 2);  // close() finishes what is queued
  writer.submit({.bytes = 1, .run = insert(5), .settle = settle});
  REQUIRE(refused.size() == 3);
  CHECK(refused[2].code == "STORE_CLOSED");
  CHECK(count(*open(folder)) == 2);
}

TEST_CASE("a group is bounded by operations and by bytes") {
  const TemporaryFolder folder;
  Options options;
  options.group_operations = 3;
  options.group_bytes = 100;
  Gate gate;
  Writer writer(open(folder), options);
  writer.submit(gate.operation());
  gate.entered.get_future().wait();
  for (int i = 0; i < 6; ++i) writer.submit({.bytes = 1, .run = insert(i), .settle = [](Result<void>) {}});        // 2 groups
  for (int i = 6; i < 10; ++i) writer.submit({.bytes = 50, .run = insert(i), .settle = [](Result<void>) {}});      // 2 groups
  writer.submit({.bytes = 5000, .run = insert(10), .settle = [](Result<void>) {}});  // one, however large
  gate.open.set_value();
  const auto closed = writer.close();
  REQUIRE(closed);
  CHECK(writer.figures().commit_ms.count() == 6);
  CHECK(count(*open(folder)) == 11);
}

TEST_CASE("the log is copied into the file between commits and starts again") {
  const TemporaryFolder folder;
  Options options;
  options.checkpoint_pages = 16;
  options.group_operations = 1;
  std::promise<std::uintmax_t> log_size;
  Writer writer(open(folder), options);
  for (int i = 0; i < 200; ++i) writer.submit({.bytes = 1, .run = insert(i), .settle = [](Result<void>) {}});
  writer.submit({.bytes = 1,
                 .run = [](Connection&) -> Result<void> { return {}; },
                 .settle = [&](Result<void>) { log_size.set_value(std::filesystem::file_size(folder.path() / "w.db-wal")); }});
  CHECK(log_size.get_future().get() < 64 * 4096);
  CHECK(writer.figures().checkpoints >= 5);
  REQUIRE(writer.close());
}

TEST_CASE("a log that was made long is filled from its beginning, and keeps its length") {
  constexpr std::int64_t kLength = 1'000'000;
  const TemporaryFolder folder;
  const auto log = folder.path() / "w.db-wal";
  {
    auto db = open(folder);
    db->execute("INSERT INTO numbers VALUES(1)");
    db->lengthen_log(kLength);
    CHECK(std::filesystem::file_size(log) == kLength);
    db->execute("INSERT INTO numbers VALUES(2)");
    db->copy_log();
    db->execute("INSERT INTO numbers VALUES(3)");  // at the beginning of the log again
    db->lengthen_log(kLength / 2);
    CHECK(std::filesystem::file_size(log) == kLength);
    CHECK(count(*db) == 3);

    // As a crash leaves it: behind the last frame, zeros.
    std::filesystem::create_directory(folder.path() / "after");
    for (const auto* name : {"w.db", "w.db-wal"})
      std::filesystem::copy_file(folder.path() / name, folder.path() / "after" / name);
  }
  auto after = std::make_unique<Connection>(
      Connection::Settings{
          .path = (folder.path() / "after/w.db").string(), .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
      Connection::Mode::read_write);
  REQUIRE(after->apply_settings(Connection::Mode::read_write));
  after->rewrite_log();
  CHECK(count(*after) == 3);
}

TEST_CASE("an empty log that was made long holds nothing") {
  const TemporaryFolder folder;
  {
    auto db = open(folder);
    db->copy_log();
    db->run_script("PRAGMA wal_checkpoint(TRUNCATE)");
    db->lengthen_log(300'000);
    std::filesystem::create_directory(folder.path() / "after");
    for (const auto* name : {"w.db", "w.db-wal"})
      std::filesystem::copy_file(folder.path() / name, folder.path() / "after" / name);
  }
  Connection after(
      {.path = (folder.path() / "after/w.db").string(), .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
      Connection::Mode::read_write);
  REQUIRE(after.apply_settings(Connection::Mode::read_write));
  CHECK(count(after) == 0);
  after.execute("INSERT INTO numbers VALUES(1)");
  CHECK(count(after) == 1);
}

TEST_CASE("inline, an operation is settled before submit returns") {
  const TemporaryFolder folder;
  Options options;
  options.inline_mode = true;
  Writer writer(open(folder), options);
  bool settled = false;
  writer.submit({.bytes = 1, .run = insert(1), .settle = [&](Result<void> end) { settled = end.has_value(); }});
  CHECK(settled);
}
