// SPDX-License-Identifier: Apache-2.0
// Arrays: tasks that start, end and are cancelled each for itself.
#include "tests/contract/connectors/contract_bench.hpp"

#include <map>

namespace hansa::contract {

TEST_CASE("connector: a site that runs no arrays says so and takes none", "[contract]") {
  Bench bench;
  const auto snapshot = bench.ask(bench.connector().snapshot(bench.soon()));
  REQUIRE(snapshot.has_value());
  CHECK(snapshot->arrays.has_value() == bench.site().runs_arrays());
  if (bench.site().runs_arrays()) return;
  const auto receipt = bench.ask(bench.connector().submit(bench.array("0-3", {.prints = "must not run"}), bench.soon()));
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().code == "NO_SUCH_ARRAY");
  CHECK(ports::surely_not_sent(receipt.error()));
}

TEST_CASE("connector: an array is one submission of tasks that end each for itself and so many at a time", "[contract]") {
  Bench bench;
  if (!bench.site().runs_arrays()) return;
  const auto job = bench.submit(bench.array("1-5%2", {.prints = "task", .runs = Seconds{2}, .exit_code = 3, .failing = {2, 5}}));
  std::size_t most = 0;
  JobStatus ended;
  REQUIRE(bench.wait_for(
      [&] {
        ended = bench.status(job);
        most = std::max(most, static_cast<std::size_t>(std::ranges::count(ended.tasks, Phase::running, &JobStatus::phase)));
        return ended.phase == Phase::ended;
      },
      Seconds{60}));
  CHECK(most >= 1);
  CHECK(most <= 2);
  CHECK(ended.id == job.id);
  CHECK(ended.outcome == Outcome::failed);
  CHECK(ended.exit_code == 3);
  CHECK(ended.reason.message == "3 of 5 tasks succeeded; 2 failed (2,5)");
  REQUIRE(ended.tasks.size() == 5);
  for (int task = 1; task <= 5; ++task) {
    const auto& of_task = ended.tasks[static_cast<std::size_t>(task) - 1];
    const bool fails = task == 2 || task == 5;
    INFO("task " << task << ": " << of_task.site_state << " " << of_task.reason.message);
    CHECK(of_task.task_index == task);
    CHECK(of_task.phase == Phase::ended);
    CHECK(of_task.outcome == (fails ? Outcome::failed : Outcome::succeeded));
    CHECK(of_task.exit_code == (fails ? 3 : 0));
    CHECK(of_task.run == 0);
    REQUIRE(of_task.started_at.has_value());
    REQUIRE(of_task.ended_at.has_value());
    auto one = job;
    one.tasks = {task};
    const auto alone = bench.status(one);  // only what is asked about is told
    REQUIRE(alone.tasks.size() == 1);
    CHECK(alone.phase == Phase::ended);
    CHECK(alone.tasks.front().exit_code == of_task.exit_code);
    if (bench.site().executes()) CHECK(bench.output(one) == "task " + std::to_string(task) + "\n");
  }
  const auto found = bench.ask(bench.connector().find({job}, bench.soon()));
  REQUIRE(found.has_value());
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings.front().status.id == job.id);
  CHECK(found->sightings.front().status.outcome == Outcome::failed);
  CHECK(found->sightings.front().account == job.account);

  std::map<SiteJobId, domain::UsageRecord> records;
  REQUIRE(bench.wait_for([&] {
    ports::UsageCursor cursor;
    for (bool complete = false; !complete;) {
      const auto page = bench.ask(bench.connector().usage(cursor, bench.soon()));
      REQUIRE(page.has_value());
      for (const auto& each : page->records) {
        if (each.tag == job.tag) records.insert_or_assign(each.site_job_id, each);
      }
      cursor = page->next;
      complete = page->complete;
    }
    return records.size() >= 5;
  }));
  CHECK(records.size() == 5);
  for (const auto& of_task : ended.tasks) {
    REQUIRE(records.contains(of_task.id));
    const auto& record = records.at(of_task.id);
    CHECK(record.array_id == job.id);
    CHECK(record.started_at == of_task.started_at);
    CHECK(record.ended_at == of_task.ended_at);
    if (of_task.exit_code == 0 || bench.site().books_exit_codes()) CHECK(record.exit_code == of_task.exit_code);
    CHECK(record.core_seconds.value == record.elapsed.count() * record.cores);
  }
}

