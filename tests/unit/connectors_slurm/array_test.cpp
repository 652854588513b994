// SPDX-License-Identifier: Apache-2.0
// Arrays: one submission, many tasks.
#include "tests/unit/connectors_slurm/bench.hpp"

namespace hansa::connectors::slurm {

using namespace test;
using domain::CancelOutcome;
using domain::Outcome;
using ports::CancelWhen;
using ports::Phase;

namespace {

ports::SiteJob array_job(std::vector<std::int32_t> tasks) {
  auto job = Bench::job("7", "hansa-A-1");
  job.tasks = std::move(tasks);
  return job;
}

std::string task_row(const std::string& id, int task, const std::string& state, const std::string& priority = "10") {
  const bool waits = state == "PENDING";
  return row({id,
              "7_" + std::to_string(task),
              "alice",
              "alpha",
              "main",
              state,
              "None",
              "1800000000",
              "1800000000",
              "1800000001",
              "1800000009",
              "10:00",
              priority,
              "0",
              state == "FAILED" ? "768" : "0",
              "cpu=1,node=1",
              waits ? "" : "n1",
              "proj1",
              "1",
              "OK",
              "hansa-A-1"});
}

}  // namespace

TEST_CASE("array: one submission, output and fence of each task") {
  Bench bench;
  bench.site.players["sbatch"] = [](const Command&) { return answer("7\n"); };
  auto request = Bench::request();
  request.spec.array = domain::parse_task_array("0-15:4%2").value();
  CHECK(bench.ask(bench.connector->submit(request, bench.soon()))->site_job_id.str() == "7");
  const auto& sbatch = bench.site.last("sbatch");
  CHECK(has_argument(sbatch, "--array=0-12:4%2"));
  CHECK(has_argument(sbatch, "--output=.hansa/output/hansa-T-1.%a.out"));
  CHECK_FALSE(has_argument(sbatch, "--dependency=singleton"));  // its tasks have one name
  CHECK(sbatch.input.contains("hansa_array_variable='SLURM_ARRAY_JOB_ID'"));
  ports::Fence fence{Tag("hansa-T-1"), 0, LocalAccount("alice"), Principal("local:alice"), true};
  CHECK(bench.ask(bench.connector->seal(fence, bench.soon()))->sealed);
  CHECK(bench.site.last("/ln").arguments.back() == ".hansa/fence/hansa-T-1.array");
  auto job = array_job({4});
  (void)bench.ask(bench.connector->read_output(job, ports::Stream::err, 0, 10, bench.soon()));
  CHECK(std::ranges::any_of(bench.site.last("/dd").arguments,
                            [](const auto& argument) { return argument.contains("output/hansa-A-1.4.err"); }));
}

TEST_CASE("array: its tasks are told by the queue, and by the history what it has forgotten") {
  Bench bench;
  bench.site.players["squeue"] = [](const Command&) {
    return answer(task_row("9", 1, "RUNNING") + task_row("7", 3, "PENDING") + task_row("10", 2, "FAILED"));
  };
  bench.site.players["sacct"] = [](const Command& command) {
    CHECK(has_argument(command, "--jobs=7"));
    return answer(history_row("7_0", "hansa-A-1", "COMPLETED") + history_row("7_1", "hansa-A-1", "COMPLETED") +
                  history_row("7_4", "hansa-A-1", "RUNNING") + history_row("7_[5-6]", "hansa-A-1", "CANCELLED by 0"));
  };
  const auto status = [&](std::vector<std::int32_t> tasks) {
    return bench.ask(bench.connector->status({array_job(std::move(tasks))}, bench.soon()))->front();
  };
  const auto all = status({0, 1, 2, 3, 4, 5, 6});
  CHECK(all.phase == Phase::running);
  std::map<std::int32_t, Phase> phases;
  for (const auto& task : all.tasks) phases[task.task_index] = task.phase;
  CHECK(phases == std::map<std::int32_t, Phase>{{0, Phase::ended},
                                                {1, Phase::running},
                                                {2, Phase::ended},
                                                {3, Phase::queued},
                                                {5, Phase::ended},
                                                {6, Phase::ended}});  // 4: alive in the accounting alone
  CHECK(all.tasks[2].exit_code == 3);
  CHECK(all.tasks[2].id.str() == "7_2");
  CHECK(bench.site.count("sacct") == 1);
  CHECK(status({1, 3}).tasks.size() == 2);
  CHECK(bench.site.count("sacct") == 1);  // the queue has them all
  const auto over = status({0, 2, 5});
  CHECK(over.phase == Phase::ended);
  CHECK(over.outcome == Outcome::failed);
  CHECK(over.reason.message == "1 of 3 tasks succeeded; 1 failed (2); 1 were cancelled (5)");
  // A job of that number and name that is no array, or an array where none was sent: another's.
  bench.site.players["sacct"] = [](const Command&) { return answer(""); };
  bench.site.players["squeue"] = [](const Command&) { return answer(queue_row("7", "hansa-A-1", "RUNNING")); };
  CHECK(status({1}).tasks.empty());
  const auto plain = bench.ask(bench.connector->status({Bench::job("7", "hansa-A-1")}, bench.soon()));
  CHECK(plain->front().phase == Phase::running);
  bench.site.players["squeue"] = [](const Command&) { return answer(task_row("9", 1, "RUNNING")); };
  CHECK(bench.ask(bench.connector->status({Bench::job("7", "hansa-A-1")}, bench.soon()))->front().phase == Phase::not_seen);
}

TEST_CASE("array: found as one, cancelled as one, held as one") {
  Bench bench;
  bench.site.players["squeue"] = [](const Command&) { return answer(task_row("9", 1, "RUNNING") + task_row("7", 2, "PENDING")); };
  bench.site.players["sacct"] = [](const Command&) {
    return answer(history_row("7_0", "hansa-A-1", "COMPLETED") + history_row("7_1", "hansa-A-1", "RUNNING") +
                  history_row("7_[2]", "hansa-A-1", "PENDING"));
  };
  const auto found = bench.ask(bench.connector->find({array_job({0, 1, 2})}, bench.soon()));
  REQUIRE(found.has_value());
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings[0].status.id.str() == "7");
  CHECK(found->sightings[0].status.tasks.size() == 3);
  CHECK(found->sightings[0].status.phase == Phase::running);

