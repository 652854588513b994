// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/transition.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/migrations.hpp"
#include "broker/store/secrets.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::store;

TEST_CASE("a job that cannot be read hides no other's secrets") {
  Connection db({.path = ":memory:", .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
                Connection::Mode::read_write);
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  REQUIRE(establish_broker_id(db, "broker-1"));
  VerdictWriter verdicts;
  for (std::uint8_t i = 1; i <= 4; ++i) {
    auto job = domain::new_job(
        JobId({i}), 1, UtcTime{},
        {.owner = Principal("local:alice"), .broker_id = "broker-1", .spec = {.secrets = {{.name = "token", .file = "t"}}}});
    REQUIRE(accept_jobs(db, prepare_accept({{.job = job, .payload = {}}}, std::nullopt, verdicts).value()));
    const domain::JobEvent event{
        .at = UtcTime{},
        .body = domain::AttemptIntended{
            .attempt = 1, .site = SiteId("beta"), .queue = QueueName("q"), .account = LocalAccount("al")}};
    REQUIRE(domain::apply(job, event));
    const auto change = prepare_record({.job = job, .events = {event}, .decision = std::nullopt, .documents = {}}, verdicts);
    REQUIRE(record(db, change.value()));
    REQUIRE(note_secret_copy(db, job.id, 1));
  }
  db.execute("UPDATE jobs SET spec = '{\"secrets\":[7]}' WHERE id = ?1", JobId({1}));
  db.execute("UPDATE jobs SET spec = '{\"secrets\":7}' WHERE id = ?1", JobId({2}));
  db.execute("UPDATE jobs SET spec = '{' WHERE id = ?1", JobId({3}));
  const auto copies = read_secret_copies(db);
  REQUIRE(copies);
  REQUIRE(copies->size() == 4);
  for (const auto& copy : *copies) CHECK(copy.unreadable == (copy.job != JobId({4})));
  CHECK(copies->back().files == std::vector<std::string>{"t"});
}
