// SPDX-License-Identifier: Apache-2.0
// kill -9 in the middle of writing: whatever was acknowledged is there. And in the middle of an upgrade: nothing is lost.
#include "broker/store/backup.hpp"
#include "broker/store/migrations.hpp"
#include "broker/store/sqlite_store.hpp"
#include "tests/contract/store/store_contract.hpp"
#include "tests/unit/store/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <iostream>
#include <map>
#include <set>

using namespace hansa;
using namespace hansa::store;

namespace {

struct Acknowledgement {
  std::array<std::uint8_t, 16> id{};
  std::int64_t version = 0;
};

std::unique_ptr<SqliteStore> open(const std::filesystem::path& folder) {
  Options options;
  options.state_dir = folder;
  options.broker_id = "broker-1";
  options.checkpoint_pages = 50;  // so that some kills fall into a checkpoint
  auto opened = SqliteStore::open(options);
  if (!opened) throw std::runtime_error(opened.error().message + opened.error().detail);
  return std::move(*opened);
}

/// A job is accepted, changed twice, and acknowledged after each; for ever.
async::Task<> caller(SqliteStore& store, int pipe, std::int64_t epoch) {
  const auto tell = [pipe](const domain::Job& job) {
    const Acknowledgement word{.id = job.id.bytes(), .version = job.version};
    if (::write(pipe, &word, sizeof word) != sizeof word) ::_exit(3);  // less than PIPE_BUF: never torn
  };
  for (;;) {
    auto job = contract::new_job({.epoch = epoch});
    if (!co_await store.accept_jobs({job}, std::nullopt)) ::_exit(4);
    tell(job.job);
    for (int i = 0; i < 2; ++i) {
      if (!co_await store.record(contract::change(job.job, {domain::Waiting{.reason = {"STEP", std::to_string(i)}}}))) ::_exit(5);
      tell(job.job);
    }
  }
}

[[noreturn]] void write_for_ever(const std::filesystem::path& folder, int pipe) {
  try {
    auto store = open(folder);
    const auto epoch = store->begin_epoch();
    if (!epoch) ::_exit(6);
    for (std::int64_t skip = 0; skip < *epoch * 100'000; ++skip) contract::next_id();  // not the ids of an earlier life
    boost::asio::io_context context(1);
    for (int i = 0; i < 8; ++i) {
      boost::asio::co_spawn(context, caller(*store, pipe, *epoch),
                            [](const std::exception_ptr&, const Result<void>&) { ::_exit(7); });
    }
    context.run();
  } catch (...) {}
  ::_exit(8);
}

}  // namespace

TEST_CASE("after kill -9 every acknowledged job and change is there") {
  const TemporaryFolder folder;
  std::map<JobId, std::int64_t> acknowledged;
  for (int life = 1; life <= 10; ++life) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(ends[0]);
      write_for_ever(folder.path(), ends[1]);
    }
    ::close(ends[1]);
    Acknowledgement word;
    const auto enough = 20 + life * 37;  // another moment each time
    int heard = 0;
    while (::read(ends[0], &word, sizeof word) == sizeof word) {
      acknowledged[JobId(word.id)] = word.version;
      if (++heard == enough) ::kill(child, SIGKILL);
    }
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    INFO("life " << life << ", exit " << (WIFEXITED(status) ? WEXITSTATUS(status) : -1));
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(heard >= enough);

    auto store = open(folder.path());  // the lock went with the child
    boost::asio::io_context context;
    std::size_t found = 0;
    boost::asio::co_spawn(
        context,
        [&]() -> async::Task<> {
          for (const auto& [id, version] : acknowledged) {
            const auto job = co_await store->job(id);
            const auto events = co_await store->events(id);
            const auto payload = co_await store->payload(id);
            if (!job || !events || !payload || job->version < version) continue;
            std::vector<domain::JobEvent> history;
            for (const auto& event : *events) history.push_back(event.event);
            const auto replayed = domain::replay(id, job->epoch, history);
            if (replayed && *replayed == *job) ++found;
          }
          co_return Result<void>{};
        }(),
        [](const std::exception_ptr&, const Result<void>&) {});
    context.run();
    CHECK(found == acknowledged.size());
  }
  CHECK(acknowledged.size() > 500);
}

