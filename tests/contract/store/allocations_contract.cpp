// SPDX-License-Identifier: Apache-2.0
// What is kept of allocations, and charged: with the job, once, and never more than there is.
#include "store_contract.hpp"
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

using namespace hansa;
using namespace hansa::contract;
using domain::Allocation;
using domain::Charge;
using domain::kChargesPerUnit;

namespace {

constexpr std::int64_t kHour = 3'600;

domain::ChargeRule by_core() { return {.unit = "core-hours", .per_core = 1'000}; }
Charge units(std::int64_t n) { return {n * kChargesPerUnit}; }

/// So many cores for an hour.
domain::Hold cores(std::int64_t count, std::int64_t runs = 1) {
  return {.rule = by_core(), .most = {.nodes = 1, .cores = count, .time = Seconds{kHour}}, .runs = runs};
}

Allocation a_grant(std::int64_t amount, const std::string& site = "", const std::string& project = "ai-lab") {
  return {.id = next_id(),
          .project = ProjectId(project),
          .site = SiteId(site),
          .unit = "core-hours",
          .granted = units(amount),
          .from = at(0),
          .by = Principal("local:root"),
          .at = at(0),
          .note = "call 7"};
}

domain::AttemptIntended intent(std::int32_t attempt = 1, const std::string& site = "alpha") {
  return {.attempt = attempt,
          .site = SiteId(site),
          .queue = QueueName("batch"),
          .account = LocalAccount("alice"),
          .scheduler_account = ""};
}

Result<void> intend(StoreUnderTest& store, domain::Job& job, const domain::Hold& hold, domain::AttemptIntended what) {
  auto next = job;
  auto made = change(next, {std::move(what)});
  made.hold = hold;
  auto done = store.wait(store.jobs().record(std::move(made)));
  if (done) job = std::move(next);
  return done;
}

/// The run of `job`'s last attempt that began `begun` seconds from the start, as the site's accounting has it.
domain::UsageRecord run_of(const domain::Job& job, std::int64_t count, std::int64_t begun = 100, std::int64_t lasted = kHour) {
  const auto& attempt = job.attempts.back();
  domain::UsageRecord record;
  record.site = attempt.site;
  record.cluster = "c";
  record.site_job_id = attempt.site_job_id;
  record.tag = domain::make_tag(job.id, attempt.number);
  record.account = attempt.account;
  record.submitted_at = at(1);
  record.started_at = at(begun);
  record.ended_at = at(begun + lasted);
  record.elapsed = Seconds{lasted};
  record.nodes = 1;
  record.cores = static_cast<std::int32_t>(count);
  record.core_seconds = {lasted * count};
  return record;
}

std::size_t booked(StoreUnderTest& store, std::vector<domain::UsageRecord> records) {
  const auto site = records.front().site;
  return store.wait(store.usage().book_usage(site, std::move(records), {"c"}, at(0))).value();
}

Allocation read(StoreUnderTest& store, const domain::AllocationId& id) {
  return store.wait(store.allocations().allocation(id, at(0))).value();
}

void bind_and_start(StoreUnderTest& store, domain::Job& job, const std::string& site_job_id) {
  const auto number = job.attempts.back().number;
  recorded(store, job,
           {domain::AttemptBound{.attempt = number, .site_job_id = SiteJobId(site_job_id)},
            domain::RunStarted{.attempt = number, .run = 0, .started_at = at(100)}});
}

domain::AttemptEnded ended(std::int32_t attempt, domain::Outcome outcome, std::int32_t run = 0) {
  domain::AttemptEnded event{.attempt = attempt, .run = run, .outcome = outcome};
  if (outcome != domain::Outcome::never_started) event.started_at = at(100), event.ended_at = at(100 + kHour);
  return event;
}

domain::SightingQuarantined one_too_many(const std::string& site_job_id) {
  return {.attempt = 1, .site_job_id = SiteJobId(site_job_id), .reason = {"DUPLICATE", "one too many"}};
}

/// So many core-hours are left at alpha, by its word of that second. How many were taken.
std::size_t tell(StoreUnderTest& store, std::int64_t left, std::int64_t second) {
  ports::BalanceReport report{.balances = {}, .by = Principal("local:root"), .at = at(second), .note = "sshare"};
  report.balances.push_back(
      {.project = ProjectId("ai-lab"), .site = SiteId("alpha"), .unit = "core-hours", .left = units(left), .as_of = at(second)});
  return store.wait(store.allocations().tell_balances(std::move(report), {next_id()})).value();
}

Allocation balance(StoreUnderTest& store) {
  const auto all = store.wait(store.allocations().allocations(std::nullopt, at(0))).value();
  return *std::ranges::find(all, domain::AllocationKind::balance, &Allocation::kind);
}

}  // namespace

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
  const auto balance = [&] { return ::balance(*store); };
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

// ---- histories, side by side

namespace {

/// Runs a store's task on this thread alone.
template <typename T>
Result<T> wait_here(async::Task<T> task) {
  boost::asio::io_context context;
  std::optional<Result<T>> outcome;
  boost::asio::co_spawn(context, std::move(task),
                        [&](const std::exception_ptr&, Result<T> result) { outcome = std::move(result); });
  context.run();
  if (!outcome) throw std::logic_error("the store left its caller waiting");
  return std::move(*outcome);
}

/// What the threads share. `excess` is what may be over: of runs that cost more than was kept for them, and of those that nobody
/// kept anything for; added to before the store hears of it.
struct Field {
  StoreUnderTest& store;
  std::mutex ids;
  std::atomic<std::int64_t> excess{0}, charged{0}, refused{0}, open{0};
  std::mutex faults_mutex;
  std::string fault;

  void check(bool holds, const std::string& what) {
    if (holds) return;
    const std::lock_guard lock(faults_mutex);
    if (fault.empty()) fault = what;
  }
  template <typename T>
  T sure(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().code + ": " + result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
};

class History {
 public:
  History(Field& field, std::mt19937_64& random, std::int64_t number) : field_(field), random_(random), number_(number) {}

  void play() {
    const auto tasks = below(4) == 0 ? 1 + below(4) : 0;
    accept(tasks);
    hold_ = cores(1 + below(8), std::max<std::int64_t>(tasks, 1));
    hold_.most.time = Seconds{60 * (1 + below(60))};
    of_run_ = domain::charge(hold_.rule, hold_.most).value;
    if (!intended()) return;
    const auto fate = below(8);
    if (fate == 0) return record({ended(1, domain::Outcome::never_started)});
    if (fate == 1) {
      ++field_.open;  // a broker died here
      return;
    }
    record({domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId(id())}});
    if (fate == 2) return record({domain::AttemptEnded{.attempt = 1, .outcome = domain::Outcome::cancelled}});  // in its queue
    tasks == 0 ? play_job(fate == 3) : play_array(tasks);
  }

 private:
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n)); }
  [[nodiscard]] std::string id() const { return std::to_string(1'000 + number_); }

  void accept(std::int64_t tasks) {
    std::optional<ports::NewJob> fresh;
    {
      const std::lock_guard lock(field_.ids);
      fresh = new_job({.project = "p" + std::to_string(number_ % 3)});
    }
    if (tasks > 0) fresh->job.spec.array = domain::parse_task_array("1-" + std::to_string(tasks)).value();
    job_ = fresh->job;
    std::vector<ports::NewJob> jobs;
    jobs.push_back(std::move(*fresh));
    field_.sure(wait_here(field_.store.jobs().accept_jobs(std::move(jobs), std::nullopt)));
  }

  bool intended() {
    auto next = job_;
    auto made = change(next, {intent(1, number_ % 2 == 0 ? "alpha" : "beta")});
    made.hold = hold_;
    const auto done = wait_here(field_.store.jobs().record(std::move(made)));
    if (done) job_ = std::move(next);
    if (!done) {
      field_.check(done.error().code == domain::kAllocationSpent, done.error().code + ": " + done.error().message);
      ++field_.refused;
    }
    return done.has_value();
  }

  void record(std::vector<domain::EventBody> events) {
    field_.sure(wait_here(field_.store.jobs().record(change(job_, std::move(events)))));
  }

  /// As long as it was kept for at most, but for one in ten that overruns.
  void book(std::int64_t begun, const std::string& task = "") {
    auto lasted = 1 + below(hold_.most.time.count());
    if (below(10) == 0) lasted = hold_.most.time.count() + 1 + below(600);
    auto run = run_of(job_, hold_.most.cores, begun, lasted);
    if (!task.empty()) {
      run.array_id = run.site_job_id;
      run.site_job_id = SiteJobId(id() + "_" + task);
    }
    const auto amount = domain::charge(hold_.rule, {.nodes = 1, .cores = hold_.most.cores, .time = Seconds{lasted}}).value;
    field_.excess += std::max<std::int64_t>(0, amount - of_run_);
    field_.charged += amount;
    const auto again = below(2) == 0 ? 2U : 1U;
    for (auto i = 0U; i < again; ++i) {
      const auto news = field_.sure(wait_here(field_.store.usage().book_usage(run.site, {run}, {"c"}, at(0))));
      field_.check(news == (i == 0 ? 1U : 0U), "booked " + std::to_string(news));
    }
  }

  void play_job(bool requeued) {
    record({domain::RunStarted{.attempt = 1, .run = 0, .started_at = at(100)}});
    if (requeued) {
      field_.excess += of_run_;  // of the second run nobody had been told
      record({domain::RunRequeued{.attempt = 1, .run = 0}});
      book(100);
    }
    const bool told_first = below(2) == 0;
    if (told_first) book(10'000);
    record({ended(1, below(2) == 0 ? domain::Outcome::succeeded : domain::Outcome::timed_out, requeued ? 1 : 0)});
    if (!told_first) book(10'000);
  }

  void play_array(std::int64_t tasks) {
    for (std::int64_t task = 1; task <= tasks; ++task) {
      const auto index = static_cast<std::int32_t>(task);
      record({domain::TasksSeen{
          .attempt = 1,
          .runs = {{.task_index = index, .started_at = at(100), .ended_at = at(200), .outcome = domain::Outcome::succeeded}}}});
      book(100 + task, std::to_string(task));
    }
    record({ended(1, domain::Outcome::succeeded)});
  }

  Field& field_;
  std::mt19937_64& random_;
  std::int64_t number_;
  domain::Job job_;
  domain::Hold hold_;
  std::int64_t of_run_ = 0;
};

/// Of HANSA_ALLOCATION_HISTORIES, else 600: half a second.
std::int64_t histories() {
  const auto* many = std::getenv("HANSA_ALLOCATION_HISTORIES");
  return many == nullptr ? 600 : std::max<std::int64_t>(1, std::atoll(many));
}

}  // namespace

TEST_CASE("however many reserve and settle at once no allocation is exceeded and every balance is the sum of its records",
          "[allocations]") {
  auto store = next_store();
  Field field{.store = *store};
  const auto count = histories();
  std::vector<domain::AllocationId> grants;
  for (int project = 0; project < 3; ++project) {
    for (const auto* site : {"", "alpha", "alpha"}) {
      const auto grant = a_grant(count / 10, site, "p" + std::to_string(project));
      REQUIRE(store->wait(store->allocations().grant(grant)));
      grants.push_back(grant.id);
    }
  }
  ports::BalanceReport told{.balances = {}, .by = Principal("local:root"), .at = at(0), .note = ""};
  told.balances.push_back(
      {.project = ProjectId("p0"), .site = SiteId("beta"), .unit = "core-hours", .left = units(count / 40), .as_of = at(0)});
  REQUIRE(store->wait(store->allocations().tell_balances(told, {next_id()})));

  std::atomic<bool> over{false};
  const auto watch = [&] {
    do {
      const auto all = wait_here(store->allocations().allocations(std::nullopt, at(0)));
      const auto allowed = field.excess.load();  // rises before the store hears why
      for (const auto& one : all.value()) {
        const auto beyond = (one.reserved + one.used - one.granted).value;
        field.check(beyond <= allowed, "exceeded by " + std::to_string(beyond) + ", allowed " + std::to_string(allowed));
      }
    } while (!over);
  };
  const auto threads = store->takes_threads() ? 4 : 1;
  const auto play = [&](std::int64_t first) {
    std::mt19937_64 random(static_cast<std::uint64_t>(first) + 1);
    try {
      for (auto number = first; number < count; number += threads) History(field, random, number).play();
    } catch (const std::exception& failed) { field.check(false, failed.what()); }
  };
  {
    std::vector<std::thread> all;
    for (std::int64_t i = 0; i < threads && threads > 1; ++i) all.emplace_back(play, i);
    if (threads == 1)
      play(0);
    else {
      std::thread watcher(watch);
      for (auto& thread : all) thread.join();
      over = true;
      watcher.join();
    }
  }
  over = true;
  watch();
  INFO(field.fault);
  REQUIRE(field.fault.empty());
  CHECK(field.refused > 0);
  CHECK(field.open > 0);

  Charge used{}, reserved{};
  std::int64_t kept_runs = 0;
  for (const auto& id : grants) {
    const auto one = read(*store, id);
    const auto kept = store->wait(store->allocations().reservations(id, 1'000'000)).value();
    Charge sum{};
    for (const auto& reservation : kept) sum += reservation.reserved;
    CHECK(one.reserved == sum);
    CHECK(one.used == one.lately);  // the sum of its charges, made anew
    used += one.used;
    reserved += one.reserved;
    kept_runs += std::ssize(kept);
  }
  const auto all = store->wait(store->allocations().allocations(std::nullopt, at(0))).value();
  for (const auto& one : all) {
    if (one.kind != domain::AllocationKind::balance) continue;
    CHECK(one.used == one.lately);
    const auto kept = store->wait(store->allocations().reservations(one.id, 1'000'000)).value();
    Charge sum{};
    for (const auto& reservation : kept) sum += reservation.reserved;
    CHECK(one.reserved == sum);
  }
  CHECK(kept_runs == field.open);  // nothing else is kept
  CHECK(used.value == field.charged);
  CHECK((reserved.value > 0) == (field.open > 0));
}