TEST_CASE("connector: an array is cancelled as a whole and what it had begun is told", "[contract]") {
  Bench bench;
  if (!bench.site().runs_arrays()) return;
  SECTION("before any of it has started") {
    const auto when = GENERATE(CancelWhen::always, CancelWhen::only_while_pending);
    bench.block_site();
    const auto job = bench.submit(bench.array("0-3", {.prints = "must not run"}));
    const auto waits = bench.wait_for_phase(job, Phase::queued);
    CHECK(waits.tasks.size() == 4);
    const auto outcome = bench.ask(bench.connector().cancel(job, when, bench.soon()));
    REQUIRE(outcome.has_value());
    CHECK(*outcome == CancelOutcome::never_started);
    const auto ended = bench.wait_for_phase(job, Phase::ended);
    CHECK(ended.outcome == Outcome::cancelled);
    CHECK_FALSE(ended.started_at.has_value());
    REQUIRE(ended.tasks.size() == 4);
    for (const auto& task : ended.tasks) CHECK_FALSE(task.started_at.has_value());
  }
  SECTION("half-way") {
    const auto job = bench.submit(bench.array("0-5%2", {.prints = "task", .runs = Seconds{300}}));
    const auto two_run = [&] { return std::ranges::count(bench.status(job).tasks, Phase::running, &JobStatus::phase) == 2; };
    REQUIRE(bench.wait_for(two_run));
    const auto left_alone = bench.ask(bench.connector().cancel(job, CancelWhen::only_while_pending, bench.soon()));
    REQUIRE(left_alone.has_value());
    CHECK(*left_alone == CancelOutcome::unknown);
    CHECK(two_run());
    const auto outcome = bench.ask(bench.connector().cancel(job, CancelWhen::always, bench.soon()));
    REQUIRE(outcome.has_value());
    CHECK(*outcome == CancelOutcome::stopped);
    const auto ended = bench.wait_for_phase(job, Phase::ended);
    CHECK(ended.outcome == Outcome::cancelled);
    REQUIRE(ended.tasks.size() == 6);
    CHECK(std::ranges::count_if(ended.tasks, [](const auto& task) { return task.started_at.has_value(); }) == 2);
  }
}

