// SPDX-License-Identifier: Apache-2.0
// What becomes of what is kept for an attempt: charged with what its runs used, once, or let go.
#include "allocations_under_test.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;
using namespace hansa::contract::allocations;

TEST_CASE("a run is charged what it used, by the rule that it came under, whenever it is told") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(8), intent()));
  bind_and_start(*store, job, "41");
  const auto run = run_of(job, 8, 100, kHour / 2);
  SECTION("after its end") {
    recorded(*store, job, {ended(1, domain::Outcome::succeeded)});
    CHECK(read(*store, grant.id).reserved == units(8));  // until the accounting has told it
    CHECK(booked(*store, {run}) == 1);
  }
  SECTION("before its end is known") {
    CHECK(booked(*store, {run}) == 1);
    CHECK(read(*store, grant.id).reserved == units(8));
    recorded(*store, job, {ended(1, domain::Outcome::succeeded)});
  }
  SECTION("after a restart, and twice") {
    recorded(*store, job, {ended(1, domain::Outcome::succeeded)});
    store->reopen();
    CHECK(booked(*store, {run, run}) == 1);
    CHECK(booked(*store, {run}) == 0);
  }
  SECTION("by the site's last word, whatever it said before") {
    recorded(*store, job, {ended(1, domain::Outcome::succeeded)});
    CHECK(booked(*store, {run_of(job, 8, 100, kHour)}) == 1);
    CHECK(read(*store, grant.id).used == units(8));
    CHECK(booked(*store, {run_of(job, 8, 100, kHour / 4)}) == 1);
    CHECK(read(*store, grant.id).used == units(2));
    CHECK(booked(*store, {run}) == 1);
  }
  const auto after = read(*store, grant.id);
  CHECK(after.reserved.value == 0);
  CHECK(after.used == units(4));
  CHECK(after.lately == units(4));
  CHECK(store->wait(store->allocations().allocation(grant.id, at(10 * kHour))).value().lately.value == 0);
}

TEST_CASE("a run whose end its site changes counts against a balance by its last end, whenever that was told") {
  auto store = next_store();
  auto job = accepted(*store);
  CHECK(tell(*store, 100, 0) == 1);
  REQUIRE(intend(*store, job, cores(8), intent()));
  bind_and_start(*store, job, "41");
  recorded(*store, job, {ended(1, domain::Outcome::succeeded)});
  const auto after = run_of(job, 8, 100, kHour), before = run_of(job, 8, 100, kHour / 4);
  constexpr std::int64_t kTold = 100 + kHour / 2;  // between the two ends
  SECTION("earlier") {
    CHECK(booked(*store, {after}) == 1);
    CHECK(tell(*store, 50, kTold) == 1);
    CHECK(balance(*store).used == units(8));
    CHECK(booked(*store, {before}) == 1);
    CHECK(balance(*store).used.value == 0);
    CHECK(tell(*store, 50, kTold) == 1);  // added up anew
    CHECK(balance(*store).used.value == 0);
    CHECK(booked(*store, {after}) == 1);
  }
  SECTION("later") {
    CHECK(booked(*store, {before}) == 1);
    CHECK(tell(*store, 50, kTold) == 1);
    CHECK(balance(*store).used.value == 0);
    CHECK(booked(*store, {after}) == 1);
    CHECK(balance(*store).used == units(8));
    CHECK(tell(*store, 50, kTold) == 1);
    CHECK(balance(*store).used == units(8));
    CHECK(booked(*store, {run_of(job, 8, 100, kHour * 3 / 4)}) == 1);
    CHECK(balance(*store).used == units(6));
    CHECK(booked(*store, {after}) == 1);
  }
  CHECK(balance(*store).used == units(8));
  CHECK(balance(*store).lately == units(8));
  CHECK(tell(*store, 50, kTold) == 1);
  CHECK(balance(*store).used == units(8));
  CHECK(balance(*store).reserved.value == 0);
}

TEST_CASE("a page of many runs charges each: to grant and balance, by its own end, and again if it was changed") {
  auto store = next_store();
  const auto one = a_grant(100), other = a_grant(100, "", "climate");
  REQUIRE(store->wait(store->allocations().grant(one)));
  REQUIRE(store->wait(store->allocations().grant(other)));
  CHECK(tell(*store, 100, 100 + kHour / 2) == 1);  // of ai-lab
  std::vector<domain::Job> jobs;
  for (const auto* project : {"ai-lab", "ai-lab", "climate"}) {
    auto job = accepted(*store, {.project = project});
    REQUIRE(intend(*store, job, cores(8), intent()));
    bind_and_start(*store, job, std::to_string(41 + jobs.size()));
    recorded(*store, job, {ended(1, domain::Outcome::succeeded)});
    jobs.push_back(job);
  }
  // The first ended before its balance was told.
  std::vector page{run_of(jobs[0], 8, 100, kHour / 4), run_of(jobs[1], 8), run_of(jobs[2], 8)};
  CHECK(booked(*store, page) == 3);
  CHECK(read(*store, one.id).used == units(10));
  CHECK(read(*store, other.id).used == units(8));
  CHECK(balance(*store).used == units(8));
  page[0] = run_of(jobs[0], 8);
  page[2] = run_of(jobs[2], 8, 100, kHour / 2);
  CHECK(booked(*store, page) == 2);
  CHECK(read(*store, one.id).used == units(16));
  CHECK(read(*store, other.id).used == units(4));
  CHECK(balance(*store).used == units(16));
  for (const auto& id : {one.id, other.id, balance(*store).id}) CHECK(read(*store, id).reserved.value == 0);
}

