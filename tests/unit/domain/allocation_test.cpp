// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/allocation.hpp"

#include "broker/domain/transition.hpp"

#include <catch2/catch.hpp>

namespace hansa::domain {
namespace {

const ProjectId kLab("lab");
const SiteId kAlpha("alpha");

UtcTime day(int d) { return UtcTime{std::chrono::days{20'000 + d}}; }
Charge units(std::int64_t n) { return {n * kChargesPerUnit}; }

Allocation grant(std::uint8_t id, std::int64_t amount, const char* site = "") {
  return {.id = AllocationId(std::array<std::uint8_t, 16>{id}),
          .project = kLab,
          .site = SiteId(site),
          .unit = "core-hours",
          .granted = units(amount),
          .from = day(0)};
}
Allocation balance(std::int64_t left) {
  auto told = grant(200, left, "alpha");
  told.kind = AllocationKind::balance;
  return told;
}

std::string lacking(const std::vector<Allocation>& all, std::int64_t need, UtcTime now = day(1)) {
  const auto room = find_room(all, kLab, kAlpha, "core-hours", units(need), now);
  return room.lacking ? room.lacking->code : "";
}
const Allocation* taken(const std::vector<Allocation>& all, std::int64_t need) {
  return find_room(all, kLab, kAlpha, "core-hours", units(need), day(1)).grant;
}

}  // namespace

TEST_CASE("room is found in one grant: the site's own first, then the one that ends first", "[allocation]") {
  std::vector<Allocation> all{grant(1, 10), grant(2, 10, "alpha"), grant(3, 10, "alpha"), grant(4, 100, "beta")};
  all[2].until = day(5);
  CHECK(taken(all, 10) == &all[2]);
  all[2].used = units(1);
  CHECK(taken(all, 10) == &all[1]);
  all[1].reserved = units(3);
  CHECK(taken(all, 10) == &all[0]);
  CHECK(taken(all, 9) == &all[2]);
  CHECK(lacking(all, 11) == kAllocationSpent);  // never parts of two
  CHECK(taken(all, 11) == nullptr);
}

TEST_CASE("what does not count is not there", "[allocation]") {
  std::vector<Allocation> all{grant(1, 10)};
  CHECK(lacking(all, 10).empty());
  CHECK(lacking(all, 10, day(-1)) == kNotGranted);
  all[0].until = day(1);
  CHECK(lacking(all, 10) == kNotGranted);
  all[0].until.reset();
  all[0].revoked_at = day(0);
  CHECK(lacking(all, 10) == kNotGranted);
  all[0] = grant(1, 10, "beta");
  CHECK(lacking(all, 1) == kNotGranted);
  all[0] = grant(1, 10);
  all[0].unit = "GPU-hours";
  CHECK(lacking(all, 1) == kNotGranted);
  all[0] = grant(1, 10);
  all[0].project = ProjectId("other");
  CHECK(lacking(all, 1) == kNotGranted);
  CHECK(lacking({}, 0) == kNotGranted);
}

TEST_CASE("a site's balance bounds every grant, and is enough by itself", "[allocation]") {
  std::vector<Allocation> all{balance(5)};
  CHECK(lacking(all, 5).empty());
  CHECK(lacking(all, 6) == kAllocationSpent);
  all.push_back(grant(1, 100));
  CHECK(lacking(all, 5).empty());
  CHECK(lacking(all, 6) == kAllocationSpent);
  all[0].reserved = units(7);  // the site says less than is kept
  CHECK(all[0].left().value < 0);
  CHECK(lacking(all, 0) == kAllocationSpent);
}

TEST_CASE("a refusal says how much is left, how much is needed, and whom to ask", "[allocation]") {
  auto told = balance(5);
  told.from = day(0);
  const auto spent = find_room(std::vector{told}, kLab, kAlpha, "core-hours", units(6), day(0) + Seconds{7'500});
  REQUIRE(spent.lacking);
  CHECK_THAT(spent.lacking->message, Catch::Contains("5.000 core-hours left at alpha by the site's own word of 2h5m ago") &&
                                         Catch::Contains("may need 6.000 core-hours") && Catch::Contains("whoever grants there"));
  const auto none = find_room({}, kLab, kAlpha, "core-hours", units(6), day(0));
  REQUIRE(none.lacking);
  CHECK_THAT(none.lacking->message, Catch::Contains("hansa allocation grant lab AMOUNT --unit core-hours --site alpha"));
}

TEST_CASE("what an attempt may still cost follows from its runs", "[allocation]") {
  Job job = new_job(JobId{}, 1, day(0), {.owner = Principal("local:alice"), .broker_id = "b", .spec = {}});
  const auto step = [&](EventBody body) {
    const auto done = apply(job, {.at = day(0), .body = std::move(body)});
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  };
  const auto open = [&] { return open_runs(job, job.attempts.back()); };
  const auto intend = [&](int number) {
    step(AttemptIntended{.attempt = number, .site = kAlpha, .queue = QueueName("q"), .account = {}, .scheduler_account = {}});
  };
  intend(1);
  CHECK(open() == OpenRuns{1, 0});
  step(AttemptEnded{.attempt = 1, .outcome = Outcome::never_started});
  CHECK(open() == OpenRuns{0, 0});
  intend(2);
  step(AttemptBound{.attempt = 2, .site_job_id = SiteJobId("7")});
  step(RunStarted{.attempt = 2, .run = 0, .started_at = day(0)});
  CHECK(open() == OpenRuns{1, 0});
  step(RunRequeued{.attempt = 2, .run = 0});
  CHECK(open() == OpenRuns{1, 1});  // the first is still to be told by the accounting
  step(AttemptEnded{.attempt = 2, .run = 1, .outcome = Outcome::succeeded, .started_at = day(0), .ended_at = day(1)});
  CHECK(open() == OpenRuns{0, 2});
}

TEST_CASE("of an array each task that may still run is kept for", "[allocation]") {
  JobSpec spec;
  spec.array = parse_task_array("1-4").value();
  Job job = new_job(JobId{}, 1, day(0), {.owner = Principal("local:alice"), .broker_id = "b", .spec = spec});
  const auto step = [&](EventBody body) { REQUIRE(apply(job, {.at = day(0), .body = std::move(body)})); };
  step(TaskCancelRequested{.by = Principal("local:alice"), .tasks = {4}});
  step(AttemptIntended{.attempt = 1, .site = kAlpha, .queue = QueueName("q"), .account = {}, .scheduler_account = {}});
  const auto open = [&] { return open_runs(job, job.attempts.back()); };
  CHECK(open() == OpenRuns{3, 0});
  step(AttemptBound{.attempt = 1, .site_job_id = SiteJobId("7")});
  step(TasksSeen{.attempt = 1,
                 .runs = {{.task_index = 1, .started_at = day(0), .ended_at = day(1), .outcome = Outcome::succeeded},
                          {.task_index = 2, .started_at = day(0)},
                          {.task_index = 3, .outcome = Outcome::cancelled}}});
  CHECK(open() == OpenRuns{1, 1});
  step(ResolvedLost{.by = Principal("local:op"), .reason = "gone"});
  CHECK(open() == OpenRuns{0, 0});
}

TEST_CASE("what is kept is for whole minutes of the widest nodes", "[allocation]") {
  const Resources resources{.nodes = 2, .tasks = 3, .cpus_per_task = 4, .memory_per_node = {100}, .gpus_per_node = 2};
  CHECK(most_use(resources, Seconds{61}) ==
        Use{.nodes = 2, .cores = 16, .gpus = 4, .memory = {200}, .exclusive = false, .time = Seconds{120}});
}

TEST_CASE("a forecast goes on at the rate of the last seven days", "[allocation]") {
  auto one = grant(1, 100);
  one.until = day(30);
  one.used = units(30);
  one.lately = units(14);
  const auto told = forecast(one, day(10));
  CHECK(told.per_day == units(2));
  CHECK(told.spent_at == day(10 + 35));
  CHECK(told.left_at_end == units(100 - 30 - 2 * 20));
  auto young = one;
  young.from = day(8);  // its window is two days
  CHECK(forecast(young, day(10)).per_day == units(7));
  young.from = day(10);
  CHECK(forecast(young, day(10)).per_day == units(14));  // and never shorter than one
  one.lately = {};
  CHECK_FALSE(forecast(one, day(10)).spent_at);
  CHECK(forecast(one, day(10)).left_at_end == units(70));
  one.until.reset();
  CHECK_FALSE(forecast(one, day(10)).left_at_end);
  one.lately = {1};
  CHECK_FALSE(forecast(one, day(10)).spent_at);  // in no hundred years
}

}  // namespace hansa::domain
