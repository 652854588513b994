// SPDX-License-Identifier: Apache-2.0
// kill -9 in the middle of writing: whatever was acknowledged is there.
#include "broker/store/sqlite_store.hpp"
#include "tests/contract/store/store_contract.hpp"
#include "tests/unit/store/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>

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
