// SPDX-License-Identifier: Apache-2.0
// Bad days: a full disk, a disk that fails, a damaged file, a folder that is not ours.
#include "broker/store/sqlite_store.hpp"
#include "tests/contract/store/store_contract.hpp"
#include "tests/disk/faulty_disk.hpp"
#include "tests/unit/store/temporary_folder.hpp"

#include "wait.hpp"
#include <catch2/catch.hpp>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <thread>

using namespace hansa;
using namespace hansa::store;
using contract::new_job;

namespace {

Options options_for(const std::filesystem::path& folder) {
  Options options;
  options.state_dir = folder;
  options.broker_id = "broker-1";
  return options;
}

std::unique_ptr<SqliteStore> open(const Options& options) {
  auto opened = SqliteStore::open(options);
  if (!opened) throw std::runtime_error(opened.error().code + ": " + opened.error().message);
  return std::move(*opened);
}

std::string refusal(const Options& options) {
  const auto opened = SqliteStore::open(options);
  return opened ? "" : opened.error().code + ": " + opened.error().message;
}

void accept_until_full(SqliteStore& store, std::vector<ports::NewJob>& kept, std::size_t payload, int most) {
  for (int i = 0; i < most; ++i) {
    auto job = new_job();
    job.payload.script = "#!/bin/sh\n" + std::string(payload, '#');
    const auto done = wait(store.accept_jobs({job}, std::nullopt));
    if (!done) {
      CHECK(done.error().kind == ErrorKind::storage_full);
      CHECK(done.error().code == "STORAGE_FULL");
      CHECK(done.error().retryable);
      return;
    }
    kept.push_back(job);
  }
  FAIL("the disk was never full");
}

void check_all_there(SqliteStore& store, const std::vector<ports::NewJob>& kept) {
  for (const auto& job : kept) {
    REQUIRE(wait(store.job(job.job.id)).value() == job.job);
    REQUIRE(wait(store.payload(job.job.id)).value() == job.payload);
  }
}

}  // namespace

TEST_CASE("a full disk or quota refuses, keeps what was acknowledged, and serves again when there is room") {
  const auto how = GENERATE(disk::Failure::no_space, disk::Failure::over_quota, disk::Failure::short_write);
  disk::FaultyDisk disk;
  const TemporaryFolder folder;
  auto options = options_for(folder.path());
  options.vfs = disk.vfs();
  auto store = open(options);
  std::vector<ports::NewJob> kept{new_job()};
  REQUIRE(wait(store->accept_jobs(kept, std::nullopt)));
  disk.fill(how);
  for (int i = 0; i < 3; ++i) {
    const auto refused = wait(store->accept_jobs({new_job()}, std::nullopt));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::storage_full);
  }
  check_all_there(*store, kept);
  disk.mend();
  kept.push_back(new_job());
  REQUIRE(wait(store->accept_jobs({kept.back()}, std::nullopt)));
  REQUIRE(store->close());
  store = open(options);
  check_all_there(*store, kept);
  CHECK(wait(store->jobs({})).value().size() == 2);
}