TEST_CASE("a twin is charged, and what is kept for the run stays") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(8), intent()));
  bind_and_start(*store, job, "41");
  const auto run = run_of(job, 8);
  auto twin = run_of(job, 8, 100, kHour / 8);
  twin.site_job_id = SiteJobId("42");
  recorded(*store, job, {one_too_many("42"), ended(1, domain::Outcome::succeeded)});
  CHECK(booked(*store, {twin}) == 1);
  CHECK(read(*store, grant.id).used == units(1));
  CHECK(read(*store, grant.id).reserved == units(8));
  CHECK(booked(*store, {run}) == 1);
  CHECK(read(*store, grant.id).used == units(9));
  CHECK(read(*store, grant.id).reserved.value == 0);
}

TEST_CASE("bound to another submission an attempt has kept what the runs of that one may cost") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(8), intent()));
  bind_and_start(*store, job, "41");
  const auto first = run_of(job, 8, 100, kHour / 8);
  auto second = run_of(job, 8, 5'000);
  second.site_job_id = SiteJobId("42");
  const auto adopt = [&] {
    recorded(*store, job,
             {one_too_many("41"), domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId("42"), .adopted = true}});
    recorded(*store, job, {domain::RunStarted{.attempt = 1, .run = 0, .started_at = at(5'000)}});
    recorded(*store, job, {ended(1, domain::Outcome::succeeded)});
  };
  SECTION("which nobody has told") {
    CHECK(booked(*store, {first}) == 1);
    adopt();
    CHECK(read(*store, grant.id).reserved == units(8));
    CHECK(booked(*store, {second}) == 1);
  }
  SECTION("which was told as a twin, and corrected") {
    recorded(*store, job, {one_too_many("42")});
    CHECK(booked(*store, {run_of(job, 8, 100, kHour / 4), second}) == 2);
    CHECK(booked(*store, {first}) == 1);
    auto changed = second;
    changed.cores = 4;
    CHECK(booked(*store, {changed}) == 1);
    CHECK(booked(*store, {second}) == 1);
    adopt();
    CHECK(read(*store, grant.id).reserved.value == 0);
  }
  SECTION("and the first one is told, or told anew, afterwards") {
    CHECK(booked(*store, {run_of(job, 8, 100, kHour / 4)}) == 1);
    adopt();
    CHECK(booked(*store, {first}) == 1);
    CHECK(read(*store, grant.id).reserved == units(8));
    CHECK(booked(*store, {second}) == 1);
  }
  CHECK(read(*store, grant.id).reserved.value == 0);
  CHECK(read(*store, grant.id).used == units(9));
}

TEST_CASE("of a run that began a record without a start settles what is kept, and charges nothing") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(8), intent()));
  bind_and_start(*store, job, "41");
  auto no_start = run_of(job, 8);
  no_start.started_at.reset();
  no_start.elapsed = Seconds{0};
  no_start.core_seconds = {0};
  SECTION("the only one") {
    recorded(*store, job, {ended(1, domain::Outcome::failed)});
    CHECK(booked(*store, {no_start}) == 1);
    CHECK(read(*store, grant.id).used.value == 0);
  }
  SECTION("not the run before it, which was put back") {
    recorded(*store, job, {domain::RunRequeued{.attempt = 1, .run = 0}});
    SECTION("while it waits") {
      CHECK(booked(*store, {no_start}) == 1);
      CHECK(read(*store, grant.id).reserved == units(16));
      recorded(*store, job, {domain::AttemptEnded{.attempt = 1, .run = 1, .outcome = domain::Outcome::cancelled}});
    }
    SECTION("once it is over") {
      recorded(*store, job, {domain::AttemptEnded{.attempt = 1, .run = 1, .outcome = domain::Outcome::cancelled}});
      CHECK(booked(*store, {no_start}) == 1);
    }
    CHECK(read(*store, grant.id).reserved == units(8));
    CHECK(booked(*store, {run_of(job, 8)}) == 1);
    CHECK(read(*store, grant.id).used == units(8));
  }
  CHECK(read(*store, grant.id).reserved.value == 0);
}

