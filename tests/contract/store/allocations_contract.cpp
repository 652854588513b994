// SPDX-License-Identifier: Apache-2.0
// What is kept of grants and balances: with the job, and never more than there is.
#include "allocations_under_test.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;
using namespace hansa::contract::allocations;

TEST_CASE("an attempt without room for what it may cost is not intended, and leaves nothing") {
  auto store = next_store();
  auto job = accepted(*store);
  CHECK(code_of(intend(*store, job, cores(4), intent())) == domain::kNotGranted);
  const auto grant = a_grant(10);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  CHECK(code_of(store->wait(store->allocations().grant(grant))) == "ALLOCATION_EXISTS");
  CHECK(code_of(intend(*store, job, cores(11), intent())) == domain::kAllocationSpent);
  CHECK(store->wait(store->jobs().job(job.id)).value() == job);
  CHECK(store->wait(store->jobs().events(job.id)).value().size() == 1);
  CHECK(read(*store, grant.id).reserved.value == 0);

  REQUIRE(intend(*store, job, cores(10), intent()));
  CHECK(read(*store, grant.id).reserved == units(10));
  CHECK(read(*store, grant.id).left().value == 0);
  auto other = accepted(*store);
  CHECK(code_of(intend(*store, other, cores(1), intent())) == domain::kAllocationSpent);
  store->reopen();
  const auto all = store->wait(store->allocations().allocations(std::nullopt, at(0))).value();
  REQUIRE(all.size() == 1);
  CHECK(all[0].reserved == units(10));
  CHECK(all[0].note == "call 7");
}

TEST_CASE("what never started is let go with its end, and an attempt elsewhere is kept for anew") {
  auto store = next_store();
  const auto grant = a_grant(10);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(8), intent()));
  recorded(*store, job, {ended(1, domain::Outcome::never_started)});
  CHECK(read(*store, grant.id).reserved.value == 0);
  REQUIRE(intend(*store, job, cores(9), intent(2, "beta")));
  CHECK(read(*store, grant.id).reserved == units(9));
  const auto kept = store->wait(store->allocations().reservations(grant.id, 10)).value();
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].job == job.id);
  CHECK(kept[0].attempt == 2);
  CHECK(kept[0].site == SiteId("beta"));
  CHECK(kept[0].reserved == units(9));
}

TEST_CASE("a grant that is revoked gives nothing more, and keeps what is kept of it") {
  auto store = next_store();
  const auto grant = a_grant(10);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store), other = accepted(*store);
  REQUIRE(intend(*store, job, cores(4), intent()));
  const auto revoke = [&] { return store->wait(store->allocations().revoke(grant.id, Principal("local:op"), at(50), "over")); };
  const auto revoked = revoke();
  REQUIRE(revoked);
  CHECK(revoked->revoked_at == at(50));
  CHECK(revoked->reserved == units(4));
  CHECK(code_of(revoke()) == "ALREADY_REVOKED");
  CHECK(code_of(store->wait(store->allocations().revoke(next_id(), Principal("local:op"), at(50), ""))) ==
        "ALLOCATION_NOT_FOUND");
  CHECK(code_of(intend(*store, other, cores(1), intent())) == domain::kNotGranted);
  CHECK(store->wait(store->allocations().allocations(std::nullopt, at(0))).value().size() == 1);
  recorded(*store, job, {ended(1, domain::Outcome::never_started)});
  CHECK(store->wait(store->allocations().allocations(std::nullopt, at(0))).value().empty());
  CHECK(store->wait(store->allocations().allocations(ProjectId("ai-lab"), at(0))).value().size() == 1);
  const auto events = store->wait(store->allocations().allocation_events(grant.id)).value();
  REQUIRE(events.size() == 2);
  CHECK(events[0].name == "granted");
  CHECK(events[0].amount == units(10));
  CHECK(events[1] == ports::AllocationEvent{grant.id, "revoked", Principal("local:op"), at(50), units(6), "over"});
}

