// SPDX-License-Identifier: Apache-2.0
// Submissions that come to nothing.
#include "tests/contract/connectors/contract_bench.hpp"

namespace hansa::contract {

TEST_CASE("connector: an unknown queue is the site's refusal, in its own words", "[contract]") {
  Bench bench;
  auto request = bench.request(Behaviour{});
  request.queue = QueueName("no-such-queue");
  const auto by_tag = bench.expected_job(request);
  const auto receipt = bench.ask(bench.connector().submit(request, bench.soon()));
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().kind == ErrorKind::unknown_outcome);
  CHECK(receipt.error().code == "SITE_REFUSED");
  CHECK_FALSE(receipt.error().message.empty());
  const auto found = bench.ask(bench.connector().find({by_tag}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->sightings.empty());
}

TEST_CASE("connector: an account that is not allowed runs nothing", "[contract]") {
  Bench bench;
  const auto refused = bench.site().refused_account();
  if (!refused) return;
  auto request = bench.request(Behaviour{});
  request.account = *refused;
  const auto by_tag = bench.expected_job(request);
  const auto receipt = bench.ask(bench.connector().submit(request, bench.soon()));
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().kind == ErrorKind::permission_denied);
  const auto found = bench.ask(bench.connector().find({by_tag}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->sightings.empty());
}

TEST_CASE("connector: past its deadline nothing leaves for the site", "[contract]") {
  Bench bench;
  const auto request = bench.request(Behaviour{});
  const auto by_tag = bench.expected_job(request);
  const auto receipt =
      bench.ask(bench.connector().submit(request, async::Deadline::in(bench.site().scheduler(), Milliseconds{0})));
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().kind == ErrorKind::deadline_exceeded);
  const auto found = bench.ask(bench.connector().find({by_tag}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->sightings.empty());
}

}  // namespace hansa::contract
