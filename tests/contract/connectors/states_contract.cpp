// SPDX-License-Identifier: Apache-2.0
// A job from its start to its end, and how it is found and seen.
#include "tests/contract/connectors/contract_bench.hpp"

#include <csignal>

namespace hansa::contract {

TEST_CASE("connector: a job runs to its end and says how it ended", "[contract]") {
  Bench bench;
  const auto before = bench.site().scheduler().now_utc() - Seconds{2};
  const auto job = bench.submit({.prints = "hello", .runs = Seconds{2}});
  const auto running = bench.wait_for_phase(job, Phase::running);
  CHECK(running.id == job.id);
  REQUIRE(running.started_at.has_value());
  CHECK(*running.started_at >= before);
  CHECK_FALSE(running.outcome.has_value());

  const auto ended = bench.wait_for_phase(job, Phase::ended);
  CHECK(ended.outcome == Outcome::succeeded);
  CHECK(ended.exit_code == 0);
  CHECK_FALSE(ended.signal.has_value());
  CHECK(ended.run == 0);
  REQUIRE(ended.started_at.has_value());
  REQUIRE(ended.ended_at.has_value());
  CHECK(*ended.ended_at >= *ended.started_at);
}

TEST_CASE("connector: exit codes and signals arrive as they were", "[contract]") {
  Bench bench;
  const auto three = bench.submit({.exit_code = 3});
  const auto reserved = bench.submit({.exit_code = 113});  // also the code that marks a duplicate: here it is the payload's own
  const auto killed = bench.submit({.signal = SIGUSR1});
  auto ended = bench.wait_for_phase(three, Phase::ended);
  CHECK(ended.outcome == Outcome::failed);
  CHECK(ended.exit_code == 3);
  ended = bench.wait_for_phase(reserved, Phase::ended);
  CHECK(ended.outcome == Outcome::failed);
  CHECK(ended.exit_code == 113);
  CHECK(ended.reason.code != "DUPLICATE");
  ended = bench.wait_for_phase(killed, Phase::ended);
  CHECK(ended.outcome == Outcome::failed);
  CHECK(ended.signal == SIGUSR1);
}

TEST_CASE("connector: a job past its wall time is stopped and says so", "[contract][slow]") {
  Bench bench;
  auto request = bench.request({.runs = Seconds{500}});
  request.spec.time_limit = bench.site().time_unit();
  const auto job = bench.submit(request);
  const auto ended = bench.wait_for_phase(job, Phase::ended, bench.site().time_unit() + Seconds{60});
  CHECK(ended.outcome == Outcome::timed_out);
  CHECK_FALSE(ended.reason.code.empty());
}

TEST_CASE("connector: a job is found by its tag while it waits, runs and when it is over", "[contract]") {
  Bench bench;
  const auto blocker = bench.block_site();
  const auto request = bench.request({.runs = Seconds{8}});  // longer than a site takes to say that the blocker is gone
  const auto by_tag = bench.expected_job(request);
  const auto unknown = bench.expected_job(bench.request(Behaviour{}));
  const auto job = bench.submit(request);

  const auto find = [&] {
    const auto found = bench.ask(bench.connector().find({unknown, by_tag}, bench.soon()));
    INFO((found ? "" : found.error().code + ": " + found.error().message));
    REQUIRE(found.has_value());
    CHECK(found->queue_seen);
    CHECK(found->history_seen);
    REQUIRE(found->sightings.size() == 1);
    const auto& sighting = found->sightings.front();
    CHECK(sighting.tag == request.tag);
    CHECK(sighting.status.id == job.id);
    CHECK(sighting.account == bench.site().account());  // as it was asked for: empty for the broker's own
    CHECK(sighting.submitted_at >= by_tag.intended_at - Seconds{2});
    CHECK(sighting.submitted_at <= bench.site().scheduler().now_utc() + Seconds{2});
    return sighting.status.phase;
  };
  CHECK(find() == Phase::queued);
  REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
  bench.wait_for_phase(job, Phase::running);
  CHECK(find() == Phase::running);
  bench.wait_for_phase(job, Phase::ended);
  CHECK(find() == Phase::ended);
}

TEST_CASE("connector: the status of many jobs costs what the status of one does", "[contract]") {
  Bench bench;
  std::vector<SiteJob> jobs;
  for (int i = 0; i < 8; ++i) jobs.push_back(bench.submit({.exit_code = i}));
  auto never_submitted = bench.expected_job(bench.request(Behaviour{}));
  never_submitted.id = SiteJobId("99999999");
  for (const auto& job : jobs) bench.wait_for_phase(job, Phase::ended);

  const auto start = bench.site().site_calls();
  bench.status(jobs.front());
  const auto one = bench.site().site_calls() - start;
  jobs.push_back(never_submitted);
  const auto statuses = bench.ask(bench.connector().status(jobs, bench.soon()));
  const auto many = bench.site().site_calls() - start - one;
  REQUIRE(statuses.has_value());
  CHECK(many <= 2);
  CHECK(one <= 2);
  REQUIRE(statuses->size() == jobs.size());
  for (int i = 0; i < 8; ++i) {
    const auto& status = (*statuses)[static_cast<std::size_t>(i)];
    CHECK(status.id == jobs[static_cast<std::size_t>(i)].id);
    CHECK(status.exit_code == i);
  }
  CHECK(statuses->back().phase == Phase::not_seen);
}

TEST_CASE("connector: a recycled id is not taken for the job", "[contract]") {
  Bench bench;
  auto job = bench.submit(Behaviour{});
  bench.wait_for_phase(job, Phase::ended);
  auto other = bench.expected_job(bench.request(Behaviour{}));
  other.id = job.id;  // the same number under another tag
  CHECK(bench.status(other).phase == Phase::not_seen);
}

}  // namespace hansa::contract
