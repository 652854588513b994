// SPDX-License-Identifier: Apache-2.0
#include "broker/store/usage_lines.hpp"

#include "broker/domain/transition.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/migrations.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::store;

namespace {

Connection in_memory() {
  return Connection({.path = ":memory:", .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
                    Connection::Mode::read_write);
}

ledger::UsageEntry entry_of(JobId job, std::int64_t number, std::int64_t ended) {
  return {.at_s = ended + 5,
          .job = job,
          .attempt = 1,
          .site = "alpha",
          .country = "FI",
          .cluster = "c",
          .site_job_id = std::to_string(number),
          .submitted_s = 1,
          .started_s = 2,
          .ended_s = ended,
          .site_state = "COMPLETED",
          .project = "ai-lab",
          .queue = "batch",
          .scheduler_account = "proj1",
          .nodes = 1,
          .cores = 8,
          .amounts = {1, 10, 80, 0, 10}};
}

}  // namespace

TEST_CASE("adjustments are added to the run that they adjust, as far as they were booked") {
  auto db = in_memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  REQUIRE(establish_broker_id(db, "broker-1"));
  db.execute("PRAGMA foreign_keys = OFF");  // the runs' job is nowhere
  const JobId job({7});
  const ledger::Personal person{
      .salt = std::string(16, 's'), .owner = "local:alice", .pseudonym = "p", .account = "alice", .source_line = "x"};
  const auto add = [&](ledger::UsageEntry entry, const ledger::Personal* of) {
    if (of != nullptr) entry.personal = ledger::commitment(of->salt, ledger::personal_text(*of));
    LedgerAppender appender(db);
    return appender.add(std::move(entry), 1, of);
  };
  for (int i = 0; i < 3; ++i) REQUIRE(add(entry_of(job, i, 100 + i), &person) == i);
  const auto adjust = [&](std::int64_t seq, std::int64_t core_seconds) {
    auto entry = entry_of(job, seq, 100 + seq);
    entry.kind = ledger::Kind::adjustment;
    entry.refers_to = seq;
    entry.reason = "AGREED";
    entry.amounts = {0, -1, core_seconds, 2, -3};
    return add(std::move(entry), nullptr);
  };
  REQUIRE(adjust(1, -8) == 3);
  REQUIRE(adjust(1, -16) == 4);
  const ports::UsageLinesQuery all{.from = from_unix_seconds(0), .to = from_unix_seconds(1'000), .size = 5};
  auto lines = read_usage_lines(db, all).value();
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].adjusted_core_seconds == 0);
  CHECK(lines[1].adjusted_core_seconds == -24);
  CHECK(lines[1].adjusted_elapsed_s == -2);
  CHECK(lines[1].adjusted_gpu_seconds == 4);
  CHECK(lines[1].adjusted_node_seconds == -6);
  CHECK(lines[2].adjusted_core_seconds == 0);
  auto earlier = all;
  earlier.size = 4;
  CHECK(read_usage_lines(db, earlier).value()[1].adjusted_core_seconds == -8);
  auto single = all;
  single.limit = 1;
  single.after = lines[0].place;
  CHECK(read_usage_lines(db, single).value().front().adjusted_core_seconds == -24);
  db.execute("INSERT INTO erasing DEFAULT VALUES");
  db.execute("DELETE FROM ledger_persons WHERE seq = 0");
  lines = read_usage_lines(db, all).value();
  CHECK(lines[0].owner.empty());
  CHECK(lines[0].pseudonym.empty());
  CHECK(lines[1].owner == "local:alice");
}

TEST_CASE("a page of usage records ends where it is long enough") {
  auto db = in_memory();
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  db.execute("PRAGMA foreign_keys = OFF");
  const ledger::Personal person{.salt = std::string(16, 's'), .owner = "o", .pseudonym = "p", .account = "a", .source_line = "x"};
  LedgerAppender appender(db);
  for (int i = 0; i < 8; ++i) {
    auto entry = entry_of(JobId({7}), i, 100 + i);
    entry.queue = std::string(1'000'000, 'q');
    entry.personal = ledger::commitment(person.salt, ledger::personal_text(person));
    appender.add(std::move(entry), 1, &person);
  }
  ports::UsageLinesQuery query{.from = from_unix_seconds(0), .to = from_unix_seconds(1'000), .size = 8};
  const auto first = read_usage_lines(db, query).value();
  CHECK(first.size() == 5);
  query.after = first.back().place;
  CHECK(read_usage_lines(db, query).value().size() == 3);
}