namespace {

constexpr int kOldJobs = 3000;

/// Of a release before the ledger: each job has run once.
void make_old_database(const std::filesystem::path& file) {
  Connection db({.path = file.string(), .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 4096}, Connection::Mode::read_write);
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations().first(13), UtcTime{}));
  REQUIRE(establish_broker_id(db, "broker-1"));
  const auto each = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(kOldJobs) + ") ";
  db.run_script(
      "BEGIN;"
      "INSERT INTO jobs(row, id, owner, project, broker_id, epoch, version, active, state, reason_code, reason_message, "
      "held_by_user, accepted_at_ms, spec) " +
      each +
      "SELECT i, CAST(printf('%016d', i) AS BLOB), 'o', 'p', 'b', 1, 1, 1, 'accepted', '', '', 0, 0, '{}' FROM n;"
      "INSERT INTO attempts(job, number, site, queue, account, scheduler_account, state, intended_at_ms, site_job_id, sends, sealed, "
      "reason_code, reason_message) " +
      each +
      "SELECT i, 1, 'alpha', 'q', 'alice', '', 'bound', 0, CAST(i AS TEXT), 1, 0, '', '' FROM n;"
      "INSERT INTO site_usage VALUES('alpha', 'cursor', 3);"
      "INSERT INTO usage_records " +
      each +
      "SELECT NULL, i, 1, 'local:alice', 'p', 'alpha', 'FI', 'c', CAST(i AS TEXT), 50, 100, 200, 'alice', 'proj', 'q', 'COMPLETED', 0, "
      "100, 2, 8, 1, 800, 100, 200, 'raw line' FROM n;"
      "COMMIT");
}

[[noreturn]] void upgrade(const std::filesystem::path& folder) {
  Options options;
  options.state_dir = folder;
  options.broker_id = "broker-1";
  options.backups = folder / "backups";
  ::_exit(SqliteStore::open(std::move(options)) ? 0 : 1);
}

}  // namespace

TEST_CASE("kill -9 in the middle of an upgrade leaves a database that goes on, or its verified copy") {
  int killed = 0, kept = 0;
  std::set<std::int64_t> schemas;
  for (useconds_t pause = 2'000; pause < 400'000; pause += pause / 2) {
    const TemporaryFolder folder;
    make_old_database(folder.path() / "hansa.db");
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) upgrade(folder.path());
    ::usleep(pause);
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) ++killed;

    const auto copy = folder.path() / "backups" / "before-schema-14.db";
    const bool has_copy = std::filesystem::exists(copy);
    if (has_copy) {
      ++kept;
      const auto old = verify_database(copy);
      REQUIRE(old);
      CHECK(old->schema == 13);
      CHECK(old->jobs == kOldJobs);
    }
    const auto found = verify_database(folder.path() / "hansa.db");
    REQUIRE(found);
    CHECK(found->jobs == kOldJobs);
    CHECK((found->schema == 13 || has_copy));  // no step without a copy
    schemas.insert(found->schema);

    Options again;
    again.state_dir = folder.path();
    again.backups = folder.path() / "backups";
    REQUIRE(SqliteStore::open(std::move(again)));
    const auto whole = verify_database(folder.path() / "hansa.db");
    REQUIRE(whole);
    CHECK(whole->schema == std::ssize(migrations()));
    CHECK(whole->ledger_size >= kOldJobs);
  }
  std::cout << killed << " upgrades killed, " << kept << " had their copy by then; schemas found: ";
  for (const auto schema : schemas) std::cout << schema << ' ';
  std::cout << '\n';
  CHECK(killed >= 3);
}