TEST_CASE("connector: tasks of an array are cancelled alone and again and after their end", "[contract]") {
  Bench bench;
  if (!bench.site().runs_arrays()) return;
  const auto some = [](SiteJob job, std::vector<std::int32_t> tasks) {
    job.tasks = std::move(tasks);
    job.these_tasks_only = true;
    return job;
  };
  const auto cancel = [&](const SiteJob& tasks) {
    const auto outcome = bench.ask(bench.connector().cancel(tasks, CancelWhen::always, bench.soon()));
    REQUIRE(outcome.has_value());
    return *outcome;
  };
  const auto in_phase = [](const JobStatus& status, Phase phase) {
    std::vector<std::int32_t> tasks;
    for (const auto& task : status.tasks) {
      if (task.phase == phase) tasks.push_back(task.task_index);
    }
    return tasks;
  };
  SECTION("half-way") {
    const auto job = bench.submit(bench.array("0-5%2", {.prints = "task", .runs = Seconds{300}}));
    REQUIRE(bench.wait_for([&] { return in_phase(bench.status(job), Phase::running).size() == 2; }));
    const auto before = in_phase(bench.status(job), Phase::running);
    const auto waits = in_phase(bench.status(job), Phase::queued);
    REQUIRE(waits.size() == 4);
    const auto running = before.front(), waiting = waits.back();
    for (int i = 0; i < 2; ++i) CHECK(cancel(some(job, {running, waiting})) == CancelOutcome::stopped);
    // A site may forget what never began (Slurm does): then its own fence is free, and says so once it is sealed.
    const auto outcome = cancel(some(job, {waiting}));
    CHECK((outcome == CancelOutcome::never_started || outcome == CancelOutcome::unknown));
    const bool forgotten = bench.status(some(job, {waiting})).tasks.empty();
    CHECK(forgotten == (outcome == CancelOutcome::unknown));
    if (forgotten) {
      const auto seal = bench.ask(bench.connector().seal(
          {.tag = job.tag, .task_index = waiting, .account = job.account, .person = job.person}, bench.soon()));
      REQUIRE(seal.has_value());
      CHECK(seal->sealed);
    }
    const auto over = forgotten ? std::vector{running} : std::vector{running, waiting};
    JobStatus now;
    REQUIRE(bench.wait_for([&] {
      now = bench.status(job);
      return in_phase(now, Phase::ended) == over && in_phase(now, Phase::running).size() == 2;
    }));
    CHECK(now.phase == Phase::running);
    for (const auto& task : now.tasks) {
      if (task.phase != Phase::ended) continue;
      CHECK(task.outcome == Outcome::cancelled);
      CHECK(task.started_at.has_value() == (task.task_index == running));
    }
    CHECK(std::ranges::count(in_phase(now, Phase::running), before.back()) == 1);  // which nobody meant
    auto rest = job;
    if (forgotten) std::erase(rest.tasks, waiting);
    REQUIRE(bench.ask(bench.connector().cancel(rest, CancelWhen::always, bench.soon())).has_value());
    CHECK(bench.wait_for_phase(rest, Phase::ended).outcome == Outcome::cancelled);
  }
  SECTION("after their end") {
    const auto job = bench.submit(bench.array("3-5", {.prints = "task"}));
    bench.wait_for_phase(job, Phase::ended);
    CHECK(cancel(some(job, {3})) == CancelOutcome::already_ended);
    CHECK(bench.status(job).outcome == Outcome::succeeded);
  }
}

TEST_CASE("connector: one seal is that of all tasks of an array and one start holds it for all", "[contract]") {
  Bench bench;
  if (!bench.site().runs_arrays()) return;
  const auto right_of = [](const SiteJob& job) {
    return ports::Fence{.tag = job.tag, .task_index = 0, .account = job.account, .person = job.person, .whole_array = true};
  };
  SECTION("sealed first") {
    const auto blocker = bench.block_site();
    const auto job = bench.submit(bench.array("0-2", {.prints = "must not run"}));
    for (int i = 0; i < 2; ++i) {
      const auto sealed = bench.ask(bench.connector().seal(right_of(job), bench.soon()));
      REQUIRE(sealed.has_value());
      CHECK(sealed->sealed);
    }
    REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
    const auto ended = bench.wait_for_phase(job, Phase::ended);
    CHECK(ended.reason.code == "DUPLICATE");
    CHECK_FALSE(ended.started_at.has_value());
    for (const auto& task : ended.tasks) CHECK(task.reason.code == "DUPLICATE");
  }
  SECTION("started first") {
    const auto job = bench.submit(bench.array("0-2%1", {.prints = "task", .runs = Seconds{2}}));
    bench.wait_for_phase(job, Phase::running);
    if (bench.site().executes()) {
      auto first = job;
      first.tasks = {0};
      REQUIRE(bench.wait_for([&] { return bench.output(first) == "task 0\n"; }));
    }
    const auto sealed = bench.ask(bench.connector().seal(right_of(job), bench.soon()));
    REQUIRE(sealed.has_value());
    CHECK_FALSE(sealed->sealed);
    CHECK(sealed->holder == job.id);
    const auto ended = bench.wait_for_phase(job, Phase::ended, Seconds{30});
    CHECK(ended.outcome == Outcome::succeeded);  // the others pass by the right that the first has taken
  }
}

}  // namespace hansa::contract
