// SPDX-License-Identifier: Apache-2.0
#include "broker/core/digest.hpp"
#include "broker/domain/transition.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/migrations.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace hansa;
using namespace hansa::store;

TEST_CASE("a verdict that holds for many jobs is kept once") {
  Connection db({.path = ":memory:", .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
                Connection::Mode::read_write);
  REQUIRE(db.apply_settings(Connection::Mode::read_write));
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  REQUIRE(establish_broker_id(db, "broker-1"));

  const domain::Decision held{.reason = {"NO_SITE_NOW", "no site can take it now"}, .input_hash = "of the input"};
  auto other = held;
  other.reason.message = "something else";
  VerdictWriter verdicts;
  for (std::uint8_t i = 1; i <= 4; ++i) {
    auto job = domain::new_job(JobId({i}), 1, UtcTime{}, {.owner = Principal("local:alice"), .broker_id = "broker-1"});
    REQUIRE(accept_jobs(db, prepare_accept({{.job = job, .payload = {}}}, std::nullopt, verdicts).value()));
    const domain::JobEvent event{.at = UtcTime{}, .body = domain::Held{}};
    REQUIRE(domain::apply(job, event));
    const auto change =
        prepare_record({.job = job, .events = {event}, .decision = i == 4 ? other : held, .documents = {}}, verdicts);
    REQUIRE(record(db, change.value()));
  }
  for (std::uint8_t i = 1; i <= 4; ++i) CHECK(read_decision(db, JobId({i})).value() == (i == 4 ? other : held));
  auto count = db.query("SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM verdicts)");
  REQUIRE(count.next());
  CHECK(count.integer(0) == 4);
  CHECK(count.integer(1) == 2);
}

TEST_CASE("a decision is written as it is, however much of it was written before") {
  VerdictWriter verdicts;
  const domain::Decision first{.at = from_unix_ms(1), .reason = {"NO_SITE_NOW", "none"}, .input_hash = "a"};
  auto later = first;
  later.at = from_unix_ms(2);  // of the same input
  auto elsewhere = first;
  elsewhere.input_hash = "b";
  const domain::Decision unkept{.reason = {"NO_SITE_NOW", "none"}};
  for (const auto& decision : std::vector{first, later, elsewhere, unkept, first, first}) {
    const auto text = verdicts.text_of(decision);
    CHECK(text->body == canonical_json(to_json(decision)));
    CHECK(text->hash == sha256_hex(text->body));
  }
  CHECK(verdicts.text_of(first) == verdicts.text_of(first));
  for (int i = 0; i < 2'000; ++i) {
    auto another = first;
    another.input_hash = std::to_string(i);
    CHECK(verdicts.text_of(another)->body == canonical_json(to_json(another)));
  }
}