TEST_CASE("however much a site reports its usage is booked, and every sum stays one") {
  auto store = next_store();
  constexpr Charge kMostUsed{std::int64_t{1} << 62};
  constexpr std::int64_t kRuns = 513;  // of the most that one may cost: more than fit
  for (const auto* id : {"41", "42"}) {
    auto job = accepted(*store);
    auto hold = cores(1);
    hold.dispensable = true;
    REQUIRE(intend(*store, job, hold, intent()));
    bind_and_start(*store, job, id);
    std::vector<domain::UsageRecord> records;
    for (std::int64_t i = 0; i < kRuns; ++i) {
      records.push_back(run_of(job, 1'000'000, 100 + i));
      records.back().elapsed = Seconds{1'000'000'000'000};
      records.back().core_seconds = {0};
    }
    CHECK(booked(*store, std::move(records)) == kRuns);
  }
  CHECK(tell(*store, 100, 0) == 1);
  CHECK(balance(*store).used == kMostUsed);
  CHECK(balance(*store).lately == kMostUsed);
  auto job = accepted(*store);
  auto hold = cores(1);
  hold.dispensable = true;
  REQUIRE(intend(*store, job, hold, intent()));
  bind_and_start(*store, job, "43");
  CHECK(booked(*store, {run_of(job, 1)}) == 1);
  CHECK(balance(*store).used == kMostUsed);
}

TEST_CASE("memory that was not asked for is charged as it was granted") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store);
  auto hold = cores(1);
  hold.rule.per_memory_slice = 1'000;
  hold.rule.memory_slice = {2'048};
  REQUIRE(intend(*store, job, hold, intent()));
  bind_and_start(*store, job, "41");
  recorded(*store, job, {domain::AttemptGranted{.attempt = 1, .grant = {.memory = {16'384}}}});
  booked(*store, {run_of(job, 1)});
  CHECK(read(*store, grant.id).used == units(8));
}

TEST_CASE("an array is kept for once, and let go and charged task by task") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto fresh = new_job();
  fresh.job.spec.array = domain::parse_task_array("1-4").value();
  auto job = fresh.job;
  REQUIRE(store->wait(store->jobs().accept_jobs({std::move(fresh)}, std::nullopt)));
  REQUIRE(intend(*store, job, cores(2, 4), intent()));
  CHECK(read(*store, grant.id).reserved == units(8));
  recorded(*store, job, {domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId("9")}});
  const auto task = [&](std::int32_t index) {
    auto run = run_of(job, 2, 100 + index, kHour / 2);
    run.site_job_id = SiteJobId("9_" + std::to_string(index));
    run.array_id = SiteJobId("9");
    return run;
  };
  recorded(*store, job,
           {domain::TasksSeen{
               .attempt = 1,
               .runs = {{.task_index = 1, .started_at = at(100), .ended_at = at(200), .outcome = domain::Outcome::succeeded},
                        {.task_index = 2, .started_at = at(100)},
                        {.task_index = 3, .outcome = domain::Outcome::cancelled}}}});
  CHECK(read(*store, grant.id).reserved == units(6));  // the third never ran
  booked(*store, {task(1)});
  CHECK(read(*store, grant.id).reserved == units(4));
  CHECK(read(*store, grant.id).used == units(1));
  recorded(*store, job, {ended(1, domain::Outcome::failed)});
  CHECK(read(*store, grant.id).reserved == units(2));  // the second's
  auto cancelled = task(3);
  cancelled.started_at.reset();
  CHECK(booked(*store, {cancelled}) == 1);
  CHECK(read(*store, grant.id).reserved == units(2));  // it is not the second's
  booked(*store, {task(2)});
  CHECK(read(*store, grant.id).reserved.value == 0);
  CHECK(read(*store, grant.id).used == units(2));
}

TEST_CASE("a task of an array that began and never ran, by the accounting's word, keeps nothing") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto fresh = new_job();
  fresh.job.spec.array = domain::parse_task_array("0-2").value();
  auto job = fresh.job;
  REQUIRE(store->wait(store->jobs().accept_jobs({std::move(fresh)}, std::nullopt)));
  REQUIRE(intend(*store, job, cores(2, 3), intent()));
  const bool is_pbs = GENERATE(false, true);
  const std::string array = is_pbs ? "9[].pbs" : "9";
  recorded(*store, job, {domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId(array)}});
  const auto without_start = [&](const std::string& task) {
    auto run = run_of(job, 2);
    run.site_job_id = SiteJobId(is_pbs ? "9[" + task + "].pbs" : "9_" + task);
    run.array_id = SiteJobId(array);
    run.started_at.reset();
    return run;
  };
  recorded(*store, job,
           {domain::TasksSeen{
               .attempt = 1,
               .runs = {{.task_index = 0, .started_at = at(100), .ended_at = at(200), .outcome = domain::Outcome::failed},
                        {.task_index = 1, .started_at = at(100), .ended_at = at(200), .outcome = domain::Outcome::failed},
                        {.task_index = 2, .outcome = domain::Outcome::cancelled}}}});
  recorded(*store, job, {ended(1, domain::Outcome::failed)});
  CHECK(read(*store, grant.id).reserved == units(4));
  CHECK(booked(*store, {without_start("2")}) == 1);
  CHECK(booked(*store, {without_start("[0-1]")}) == 1);  // several together: none of them began
  CHECK(read(*store, grant.id).reserved == units(4));
  CHECK(booked(*store, {without_start("1")}) == 1);
  CHECK(read(*store, grant.id).reserved == units(2));
  CHECK(booked(*store, {without_start("1")}) == 0);
  CHECK(booked(*store, {without_start("0")}) == 1);
  CHECK(read(*store, grant.id).reserved.value == 0);
  CHECK(read(*store, grant.id).used.value == 0);
}

TEST_CASE("what nothing will settle is let go by hand, on record, and charged all the same if it is told") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  CHECK(tell(*store, 50, 0) == 1);
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(8), intent()));
  const auto release = [&](std::optional<std::int32_t> attempt = {}, std::optional<JobId> of = {}) {
    return store->wait(store->allocations().release(
        {.job = of.value_or(job.id), .attempt = attempt, .by = Principal("local:op"), .at = at(70), .why = "lost"}));
  };
  CHECK(code_of(release()) == "RUNS_NOT_OVER");
  bind_and_start(*store, job, "41");
  CHECK(code_of(release()) == "RUNS_NOT_OVER");
  recorded(*store, job, {ended(1, domain::Outcome::succeeded)});
  CHECK(read(*store, grant.id).reserved == units(8));
  CHECK(code_of(release(2)) == "NOTHING_RESERVED");
  CHECK(code_of(release({}, next_id())) == "JOB_NOT_FOUND");
  CHECK(read(*store, grant.id).reserved == units(8));

  const auto released = release(1);
  REQUIRE(released);
  REQUIRE(released->size() == 1);
  CHECK(released->front().attempt == 1);
  CHECK(released->front().grant == grant.id);
  CHECK(released->front().reserved == units(8));
  CHECK(read(*store, grant.id).reserved.value == 0);
  CHECK(balance(*store).reserved.value == 0);
  CHECK(store->wait(store->allocations().reservations(grant.id, 10)).value().empty());
  for (const auto& id : {grant.id, balance(*store).id}) {
    const auto events = store->wait(store->allocations().allocation_events(id)).value();
    REQUIRE(events.size() == 2);
    CHECK(events[1] == ports::AllocationEvent{id, "released", Principal("local:op"), at(70), units(8),
                                              "job " + job.id.str() + " attempt 1: lost"});
  }
  CHECK(code_of(release()) == "NOTHING_RESERVED");
  store->reopen();
  CHECK(read(*store, grant.id).reserved.value == 0);
  CHECK(booked(*store, {run_of(job, 8)}) == 1);
  CHECK(read(*store, grant.id).used == units(8));
  CHECK(read(*store, grant.id).reserved.value == 0);
}

