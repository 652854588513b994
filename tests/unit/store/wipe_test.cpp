// SPDX-License-Identifier: Apache-2.0
// What was deleted is in no byte of the database's files any more.
#include "broker/domain/transition.hpp"
#include "broker/store/sqlite_store.hpp"

#include "temporary_folder.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <fstream>
#include <random>
#include <sstream>

using namespace hansa;

namespace {

class Files {
 public:
  Files() {
    store::Options options;
    options.state_dir = folder_.path();
    options.broker_id = "b";
    options.checkpoint_pages = 50;
    auto opened = store::SqliteStore::open(options);
    REQUIRE(opened);
    store = std::move(*opened);
  }
  template <typename T>
  Result<T> wait(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(context_, std::move(task),
                          [&](const std::exception_ptr&, Result<T> result) { outcome.emplace(std::move(result)); });
    context_.restart();
    context_.run();
    REQUIRE(outcome);
    return std::move(*outcome);
  }
  [[nodiscard]] std::size_t times(std::string_view needle) const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::ostringstream all;
      all << file.rdbuf();
      const auto bytes = all.str();
      for (auto at = bytes.find(needle); at != std::string::npos; at = bytes.find(needle, at + 1)) ++count;
    }
    return count;
  }

  std::unique_ptr<store::SqliteStore> store;

 private:
  store::TemporaryFolder folder_{store::TemporaryFolder::memory()};
  boost::asio::io_context context_;
};

UtcTime at(std::int64_t second) { return from_unix_seconds(1'780'000'000 + second); }

}  // namespace

TEST_CASE("a person who was erased is in no byte of the files") {
  Files files;
  std::mt19937_64 random(3);
  std::vector<domain::Job> jobs;
  constexpr int kJobs = 600;
  for (std::uint8_t i = 0, high = 0; jobs.size() < kJobs; ++i) {
    high = static_cast<std::uint8_t>(high + (i == 0 ? 1 : 0));
    std::array<std::uint8_t, 16> id{1, high, i};
    for (std::size_t k = 3; k < id.size(); ++k) id[k] = static_cast<std::uint8_t>(random());
    const bool hers = random() % 3 == 0;
    domain::JobSpec spec;
    spec.name = hers ? "marker-name" : "plain";
    spec.project = ProjectId("lab");
    ports::NewJob job{
        .job = domain::new_job(JobId(id), 1, at(1),
                               {.owner = Principal(hers ? "local:marker" : "local:bob"), .broker_id = "b", .spec = spec}),
        .payload = {.script = "#!/bin/sh\n"}};
    for (auto lines = random() % (random() % 10 == 0 ? 400 : 20); lines > 0; --lines)
      job.payload.script += hers ? "marker-script\n" : "echo hello\n";
    job.payload.environment.emplace_back("KEY", hers ? "marker-value" : "v");
    jobs.push_back(job.job);
    REQUIRE(files.wait(files.store->accept_jobs({std::move(job)}, std::nullopt)));
    auto& other = jobs[random() % jobs.size()];  // rows grow, pages are split
    if (is_terminal(other.state)) continue;
    ports::JobChange change;
    const auto by = other.owner;
    for (domain::EventBody body :
         {domain::EventBody(domain::CancelRequested{by}),
          domain::EventBody(domain::CancelResolved{domain::CancelOutcome::never_started}),
          domain::EventBody(domain::Ended{domain::JobState::cancelled, {"CANCELLED", "cancelled by " + by.str()}})}) {
      change.events.push_back({.at = at(2), .body = std::move(body)});
      REQUIRE(domain::apply(other, change.events.back()));
    }
    change.job = other;
    REQUIRE(files.wait(files.store->record(std::move(change))));
  }
  for (auto& job : jobs) {
    if (is_terminal(job.state)) continue;
    ports::JobChange change;
    for (domain::EventBody body :
         {domain::EventBody(domain::CancelRequested{job.owner}),
          domain::EventBody(domain::CancelResolved{domain::CancelOutcome::never_started}),
          domain::EventBody(domain::Ended{domain::JobState::cancelled, {"CANCELLED", "cancelled by " + job.owner.str()}})}) {
      change.events.push_back({.at = at(3), .body = std::move(body)});
      REQUIRE(domain::apply(job, change.events.back()));
    }
    change.job = job;
    REQUIRE(files.wait(files.store->record(std::move(change))));
  }
  CHECK(files.times("marker") > 1'000);

  const ports::ErasureId id = jobs.front().id;
  REQUIRE(files.wait(files.store->ask_erasure(
      {.id = id, .of = Principal("local:marker"), .reason = "local:marker asked", .by = Principal("local:a"), .at = at(4)})));
  REQUIRE(files.wait(files.store->rule_erasure(id, Principal("local:b"), at(5), true)));
  while (files.wait(files.store->erase_some(id, {"marker"}, at(6))).value()) {}
  std::int64_t pages = 0;
  for (std::int64_t page = 1;;) {
    const auto wiped = files.wait(files.store->wipe_unused(page));
    REQUIRE(wiped);
    pages += wiped->rows;
    if (!wiped->next) break;
    page = *wiped->next;
  }
  CHECK(pages > 0);
  CHECK(files.times("marker") == 0);
  CHECK(files.times("local:bob") > 100);

  // What goes on afterwards brings nothing back, and the file is whole.
  for (const auto& job : jobs) {
    if (job.owner == Principal("local:bob")) {
      REQUIRE(files.wait(files.store->job(job.id)).value() == job);
      REQUIRE(files.wait(files.store->payload(job.id)));
    }
  }
  REQUIRE(files.wait(files.store->expire(domain::Holding::payloads, at(100), 0, at(100))));
  REQUIRE(files.store->close());
  CHECK(files.times("marker") == 0);
}
