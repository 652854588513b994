// SPDX-License-Identifier: Apache-2.0
// Jobs that are cancelled, as they wait, run and after their end.
#include "tests/contract/connectors/contract_bench.hpp"

namespace hansa::contract {

TEST_CASE("connector: a pending job is cancelled and never starts", "[contract]") {
  const auto when = GENERATE(CancelWhen::always, CancelWhen::only_while_pending);
  Bench bench;
  bench.block_site();
  const auto job = bench.submit({.prints = "must not run"});
  CHECK(bench.wait_for_phase(job, Phase::queued).phase == Phase::queued);
  const auto outcome = bench.ask(bench.connector().cancel(job, when, bench.soon()));
  REQUIRE(outcome.has_value());
  CHECK(*outcome == CancelOutcome::never_started);
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  CHECK(ended.outcome == Outcome::cancelled);
  CHECK_FALSE(ended.started_at.has_value());
  const auto again = bench.ask(bench.connector().cancel(job, when, bench.soon()));
  REQUIRE(again.has_value());
  CHECK(*again == CancelOutcome::never_started);  // still true, however often it is asked
}

TEST_CASE("connector: a running job is stopped, an ended one is left as it is", "[contract]") {
  Bench bench;
  const auto job = bench.submit({.runs = Seconds{500}});
  bench.wait_for_phase(job, Phase::running);
  auto outcome = bench.ask(bench.connector().cancel(job, CancelWhen::always, bench.soon()));
  REQUIRE(outcome.has_value());
  CHECK(*outcome == CancelOutcome::stopped);
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  CHECK(ended.outcome == Outcome::cancelled);
  CHECK(ended.started_at.has_value());

  const auto done = bench.submit(Behaviour{});
  bench.wait_for_phase(done, Phase::ended);
  outcome = bench.ask(bench.connector().cancel(done, CancelWhen::always, bench.soon()));
  REQUIRE(outcome.has_value());
  CHECK(*outcome == CancelOutcome::already_ended);
}

TEST_CASE("connector: 'only while pending' leaves a running job alone", "[contract]") {
  Bench bench;
  const auto job = bench.submit({.runs = Seconds{3}});
  bench.wait_for_phase(job, Phase::running);
  const auto outcome = bench.ask(bench.connector().cancel(job, CancelWhen::only_while_pending, bench.soon()));
  REQUIRE(outcome.has_value());
  CHECK(*outcome == CancelOutcome::unknown);  // nothing was cancelled: ask for its status
  CHECK(bench.wait_for_phase(job, Phase::ended).outcome == Outcome::succeeded);
}

}  // namespace hansa::contract
