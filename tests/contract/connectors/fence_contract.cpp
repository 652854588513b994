// SPDX-License-Identifier: Apache-2.0
// What keeps a payload from running twice.
#include "tests/contract/connectors/contract_bench.hpp"

namespace hansa::contract {

TEST_CASE("connector: a sealed fence keeps the payload from ever starting", "[contract]") {
  Bench bench;
  const auto blocker = bench.block_site();
  const auto job = bench.submit({.prints = "must not run"});
  const ports::Fence fence{.tag = job.tag, .task_index = 0, .account = job.account, .person = job.person};
  for (int i = 0; i < 2; ++i) {  // repeating is safe
    const auto sealed = bench.ask(bench.connector().seal(fence, bench.soon()));
    INFO((sealed ? "" : sealed.error().code + ": " + sealed.error().message));
    REQUIRE(sealed.has_value());
    CHECK(sealed->sealed);
  }
  REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  CHECK(ended.outcome != Outcome::succeeded);
  CHECK(ended.reason.code == "DUPLICATE");
  const auto found = bench.ask(bench.connector().find({job}, bench.soon()));  // tells the same
  REQUIRE(found.has_value());
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings.front().status.reason.code == "DUPLICATE");
  CHECK(found->sightings.front().status.exit_code == ended.exit_code);
  if (bench.site().executes()) CHECK(bench.output(job).empty());
}

TEST_CASE("connector: the seal of a started job names its holder", "[contract]") {
  Bench bench;
  const auto job = bench.submit({.prints = "started", .runs = Seconds{4}});
  bench.wait_for_phase(job, Phase::running);
  if (bench.site().executes()) REQUIRE(bench.wait_for([&] { return bench.output(job) == "started\n"; }));
  const auto sealed = bench.ask(bench.connector().seal({job.tag, 0, job.account, job.person}, bench.soon()));
  REQUIRE(sealed.has_value());
  CHECK_FALSE(sealed->sealed);
  CHECK(sealed->holder == job.id);
  CHECK(bench.wait_for_phase(job, Phase::ended).outcome == Outcome::succeeded);
}

TEST_CASE("connector: of two submissions under one tag one payload runs", "[contract]") {
  Bench bench;
  const auto request = bench.request({.prints = "once", .runs = Seconds{1}});
  const auto first = bench.submit(request);
  const auto second_receipt = bench.ask(bench.connector().submit(request, bench.soon()));
  REQUIRE(second_receipt.has_value());
  auto second = first;
  second.id = second_receipt->site_job_id;
  const auto a = bench.wait_for_phase(first, Phase::ended);
  const auto b = bench.wait_for_phase(second, Phase::ended);
  if (second.id != first.id) {  // a way that journals tags answers with the first receipt
    CHECK((a.outcome == Outcome::succeeded) != (b.outcome == Outcome::succeeded));
    const auto& loser = a.outcome == Outcome::succeeded ? b : a;
    CHECK(loser.outcome == Outcome::failed);
    CHECK(loser.reason.code == "DUPLICATE");
  } else {
    CHECK(a.outcome == Outcome::succeeded);
  }
  if (bench.site().executes()) CHECK(bench.output(first) == "once\n");
}

}  // namespace hansa::contract