TEST_CASE("a grant that is over is left out once nothing is kept of it, but not of its project") {
  auto store = next_store();
  auto grant = a_grant(10);
  grant.until = at(1'000);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  const auto known = [&](std::int64_t since, std::optional<ProjectId> project) {
    return store->wait(store->allocations().allocations(std::move(project), at(since))).value().size();
  };
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(4), intent()));
  CHECK(known(1'000, {}) == 1);
  recorded(*store, job, {ended(1, domain::Outcome::never_started)});
  CHECK(known(999, {}) == 1);
  CHECK(known(1'000, {}) == 0);
  CHECK(known(1'000, ProjectId("ai-lab")) == 1);
}

TEST_CASE("a site's balance bounds what is kept, counts what was charged since, and may fall below what is kept") {
  auto store = next_store();
  const auto balance = [&] { return allocations::balance(*store); };
  auto early = accepted(*store);
  CHECK(tell(*store, 10, 50) == 1);
  REQUIRE(intend(*store, early, cores(6), intent()));
  CHECK(balance().reserved == units(6));
  CHECK(tell(*store, 100, 40) == 0);  // older than what is known
  CHECK(balance().granted == units(10));

  bind_and_start(*store, early, "41");
  recorded(*store, early, {ended(1, domain::Outcome::succeeded)});
  booked(*store, {run_of(early, 6, 100, kHour / 2)});
  CHECK(balance().used == units(3));
  CHECK(balance().left() == units(7));
  const auto grant = a_grant(1'000);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto late = accepted(*store);
  CHECK(code_of(intend(*store, late, cores(8), intent())) == domain::kAllocationSpent);
  REQUIRE(intend(*store, late, cores(7), intent()));
  CHECK(read(*store, grant.id).reserved == units(7));

  CHECK(tell(*store, 4, 100'000) == 1);  // others spent it, too; what was charged before is in that
  CHECK(balance().used.value == 0);
  CHECK(balance().reserved == units(7));
  CHECK(balance().left() == units(4) - units(7));
  auto third = accepted(*store);
  CHECK(code_of(intend(*store, third, cores(1), intent())) == domain::kAllocationSpent);
  REQUIRE(intend(*store, third, cores(1), intent(1, "beta")));  // of which nobody told anything
  CHECK(code_of(store->wait(store->allocations().revoke(balance().id, Principal("local:op"), at(50), ""))) == "NOT_A_GRANT");
}

TEST_CASE("who tells the same balance again and again makes one event of it") {
  auto store = next_store();
  for (const auto& [left, second] : {std::pair{10, 50}, {10, 60}, {10, 70}, {9, 80}, {10, 90}})
    CHECK(tell(*store, left, second) == 1);
  CHECK(balance(*store).from == at(90));
  std::vector<domain::Charge> amounts;
  for (const auto& event : store->wait(store->allocations().allocation_events(balance(*store).id)).value()) {
    CHECK(event.name == "told");
    amounts.push_back(event.amount);
  }
  CHECK(amounts == std::vector{units(10), units(9), units(10)});
}

TEST_CASE("what the broker reads again and again makes an event only where it takes over from a person's word") {
  auto store = next_store();
  std::int64_t second = 50;
  const auto read_often = [&](std::int64_t from) {
    for (std::int64_t left = from; left > from - 10; --left) CHECK(tell(*store, left, ++second, true) == 1);
  };
  read_often(100);
  CHECK(tell(*store, 40, ++second) == 1);
  CHECK(tell(*store, 39, ++second) == 1);
  read_often(30);
  CHECK(balance(*store).granted == units(21));
  CHECK(balance(*store).from == at(second));
  std::vector<domain::Charge> amounts;
  for (const auto& event : store->wait(store->allocations().allocation_events(balance(*store).id)).value())
    amounts.push_back(event.amount);
  CHECK(amounts == std::vector{units(100), units(40), units(39), units(30)});
}

TEST_CASE("who may go without has it counted") {
  auto store = next_store();
  auto job = accepted(*store);
  auto hold = cores(8);
  hold.dispensable = true;
  REQUIRE(intend(*store, job, hold, intent()));
  bind_and_start(*store, job, "41");
  booked(*store, {run_of(job, 8)});
  CHECK(tell(*store, 100, 0) == 1);
  CHECK(balance(*store).used == units(8));
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto next = accepted(*store);
  REQUIRE(intend(*store, next, hold, intent()));
  CHECK(read(*store, grant.id).reserved == units(8));
}
