// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;

TEST_CASE("who was shut out and let in again is kept in its order, over a restart") {
  auto store = next_store();
  using What = ports::Revocation::What;
  std::vector<ports::Revocation> all{
      {.what = What::person, .value = "egi:a\xC3\xA5|b", .reason = "left; \"really\"", .by = Principal("local:op"), .at = at(1)},
      {.what = What::token, .value = "egi:jti-1", .by = Principal("local:op"), .at = at(2)},
      {.what = What::key, .value = "egi:kid-1", .by = Principal("local:op"), .at = at(3)},
      {.what = What::issuer, .value = "egi", .by = Principal("local:op"), .at = at(4)}};
  for (auto& one : all) {
    const auto number = store->wait(store->revocations().record_revocation(one));
    REQUIRE(number);
    one.number = *number;
  }
  for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i].number > all[i - 1].number);
  REQUIRE(store->wait(store->revocations().lift_revocation(all[1].number, Principal("local:op-2"), at(9))));
  all[1].lifted_by = Principal("local:op-2");
  all[1].lifted_at = at(9);
  const auto again = store->wait(store->revocations().lift_revocation(all[1].number, Principal("local:op"), at(10)));
  REQUIRE(!again);
  CHECK(again.error().code == "NOT_REVOKED");
  CHECK(!store->wait(store->revocations().lift_revocation(99, Principal("local:op"), at(10))));
  CHECK(store->wait(store->revocations().revocations()).value() == all);
  store->reopen();
  CHECK(store->wait(store->revocations().revocations()).value() == all);
}

TEST_CASE("of a person's memberships the last are kept") {
  auto store = next_store();
  const ports::Membership first{
      .person = Principal("egi:a"), .projects = {ProjectId("ai-lab"), ProjectId("climate")}, .seen_at = at(1)};
  const ports::Membership other{.person = Principal("egi:b"), .projects = {}, .seen_at = at(2)};
  const ports::Membership later{.person = Principal("egi:a"),
                                .projects = {ProjectId("climate")},
                                .seen_at = at(3),
                                .assurance = "medium",
                                .authentication = "mfa"};
  for (const auto& one : {first, other, later}) REQUIRE(store->wait(store->memberships().keep_membership(one)));
  store->reopen();
  CHECK(store->wait(store->memberships().memberships()).value() == std::vector{later, other});
}
