// SPDX-License-Identifier: Apache-2.0
#include "broker/store/migrations.hpp"
#include "broker/store/sites.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::store;
using ports::CallBudget;
using ports::SiteCall;

namespace {

MonotonicTime second(std::int64_t s) { return {Seconds{s}}; }

std::int64_t rows(Connection& db) {
  auto count = db.query("SELECT coalesce(sum(calls), 0) FROM site_calls");
  REQUIRE(count.next());
  return count.integer(0);
}

struct Calls {
  Calls() {
    REQUIRE(db.apply_settings(Connection::Mode::read_write));
    REQUIRE(migrate(db, migrations(), UtcTime{}));
    REQUIRE(establish_broker_id(db, "broker-1"));
    REQUIRE(advance_epoch(db));
  }
  void call(std::int64_t leaves_by, const std::string& boot, CallBudget budget = CallBudget::queries) {
    REQUIRE(record_call(db, {.site = SiteId("alpha"), .budget = budget, .leaves_by = second(leaves_by), .epoch = 1}, boot));
  }
  Connection db{{.path = ":memory:", .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
                Connection::Mode::read_write};
};

}  // namespace

TEST_CASE("calls of an earlier boot count as made now, whatever their times say") {
  Calls calls;
  calls.call(1'000'000, "first");
  calls.call(1'000'001, "first");
  calls.call(1'000'001, "first", CallBudget::cancels);
  calls.call(20, "second");
  const auto recent = recent_calls(calls.db, second(30), "second").value();
  REQUIRE(recent.size() == 4);
  CHECK(recent[0].leaves_by == second(20));
  for (std::size_t i = 1; i < 4; ++i) CHECK(recent[i].leaves_by == second(30));
  CHECK(std::ranges::count(recent, CallBudget::cancels, &SiteCall::budget) == 1);
  // From then on they are this boot's: a start soon after sees them age.
  CHECK(recent_calls(calls.db, second(89), "second").value().size() == 3);
  CHECK(recent_calls(calls.db, second(90), "second").value().empty());
}

TEST_CASE("calls are forgotten once no minute holds them") {
  Calls calls;
  for (std::int64_t i = 0; i < 1'000; ++i) calls.call(i, "boot");
  CHECK(rows(calls.db) <= 122);
  CHECK(recent_calls(calls.db, second(2'000), "boot").value().empty());
  CHECK(rows(calls.db) == 0);
}