TEST_CASE("the same on a real file system with 6 MiB") {
  if (::geteuid() != 0) {
    WARN("needs root, to mount a small file system: not run");
    return;
  }
  const TemporaryFolder folder;
  REQUIRE(::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=6m") == 0);
  struct Unmount {
    const std::filesystem::path& path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{folder.path()};
  auto options = options_for(folder.path());
  options.checkpoint_pages = 200;
  auto store = open(options);
  const auto ballast = folder.path() / "ballast";
  std::ofstream(ballast) << std::string(std::size_t{2} << 20, 'b');
  std::vector<ports::NewJob> kept;
  accept_until_full(*store, kept, 20'000, 1000);
  CHECK(kept.size() > 10);
  check_all_there(*store, kept);
  const auto before = kept.size();
  std::filesystem::remove(ballast);
  for (int i = 0; i < 5; ++i) {
    kept.push_back(new_job());
    REQUIRE(wait(store->accept_jobs({kept.back()}, std::nullopt)));
  }
  accept_until_full(*store, kept, 20'000, 1000);
  CHECK(kept.size() > before + 5);
  static_cast<void>(store->close());
  store = open(options);
  check_all_there(*store, kept);
}

TEST_CASE("a failed fsync ends the store: the outcome is unknown, and nothing is written any more") {
  disk::FaultyDisk disk;
  const TemporaryFolder folder;
  auto options = options_for(folder.path());
  options.vfs = disk.vfs();
  std::vector<Error> fatal;
  options.on_fatal = [&](const Error& error) { fatal.push_back(error); };
  const auto before = new_job();
  const auto doubtful = new_job();
  {
    auto store = open(options);
    REQUIRE(wait(store->accept_jobs({before}, std::nullopt)));
    disk.fail_sync(1);
    const auto first = wait(store->accept_jobs({doubtful}, std::nullopt));
    REQUIRE_FALSE(first);
    CHECK(first.error().kind == ErrorKind::unknown_outcome);
    CHECK(first.error().code == "STORE_IO");
    CHECK_FALSE(first.error().retryable);
    const auto syncs = disk.syncs();
    const auto second = wait(store->accept_jobs({new_job()}, std::nullopt));
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::unavailable);
    CHECK(second.error().code == "STORE_FAILED");
    static_cast<void>(store->close());
    CHECK(disk.syncs() == syncs);  // it was not tried again
  }
  CHECK(fatal.size() == 1);
  auto store = open(options);
  CHECK(wait(store->job(before.job.id)));
}

TEST_CASE("whichever fsync fails, of a commit or a checkpoint, what was acknowledged is there and nothing follows it") {
  disk::FaultyDisk disk;
  bool in_commit = false;
  bool in_checkpoint = false;
  for (int n = 1; n <= 12; ++n) {
    const TemporaryFolder folder;
    auto options = options_for(folder.path());
    options.vfs = disk.vfs();
    options.checkpoint_pages = 1;  // after each commit
    options.on_fatal = [](const Error&) {};
    auto store = open(options);
    std::vector<ports::NewJob> kept;
    const auto last = disk.syncs() + static_cast<std::uint64_t>(n);
    disk.fail_sync(n);
    bool failed = false;
    for (int i = 0; i < 10 && !failed; ++i) {
      const auto job = new_job();
      const auto done = wait(store->accept_jobs({job}, std::nullopt));
      if (done)
        kept.push_back(job);
      else
        (done.error().kind == ErrorKind::unknown_outcome ? in_commit : in_checkpoint) = failed = true;
    }
    CHECK(failed);
    static_cast<void>(store->close());
    CHECK(disk.syncs() == last);
    store = open(options);
    check_all_there(*store, kept);
  }
  CHECK(in_commit);
  CHECK(in_checkpoint);
}

TEST_CASE("without a callback, a failed fsync ends the process") {
  disk::FaultyDisk disk;
  const TemporaryFolder folder;
  const auto child = ::fork();
  if (child == 0) {
    auto options = options_for(folder.path());
    options.vfs = disk.vfs();
    auto store = SqliteStore::open(options);
    static_cast<void>(std::freopen("/dev/null", "w", stderr));
    std::signal(SIGABRT, SIG_DFL);
    disk.fail_sync(1);
    static_cast<void>(wait((*store)->accept_jobs({new_job()}, std::nullopt)));
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

TEST_CASE("a second broker on the same state is refused with the first one's process id") {
  const TemporaryFolder folder;
  auto store = open(options_for(folder.path()));
  CHECK(refusal(options_for(folder.path()))
            .find("STATE_LOCKED: " + folder.path().string() + " is in use by process " + std::to_string(::getpid())) == 0);
  REQUIRE(store->close());
  CHECK(refusal(options_for(folder.path())).empty());
}

TEST_CASE("a second broker with a state folder of its own is refused the first one's database") {
  const TemporaryFolder folder;
  const TemporaryFolder other;
  auto store = open(options_for(folder.path()));
  auto theirs = options_for(other.path());
  theirs.file = folder.path() / options_for(folder.path()).file;
  CHECK(refusal(theirs).find("STATE_LOCKED: " + folder.path().string() + " is in use by process ") == 0);
  REQUIRE(store->close());
  CHECK(refusal(theirs).empty());
}

TEST_CASE("a database of a later release is refused untouched") {
  const TemporaryFolder folder;
  const auto file = (folder.path() / "hansa.db").string();
  REQUIRE(open(options_for(folder.path()))->close());
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
  REQUIRE(sqlite3_exec(db, "INSERT INTO schema_migrations VALUES(1000, 'later', 'x', 0)", nullptr, nullptr, nullptr) ==
          SQLITE_OK);
  sqlite3_close(db);
  const auto text = refusal(options_for(folder.path()));
  CHECK(text.find("SCHEMA_TOO_NEW: " + file) == 0);
  CHECK(text.find("version 1000") != std::string::npos);
}

TEST_CASE("a file that is no database, or a damaged one, is refused") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "hansa.db";
  std::ofstream(file) << std::string(8192, 'x');
  CHECK(refusal(options_for(folder.path())).find("STORE_CORRUPT") == 0);
  std::filesystem::remove(file);
  {
    auto store = open(options_for(folder.path()));
    std::vector<ports::NewJob> jobs;
    for (int i = 0; i < 200; ++i) jobs.push_back(new_job());
    REQUIRE(wait(store->accept_jobs(jobs, std::nullopt)));
    REQUIRE(store->close());
  }
  {
    std::fstream damage(file, std::ios::in | std::ios::out | std::ios::binary);
    damage.seekp(4096 * 30);
    damage << std::string(4096, '\xA5');
  }
  CHECK(refusal(options_for(folder.path())).find("STORE_CORRUPT") == 0);
}

TEST_CASE("a folder that may not be written is refused") {
  const TemporaryFolder folder;
  const auto child = ::fork();  // as root every folder may be written
  if (child == 0) {
    ::chmod(folder.path().c_str(), 0555);
    if (::geteuid() == 0 && ::seteuid(65534) != 0) ::_exit(2);
    const auto text = refusal(options_for(folder.path()));
    ::_exit(text.find("STATE_DIR_UNUSABLE: " + folder.path().string() + ": the broker's account (uid ") == 0 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(refusal(options_for(folder.path() / "missing")).find("STATE_DIR_UNUSABLE") == 0);
}

TEST_CASE("many callers on several threads are each answered on their own executor") {
  const TemporaryFolder folder;
  auto store = open(options_for(folder.path()));
  constexpr int kThreads = 4;
  constexpr int kCallers = 8;
  constexpr int kJobs = 20;
  std::atomic<int> done{0};
  std::atomic<int> strayed{0};
  std::vector<std::vector<ports::NewJob>> work(kThreads * kCallers);
  for (auto& jobs : work) {
    for (int i = 0; i < kJobs; ++i) jobs.push_back(new_job());
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      boost::asio::io_context context(1);
      const auto here = std::this_thread::get_id();
      for (int c = 0; c < kCallers; ++c) {
        const auto caller = [&](std::vector<ports::NewJob>& jobs) -> async::Task<> {
          for (auto& job : jobs) {
            const auto accepted = co_await store->accept_jobs({job}, std::nullopt);
            if (std::this_thread::get_id() != here) ++strayed;
            const auto read = co_await store->job(job.job.id);  // its own write is seen at once
            if (std::this_thread::get_id() != here) ++strayed;
            if (accepted && read && *read == job.job) ++done;
          }
          co_return Result<void>{};
        };
        boost::asio::co_spawn(context, caller(work[static_cast<std::size_t>(t * kCallers + c)]),
                              [](const std::exception_ptr&, const Result<void>&) {});
      }
      context.run();
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(done == kThreads * kCallers * kJobs);
  CHECK(strayed == 0);
  CHECK(store->figures().group.sum == std::int64_t{kThreads} * kCallers * kJobs);
  REQUIRE(store->close());
  CHECK(wait(store->job(work[0][0].job.id)).error().code == "STORE_CLOSED");
  CHECK(wait(store->accept_jobs({new_job()}, std::nullopt)).error().code == "STORE_CLOSED");
}
