// SPDX-License-Identifier: Apache-2.0
// Job arrays: one job, one attempt, one site job, and a run for each task.
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::engine::test;
using domain::Run;

namespace {

std::vector<std::int32_t> tasks_with(const domain::Job& job, Outcome outcome) {
  std::vector<std::int32_t> tasks;
  for (const auto& run : job.attempts.back().runs) {
    if (run.outcome == outcome) tasks.push_back(run.task_index);
  }
  std::ranges::sort(tasks);
  return tasks;
}

int running_at(World& w, const std::string& site) {
  return static_cast<int>(std::ranges::count(w.cluster(site).jobs(), connectors::model::ClusterState::running,
                                             &connectors::model::ClusterJob::state));
}

}  // namespace

TEST_CASE("an array ends as its tasks did and each is told and booked", "[engine]") {
  World w({{.id = "alpha", .cores = 8}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=20s exit=3 fails=2,5", .array = "0-9%3"});
  int most = 0;
  for (int i = 0; i < 40 && !w.over(id); ++i) {
    w.advance(5s);
    most = std::max(most, running_at(w, "alpha"));
  }
  REQUIRE(w.run_to_end({id}, 30min));
  CHECK(most == 3);
  const auto job = w.job(id);
  CHECK(job.state == JobState::failed);
  CHECK(job.reason.code == "TASKS_FAILED");
  CHECK(job.reason.message == "8 of 10 tasks succeeded; 2 failed (2,5)");
  CHECK(job.exit_code == 3);
  REQUIRE(job.attempts.size() == 1);
  CHECK(job.attempts[0].runs.size() == 10);
  CHECK(tasks_with(job, Outcome::failed) == std::vector{2, 5});
  CHECK(tasks_with(job, Outcome::succeeded).size() == 8);
  for (const auto& run : job.attempts[0].runs) {
    REQUIRE(run.started_at.has_value());
    CHECK(run.exit_code == (run.outcome == Outcome::failed ? 3 : 0));
    CHECK(*job.started_at <= *run.started_at);
    CHECK(*job.ended_at >= *run.ended_at);
  }
  CHECK(w.site_jobs("alpha", id) == 10);
  CHECK(w.count("alpha", "submit") == 1);

  w.advance(20min);
  auto records = w.usage(id);
  REQUIRE(records.size() == 10);
  std::set<std::string> ids;
  for (const auto& record : records) ids.insert(record.site_job_id.str());
  CHECK(ids.size() == 10);
  w.restart();
  w.advance(20min);
  CHECK(w.usage(id).size() == 10);  // read again, booked once
}

TEST_CASE("an array of which all tasks succeed has succeeded, and what comes after it starts", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=30s", .array = "1,3,5"});
  const auto next = w.submit({.behaviour = "run=10s", .after = {id}});
  w.advance(20s);
  CHECK(w.state(id) == JobState::running);
  CHECK(w.state(next) == JobState::held);
  REQUIRE(w.run_to_end({id, next}, 30min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.state(next) == JobState::succeeded);
  CHECK(*w.job(next).started_at >= *w.job(id).ended_at);
  CHECK(w.job(id).exit_code == 0);
}

TEST_CASE("an array is cancelled as a whole, and says how far it had come", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=60s", .array = "0-7%2"});
  REQUIRE(w.until([&] { return tasks_with(w.job(id), Outcome::succeeded).size() == 4; }, 30min));
  REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  REQUIRE(w.run_to_end({id}, 10min));
  const auto job = w.job(id);
  CHECK(job.state == JobState::cancelled);
  CHECK(job.cancel->outcome == domain::CancelOutcome::stopped);
  CHECK_THAT(job.reason.message, Catch::Contains("4 of 8 tasks succeeded; 4 were cancelled"));
  CHECK(tasks_with(job, Outcome::cancelled).size() == 4);
  CHECK(w.payload_runs(id) <= 6);

  const auto waiting = w.submit({.behaviour = "run=60s", .tasks = 4, .array = "0-1"});
  const auto blocked = w.submit({.behaviour = "run=60s", .tasks = 4, .array = "0-3"});
  w.advance(10s);
  REQUIRE(w.ask(w.engine().cancel(blocked, kAlice)));
  REQUIRE(w.run_to_end({blocked, waiting}, 30min));
  CHECK(w.state(blocked) == JobState::cancelled);
  CHECK(w.job(blocked).cancel->outcome == domain::CancelOutcome::never_started);
  CHECK(w.payload_runs(blocked) == 0);
}

TEST_CASE("a broker that dies at any time loses no task and runs none twice", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  w.site("alpha").faults.lose_submit_replies = GENERATE(0, 1);
  const auto id = w.submit({.behaviour = "run=25s fails=3", .array = "0-11"});
  for (int i = 0; i < 12 && !w.over(id); ++i) {
    w.advance(Milliseconds{7'300});
    w.restart();
  }
  REQUIRE(w.run_to_end({id}, 1h));
  const auto job = w.job(id);
  CHECK(job.state == JobState::failed);
  CHECK_THAT(job.reason.message, Catch::StartsWith("11 of 12 tasks succeeded; 1 failed (3)"));
  CHECK(job.attempts.size() == 1);
  CHECK(w.payload_runs(id) == 12);
  w.advance(20min);
  CHECK(w.usage(id).size() == 12);
}

TEST_CASE("two arrays of one attempt: the one whose task was first runs, the other runs nothing", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  w.site("alpha").faults.submit_delay = 90s;  // the client gives up, and sends again; both arrive
  const auto id = w.submit({.behaviour = "run=30s", .array = "0-3"});
  w.advance(5min);
  w.site("alpha").faults.submit_delay = 0s;
  REQUIRE(w.run_to_end({id}, 2h));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(w.payload_runs(id) == 4);
}

TEST_CASE("an array whose receipt is that of the submission that runs nothing is bound to the other at its first duplicate",
          "[engine]") {
  SiteOptions site{.id = "alpha", .cores = 2};
  site.cluster.min_job_age = 5s;  // not all of its tasks are seen at once
  World w({site});
  w.advance(1s);
  w.site("alpha").faults.submit_delay = 30s;
  const auto id = w.submit({.behaviour = "run=40s", .array = "0-3%1"});
  w.advance(5s);
  const auto first = w.cluster("alpha").submit({.name = domain::make_tag(id, 1).str(),
                                                .account = LocalAccount("alice"),
                                                .queue = QueueName("batch"),
                                                .fenced = true,
                                                .behaviour = {.run = 40s},
                                                .array = domain::parse_task_array("0-3%1").value()});
  REQUIRE(first);
  w.advance(35s);
  w.site("alpha").faults.submit_delay = 0s;
  REQUIRE(w.run_to_end({id}, 2h));
  const auto job = w.job(id);
  CHECK(job.state == JobState::succeeded);
  CHECK(job.attempts.size() == 1);
  const auto bound = w.events_of<domain::AttemptBound>(id);
  REQUIRE(bound.size() == 2);
  CHECK(bound[0].site_job_id != *first);
  CHECK(job.attempts[0].site_job_id == *first);
  CHECK(tasks_with(job, Outcome::succeeded) == std::vector{0, 1, 2, 3});
  CHECK(w.payload_runs(id) == 4);
}

TEST_CASE("a sealed array goes elsewhere, whole", "[engine]") {
  World w({{.id = "alpha", .cores = 4}, {.id = "beta", .cores = 2}});
  w.advance(1s);
  w.site("alpha").faults.refuse = "Invalid job array specification";
  const auto id = w.submit({.behaviour = "run=30s", .array = "0-3"});
  REQUIRE(w.run_to_end({id}, 1h));
  const auto job = w.job(id);
  CHECK(job.state == JobState::succeeded);
  CHECK(job.attempts.back().site == SiteId("beta"));
  CHECK(job.attempts.front().sealed);
  CHECK(w.payload_runs(id) == 4);
}

TEST_CASE("a site that runs no such array says so, and another takes it", "[engine]") {
  SiteOptions none{.id = "alpha", .cores = 64};
  none.cluster.arrays.reset();
  SiteOptions few{.id = "beta", .cores = 64};
  few.cluster.arrays = domain::ArrayLimits{.max_index = 9, .any_indices = false, .at_most = false};
  World w({none, few, {.id = "gamma", .cores = 1}});
  w.advance(1s);
  const auto verdicts = [&](const std::string& array) {
    const auto id = w.submit({.behaviour = "run=1s", .array = array});
    w.advance(2s);
    std::map<std::string, std::string> said;
    for (const auto& verdict : w.decision(id).verdicts)
      said[verdict.site.str()] = verdict.code == "NO_SUCH_ARRAY" ? verdict.message : "";
    REQUIRE(w.run_to_end({id}, 1h));
    CHECK(w.state(id) == JobState::succeeded);
    return said;
  };
  CHECK_THAT(verdicts("0-9")["alpha"], Catch::Contains("runs no job arrays"));
  CHECK(verdicts("0-8:4")["beta"].empty());
  CHECK(verdicts("3,5")["beta"].empty());
  CHECK_THAT(verdicts("0-10")["beta"], Catch::Contains("largest index of a task there is 9"));
  CHECK_THAT(verdicts("0-9%2")["beta"], Catch::Contains("so many tasks at a time (%2)"));
  CHECK_THAT(verdicts("1,2,4")["beta"], Catch::Contains("one step between them, not 1-2,4"));
  CHECK_THAT(verdicts("5")["beta"], Catch::Contains("two tasks or more"));
  CHECK(verdicts("0-10%2")["gamma"].empty());

  const auto alone = w.submit({.array = "0-3"});
  (void)alone;
  const auto rejected = w.try_submit({{.sites = {"alpha"}, .array = "0-3"}});
  REQUIRE(rejected);
  w.advance(5s);
  CHECK(w.state(rejected->jobs.at(0).id) == JobState::rejected);
}

TEST_CASE("tasks that the site does not show are told as not seen, and the job is not over", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  bool hidden = true;
  w.retell = [&](const std::string&, ports::JobStatus& status) {
    if (hidden) std::erase_if(status.tasks, [](const auto& task) { return task.task_index == 2; });
  };
  const auto id = w.submit({.behaviour = "run=60s", .array = "0-3"});
  const auto unknown = [&] { return !w.job(id).attempts.empty() && w.job(id).attempts.back().unknown_since.has_value(); };
  REQUIRE(w.until(unknown, 5min));
  CHECK(w.job(id).attempts.back().reason.code == "TASKS_NOT_SEEN");
  CHECK_THAT(w.job(id).attempts.back().reason.message, Catch::StartsWith("1 tasks of"));
  w.advance(10min);
  CHECK(w.state(id) == JobState::running);
  CHECK(tasks_with(w.job(id), Outcome::succeeded) == std::vector{0, 1, 3});
  CHECK(unknown());
  hidden = false;
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.state(id) == JobState::succeeded);
}

TEST_CASE("tasks of an array are cancelled alone, wherever they are", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  const auto cancel = [&](const JobId& id, std::vector<std::int32_t> tasks) {
    return w.ask(w.engine().cancel_tasks(id, kAlice, std::move(tasks)));
  };
  const auto id = w.submit({.behaviour = "run=60s", .array = "0-7%2"});
  REQUIRE(w.until([&] { return tasks_with(w.job(id), Outcome::succeeded).size() == 2 && running_at(w, "alpha") == 2; }, 30min));
  const auto over = tasks_with(w.job(id), Outcome::succeeded);
  REQUIRE(cancel(id, {over.front(), 3, 6}));  // one that is over, one that runs, one that waits
  CHECK(w.job(id).cancelled_tasks == std::vector{3, 6});
  const auto version = w.job(id).version;
  REQUIRE(cancel(id, {3, 6}));  // said again
  CHECK(w.job(id).cancelled_tasks == std::vector{3, 6});
  const bool killed = GENERATE(false, true);
  if (killed) w.restart();
  REQUIRE(w.run_to_end({id}, 30min));
  const auto job = w.job(id);
  CHECK(job.version > version);
  CHECK(job.state == JobState::cancelled);
  CHECK_THAT(job.reason.message, Catch::Equals("6 of 8 tasks succeeded; 2 were cancelled (3,6)"));
  CHECK(tasks_with(job, Outcome::cancelled) == std::vector{3, 6});
  CHECK_FALSE(job.cancel.has_value());
  CHECK(w.payload_runs(id) == 7);  // all but the one that waited
  CHECK(w.count("alpha", "submit") == 1);

  CHECK(cancel(id, {1}).error().kind == ErrorKind::conflict);  // it is over
  const auto plain = w.submit({.behaviour = "run=5s"});
  CHECK(cancel(plain, {0}).error().code == "NOT_AN_ARRAY");
}

TEST_CASE("tasks that are cancelled before the array is sent are not sent", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.site("alpha").faults.down = true;
  w.advance(1min);
  const auto id = w.submit({.behaviour = "run=20s", .array = "0-5"});
  w.advance(5s);
  const auto cancel = [&](std::vector<std::int32_t> tasks) {
    return w.ask(w.engine().cancel_tasks(id, kAlice, std::move(tasks)));
  };
  CHECK(cancel({4, 9}).error().code == "NO_SUCH_TASK");
  REQUIRE(cancel({2, 4}));
  w.restart();
  CHECK(w.job(id).cancelled_tasks == std::vector{2, 4});
  w.site("alpha").faults.down = false;
  REQUIRE(w.run_to_end({id}, 30min));
  const auto job = w.job(id);
  CHECK(w.site_jobs("alpha", id) == 4);
  CHECK(job.state == JobState::cancelled);
  CHECK_THAT(job.reason.message, Catch::Equals("4 of 6 tasks succeeded; 2 were cancelled (2,4)"));

  w.site("alpha").faults.down = true;
  w.advance(5min);
  const auto none_left = w.submit({.behaviour = "run=20s", .array = "0,3"});
  w.advance(1s);
  REQUIRE(w.ask(w.engine().cancel_tasks(none_left, kAlice, {0})));
  REQUIRE(w.ask(w.engine().cancel_tasks(none_left, kAlice, {3})));
  CHECK(w.job(none_left).state == JobState::cancelled);
  CHECK(w.job(none_left).cancel->outcome == domain::CancelOutcome::never_started);
}

TEST_CASE("an array in line that loses tasks stands in another line", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.site("alpha").faults.down = true;
  w.advance(1min);
  const auto id = w.submit({.behaviour = "run=20s", .array = "0-5"});
  w.advance(5s);
  REQUIRE(w.ask(w.engine().cancel_tasks(id, kAlice, {2, 4})));
  w.advance(3min);  // rounds of placement over what is in line
  CHECK(w.state(id) == JobState::held);
  w.site("alpha").faults.down = false;
  REQUIRE(w.run_to_end({id}, 30min));
  CHECK(w.site_jobs("alpha", id) == 4);
}

TEST_CASE("an array all of whose tasks are cancelled one after the other is cancelled, wherever it was", "[engine]") {
  World w({{.id = "alpha", .cores = 1}});
  w.advance(1min);
  const bool on_its_way = GENERATE(false, true);
  const auto blocker = w.submit({.behaviour = "run=600s", .limit = 900s});
  w.advance(10s);
  if (on_its_way) w.site("alpha").faults.down = true;  // what becomes of the submission nobody knows
  const auto id = w.submit({.behaviour = "run=20s", .array = "0,3"});
  w.advance(1s);
  REQUIRE(w.ask(w.engine().cancel_tasks(id, kAlice, {0})));
  REQUIRE(w.ask(w.engine().cancel_tasks(id, kAlice, {3})));
  CHECK(w.job(id).cancel.has_value());
  w.site("alpha").faults.down = false;
  REQUIRE(w.run_to_end({id, blocker}, 60min));
  CHECK(w.state(id) == JobState::cancelled);
  CHECK(w.payload_runs(id) == 0);
}

TEST_CASE("a task that is cancelled before it began, and that its site forgets, is over once its fence is sealed", "[engine]") {
  World w({{.id = "alpha", .cores = 4}});
  w.advance(1s);
  bool forgets = false;
  w.retell = [&](const std::string&, ports::JobStatus& status) {  // as Slurm does, in queue and accounting
    if (forgets)
      std::erase_if(status.tasks, [](const auto& task) { return task.outcome == Outcome::cancelled && !task.started_at; });
  };
  const auto id = w.submit({.behaviour = "run=60s", .array = "0-5%2"});
  REQUIRE(w.until([&] { return running_at(w, "alpha") == 2; }, 5min));
  forgets = true;
  REQUIRE(w.ask(w.engine().cancel_tasks(id, kAlice, {4, 5})));
  const bool killed = GENERATE(false, true);
  if (killed) w.restart();
  REQUIRE(w.run_to_end({id}, 30min));
  const auto job = w.job(id);
  CHECK(job.state == JobState::cancelled);
  CHECK_THAT(job.reason.message, Catch::Equals("4 of 6 tasks succeeded; 2 were cancelled (4-5)"));
  CHECK(w.events_of<domain::AttemptUnknown>(id).empty());
  CHECK(w.payload_runs(id) == 4);
}