TEST_CASE("a run that the site puts back is charged, and the next one kept for") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(8), intent()));
  bind_and_start(*store, job, "41");
  recorded(*store, job, {domain::RunRequeued{.attempt = 1, .run = 0}});
  CHECK(read(*store, grant.id).reserved == units(16));
  booked(*store, {run_of(job, 8, 100, kHour / 8)});
  booked(*store, {run_of(job, 8, 100, kHour / 4)});  // the same run
  CHECK(read(*store, grant.id).reserved == units(8));
  CHECK(read(*store, grant.id).used == units(2));
  recorded(*store, job, {ended(1, domain::Outcome::succeeded, 1)});
  CHECK(read(*store, grant.id).reserved == units(8));
  booked(*store, {run_of(job, 8, 5'000, kHour / 2)});
  CHECK(read(*store, grant.id).reserved.value == 0);
  CHECK(read(*store, grant.id).used == units(6));
}

TEST_CASE("what is given up as lost is let go, and charged all the same if it ran") {
  auto store = next_store();
  const auto grant = a_grant(100);
  REQUIRE(store->wait(store->allocations().grant(grant)));
  auto job = accepted(*store);
  REQUIRE(intend(*store, job, cores(8), intent()));
  bind_and_start(*store, job, "41");
  recorded(*store, job, {domain::ResolvedLost{.by = Principal("local:root"), .reason = "gone"}});
  CHECK(read(*store, grant.id).reserved.value == 0);
  booked(*store, {run_of(job, 8)});
  CHECK(read(*store, grant.id).used == units(8));
}