  std::vector<std::string> changes;
  bool held = false, over = false;
  bench.site.players["scontrol"] = [&](const Command& command) {
    if (command.arguments.front() == "hold") held = true;
    if (command.arguments.front() == "hold" || command.arguments.front() == "release")
      changes.push_back(command.arguments.front() + ' ' + command.arguments.back());
    return answer(std::string(kConfiguration));
  };
  bench.site.players["scancel"] = [&](const Command& command) {
    changes.push_back("scancel " + command.arguments.back());
    over = true;
    return answer("");
  };
  bench.site.players["squeue"] = [&](const Command&) {
    if (over) return answer("");
    return answer(task_row("9", 1, "PENDING", held ? "0" : "10") + task_row("7", 2, "PENDING", held ? "0" : "10"));
  };
  bench.site.players["sacct"] = [&](const Command&) {
    return answer(over ? row({"7_[1-2]", "alpha", "alice", "proj1", "main", "1800000000", "Unknown", "1800000009", "0",
                              "CANCELLED by 1001", "0:0", "", "0", "hansa-A-1"})
                       : "");
  };
  CHECK(bench.ask(bench.connector->cancel(array_job({1, 2}), CancelWhen::only_while_pending, bench.soon())) ==
        CancelOutcome::never_started);
  CHECK(changes == std::vector<std::string>{"hold 7", "scancel 7"});
}

TEST_CASE("array: one that was cancelled before any task started is told in one row under its number") {
  Bench bench;
  const auto cancelled = row({"7", "alpha", "alice", "proj1", "main", "1800000000", "Unknown", "1800000009", "0",
                              "CANCELLED by 1001", "0:0", "", "0", "hansa-A-1"});
  bench.site.players["squeue"] = [](const Command&) { return answer(""); };
  bench.site.players["sacct"] = [&](const Command&) { return answer(cancelled); };
  const auto job = array_job({1, 2});
  const auto status = bench.ask(bench.connector->status({job}, bench.soon()))->front();
  CHECK(status.phase == Phase::ended);
  CHECK(status.outcome == Outcome::cancelled);
  CHECK(status.tasks.size() == 2);
  const auto found = bench.ask(bench.connector->find({job}, bench.soon()));
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings[0].status.tasks.size() == 2);
  CHECK(bench.ask(bench.connector->cancel(job, CancelWhen::only_while_pending, bench.soon())) == CancelOutcome::never_started);
  // What other rows tell stays; a job of that number that had nodes was another's.
  bench.site.players["sacct"] = [&](const Command&) { return answer(history_row("7_1", "hansa-A-1", "COMPLETED") + cancelled); };
  CHECK(bench.ask(bench.connector->status({job}, bench.soon()))->front().tasks[0].outcome == Outcome::succeeded);
  bench.site.players["sacct"] = [&](const Command&) { return answer(history_row("7", "hansa-A-1", "COMPLETED")); };
  CHECK(bench.ask(bench.connector->status({job}, bench.soon()))->front().tasks.empty());
}

TEST_CASE("array: what a site runs is its MaxArraySize") {
  const auto limits = [](const std::string& configuration) {
    Bench bench;
    bench.site.configuration = std::string(kConfiguration) + configuration;
    const auto snapshot = bench.ask(bench.connector->snapshot(bench.soon()));
    REQUIRE(snapshot.has_value());
    return snapshot->arrays;
  };
  CHECK_FALSE(limits("").has_value());
  CHECK(limits("MaxArraySize = 1001\n").value().max_index == 1'000);
  CHECK(limits("MaxArraySize = 4000001\n").value().max_index == 4'000'000);
  CHECK(limits("MaxArraySize = 1\n").value().max_index == 0);
  CHECK_FALSE(limits("MaxArraySize = 0\n").has_value());
}

}  // namespace hansa::connectors::slurm
