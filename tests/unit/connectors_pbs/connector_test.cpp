// SPDX-License-Identifier: Apache-2.0
// The connector against a site that is played: every command is seen, every answer chosen.
#include "connectors/transport/wrapper.hpp"
#include "tests/unit/connectors_pbs/played_site.hpp"

#include <functional>
#include <map>

namespace hansa::connectors::pbs {

using domain::CancelOutcome;
using domain::Outcome;
using ports::CancelWhen;
using ports::Phase;
using test::answer;
using test::Bench;
using test::Fields;
using test::job_record;
using test::kDone;
using test::kSeparator;
using test::record;
using transport::Command;
using transport::CommandResult;

TEST_CASE("status: one call for all jobs, of whom each is told alone") {
  Bench bench;
  bench.site.players["qstat"] = [](const Command&) {
    return answer(job_record("1.s", "hansa-A-1", "Q", {{"comment", "Not Running: Insufficient amount of resource: ncpus"}}) +
                      job_record("2.s", "hansa-B-1", "R") + job_record("3.s", "somebody-elses", "R") +
                      job_record("4.s", "hansa-D-1", "R", {}, "mallory") +
                      job_record("5.s", "hansa-E-1", "F", {{"substate", "93"}, {"Exit_status", "3"}}) +
                      job_record("7.s", "hansa-G-1", "F", {{"substate", "92"}, {"Exit_status", "nan"}}),
                  153, "qstat: Unknown Job Id 6.s\n");
  };
  std::vector<ports::SiteJob> jobs;
  for (const auto& [id, tag] : {std::pair{"1.s", "hansa-A-1"},
                                {"2.s", "hansa-B-1"},
                                {"3.s", "hansa-C-1"},
                                {"4.s", "hansa-D-1"},
                                {"5.s", "hansa-E-1"},
                                {"6.s", "hansa-F-1"},
                                {"7.s", "hansa-G-1"},
                                {"; rm", "hansa-H-1"}})
    jobs.push_back(Bench::job(id, tag));
  const auto statuses = bench.ask(bench.connector->status(jobs, bench.soon()));
  REQUIRE(statuses.has_value());
  const std::vector<Phase> phases{Phase::queued, Phase::running,  Phase::not_seen, Phase::not_seen,
                                  Phase::ended,  Phase::not_seen, Phase::not_seen, Phase::not_seen};
  for (std::size_t i = 0; i < phases.size(); ++i) {
    INFO(i);
    CHECK(statuses->at(i).phase == phases[i]);
    CHECK(statuses->at(i).id == jobs[i].id);
  }
  CHECK(statuses->at(0).pending_reason.starts_with("Not Running"));
  CHECK(statuses->at(4).exit_code == 3);
  CHECK(bench.site.count("/qstat") == 3);  // the server and its queues once
  const auto& asked = bench.site.last("/qstat");
  CHECK(asked.arguments == std::vector<std::string>{"-f", "-x", "-E", "-F", "dsv", "-D", std::string(kSeparator), "1.s", "2.s",
                                                    "3.s", "4.s", "5.s", "6.s", "7.s"});
  CHECK(asked.account.empty());
  CHECK(asked.environment == std::vector<std::pair<std::string, std::string>>{
                                 {"TZ", "UTC"}, {"LC_ALL", "C"}, {"PBS_CONF_FILE", "/etc/pbs.conf"}, {"PBS_SERVER", "pbs01"}});
  // What was left out is said, once.
  REQUIRE(bench.log.lines.size() == 1);
  CHECK(bench.log.lines.front().contains("Exit_status is \"nan\""));
  CHECK(bench.ask(bench.connector->status(jobs, bench.soon())).has_value());
  CHECK(bench.log.lines.size() == 1);
}

TEST_CASE("array: its subjobs are told one by one, found as one and booked each for itself") {
  Bench bench;
  const std::string tag = "hansa-01ARZ3NDEKTSV4RRFFQ69G5FAV-1";
  const auto subjob = [&](int index, const std::string& state, Fields more = {}) {
    more.insert(more.end(), {{"array_id", "19[].s"}, {"array_index", std::to_string(index)}});
    return job_record("19[" + std::to_string(index) + "].s", tag, state, std::move(more));
  };
  const auto array = [&](const std::string& state) {
    return job_record("19[].s", tag, state, {{"array", "True"}, {"stime", "1800000001"}});
  };
  const Fields placed{{"exec_vnode", "(n1:ncpus=1)"}, {"run_count", "1"}, {"stime", "1800000001"}};
  Fields failed{{"substate", "93"}, {"Exit_status", "5"}, {"exec_vnode", "(n1:ncpus=1)"}};
  bench.site.players["qstat"] = [&](const Command&) {
    auto over = placed;
    over.insert(over.end(), {{"substate", "92"}, {"Exit_status", "0"}});
    return answer(array("B") + subjob(1, "X", over) + subjob(2, "R") + subjob(3, "Q", {{"stime", "1800000001"}}) +
                  subjob(4, "X", placed));
  };
  auto job = Bench::job("19[].s", tag);
  job.tasks = {1, 2, 3, 4, 5};
  const auto told = bench.ask(bench.connector->status({job}, bench.soon()))->front();
  CHECK(std::ranges::count(bench.site.last("/qstat").arguments, "-t") == 1);
  CHECK(told.phase == Phase::running);
  REQUIRE(told.tasks.size() == 4);
  CHECK(told.tasks[0].outcome == Outcome::succeeded);
  CHECK(told.tasks[1].phase == Phase::running);
  CHECK(told.tasks[2].phase == Phase::queued);
  CHECK(told.tasks[3].phase == Phase::finishing);  // over, and its end is not told yet

  bench.site.players["qstat"] = [&](const Command&) {
    // The array's own Exit_status is 0 whatever became of it; what never ran repeats its start.
    return answer(array("F") + subjob(1, "F", kDone) + subjob(2, "F", failed) +
                  record("Job Id: 19[3].s", {{"Job_Name", tag},
                                             {"Job_Owner", "alice@login"},
                                             {"job_state", "F"},
                                             {"server", "s"},
                                             {"ctime", "1800000000"},
                                             {"mtime", "1800000009"},
                                             {"stime", "1800000001"},
                                             {"substate", "91"}}));
  };
  bench.site.players["qselect"] = [](const Command&) { return answer("19[].s\n"); };
  job.tasks = {1, 2, 3};
  const auto over = bench.ask(bench.connector->status({job}, bench.soon()))->front();
  CHECK(over.phase == Phase::ended);
  CHECK(over.outcome == Outcome::failed);
  CHECK(over.exit_code == 5);
  CHECK(over.reason.message == "1 of 3 tasks succeeded; 1 failed (2); 1 were cancelled (3)");
  CHECK_FALSE(over.tasks[2].started_at.has_value());
  const auto found = bench.ask(bench.connector->find({job}, bench.soon()));
  REQUIRE(found.has_value());
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings[0].status.id.str() == "19[].s");
  CHECK(found->sightings[0].status.outcome == Outcome::failed);
  const auto page = bench.ask(bench.connector->usage({}, bench.soon()));
  REQUIRE(page.has_value());
  REQUIRE(page->records.size() == 3);  // not the array's own
  CHECK(page->records[1].site_job_id.str() == "19[2].s");
  CHECK(page->records[1].array_id.str() == "19[].s");
  // A job where an array was sent, and the other way round: somebody else's.
  CHECK(bench.ask(bench.connector->status({Bench::job("19[].s", tag)}, bench.soon()))->front().phase == Phase::not_seen);
}

TEST_CASE("status: a server that does not answer is no absence") {
  Bench bench;
  bench.site.players["qstat"] = [](const Command&) {
    return answer("", 255, "Connection refused\nqstat: cannot connect to server pbs01 (errno=15010)\n");
  };
  const auto statuses = bench.ask(bench.connector->status({Bench::job("1.s", "hansa-A-1")}, bench.soon()));
  REQUIRE_FALSE(statuses.has_value());
  CHECK(statuses.error().kind == ErrorKind::unavailable);
  CHECK(statuses.error().message.contains("cannot connect to server"));
  bench.site.players["qstat"] = [](const Command&) { return answer("{\n\t\"timestamp\":\t1795339204\n}\n"); };
  CHECK(bench.ask(bench.connector->status({Bench::job("1.s", "hansa-A-1")}, bench.soon())).error().code == "SITE_GARBLED");
}

TEST_CASE("status: thousands of jobs go in few calls that hansa-switch takes") {
  Bench bench;
  std::vector<ports::SiteJob> jobs;
  for (int i = 0; i < 5000; ++i) jobs.push_back(Bench::job(std::to_string(1'000'000 + i) + ".pbs01.example.eu", "hansa-A-1"));
  REQUIRE(bench.ask(bench.connector->status(jobs, bench.soon())).has_value());
  CHECK(bench.site.count("/qstat") <= 7);
  for (const auto& command : bench.site.commands) {
    std::size_t bytes = 0;
    for (const auto& argument : command.arguments) bytes += argument.size() + 4;
    CHECK(bytes < std::size_t{60} << 10);
  }
}

TEST_CASE("where each person sees only their own jobs, each account is asked") {
  Bench bench;
  bench.site.set("query_other_jobs", "False");
  bench.site.players["qstat"] = [](const Command& command) -> Result<CommandResult> {
    if (command.account.str() == "bob") return fail(ErrorKind::permission_denied, "OTHER_ACCOUNT", "no bob");
    return answer(command.account.str() == "alice" ? job_record("1.s", "hansa-A-1", "R") : "");
  };
  const auto statuses =
      bench.ask(bench.connector->status({Bench::job("1.s", "hansa-A-1"), Bench::job("2.s", "hansa-B-1", "bob")}, bench.soon()));
  REQUIRE(statuses.has_value());
  CHECK(statuses->at(0).phase == Phase::running);
  CHECK(statuses->at(1).phase == Phase::not_seen);
  CHECK(bench.site.last("/qstat").account.str() == "bob");
}

TEST_CASE("find: by name, in the queue and the history") {
  Bench bench;
  bench.site.players["qselect"] = [](const Command& command) {
    CHECK(command.arguments == std::vector<std::string>{"-x", "-N", "hansa-A-1"});
    return answer("1.s\n5.s\n");
  };
  bench.site.players["qstat"] = [](const Command& command) {
    CHECK(std::ranges::count(command.arguments, "1.s") == 1);
    return answer(job_record("1.s", "hansa-A-1", "F", kDone) + job_record("5.s", "hansa-A-1", "Q", {}, "mallory"));
  };
  const auto find = [&] { return bench.ask(bench.connector->find({Bench::job("", "hansa-A-1")}, bench.soon())); };
  auto found = find();
  REQUIRE(found.has_value());
  CHECK((found->queue_seen && found->history_seen));
  REQUIRE(found->sightings.size() == 2);
  CHECK(found->sightings[0].status.id.str() == "1.s");
  CHECK(found->sightings[0].status.outcome == Outcome::succeeded);
  CHECK(found->sightings[0].cluster == "s");
  CHECK(found->sightings[1].account.str() == "mallory");

  bench.site.players["qselect"] = [](const Command&) { return answer("1.s\ngarbage\n"); };
  CHECK_FALSE(find()->queue_seen);
  bench.site.players["qselect"] = [](const Command&) {
    return answer("", 162, "Connection refused\nqselect: cannot connect to server pbs01 (errno=15010)\n");
  };
  CHECK(find().error().code == "SITE_DOWN");
  bench.site.players["qselect"] = [](const Command&) { return answer(""); };
  CHECK(find()->sightings.empty());
}

TEST_CASE("a server without history: what waits and runs is seen, and absence proves nothing") {
  Bench bench;
  bench.site.set("job_history_enable", "False");
  bench.site.players["qselect"] = [](const Command& command) {
    CHECK(command.arguments == std::vector<std::string>{"-N", "hansa-A-1"});  // with -x it would answer with nothing
    return answer("1.s\n");
  };
  bench.site.players["qstat"] = [](const Command& command) {
    CHECK(std::ranges::count(command.arguments, "-x") == 0);
    return answer(job_record("1.s", "hansa-A-1", "R"));
  };
  const auto found = bench.ask(bench.connector->find({Bench::job("", "hansa-A-1")}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->sightings.size() == 1);
  CHECK(found->queue_seen);
  CHECK_FALSE(found->history_seen);
  CHECK(bench.ask(bench.connector->status({Bench::job("1.s", "hansa-A-1")}, bench.soon()))->front().phase == Phase::running);
}

TEST_CASE("find: many names are looked for one by one, so that no neighbour's odd record hides them") {
  Bench bench;
  bench.site.set("job_history_enable", "True");
  std::vector<ports::SiteJob> wanted;
  for (int i = 0; i < 20; ++i) wanted.push_back(Bench::job("", "hansa-A-" + std::to_string(i)));
  bench.site.players["qselect"] = [](const Command& command) {
    const auto name = std::ranges::find(command.arguments, "-N");
    return answer(*std::next(name) == "hansa-A-7" ? "1.s\n" : "");
  };
  bench.site.players["qstat"] = [](const Command&) { return answer(job_record("1.s", "hansa-A-7", "Q")); };
  const auto found = bench.ask(bench.connector->find(wanted, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(bench.site.count("/qselect") == 20);
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings.front().tag.str() == "hansa-A-7");
  CHECK(found->queue_seen);
  CHECK(found->history_seen);
  CHECK(std::ranges::find(bench.site.last("/qstat").arguments, "1.s") != bench.site.last("/qstat").arguments.end());
}

TEST_CASE("submit: the wrapper for PBS goes to qsub's standard input, as the account") {
  Bench bench;
  bench.site.players["qsub"] = [](const Command&) { return answer("12.s\n"); };
  ports::SubmitRequest request;
  request.tag = Tag("hansa-T-1");
  request.account = LocalAccount("alice");
  request.queue = QueueName("workq");
  request.payload.script = "#!/bin/sh\n";
  const auto receipt = bench.ask(bench.connector->submit(request, bench.soon()));
  REQUIRE(receipt.has_value());
  CHECK(receipt->site_job_id.str() == "12.s");
  const auto& command = bench.site.last("/qsub");
  CHECK(command.program == "/opt/pbs/bin/qsub");
  CHECK(command.account.str() == "alice");
  CHECK(command.tag == "hansa-T-1");
  CHECK(command.self_limit == Seconds{59});
  CHECK(command.input.contains("hansa_job_variable='PBS_JOBID'"));
  CHECK(command.input.contains("hansa_writes_output='yes'"));
  CHECK_FALSE(command.input.contains("#PBS"));
  CHECK(bench.site.count("/mkdir") == 1);

  bench.site.players["qsub"] = [](const Command&) { return answer("", 170, "qsub: Unknown queue\n"); };
  const auto refused = bench.ask(bench.connector->submit(request, bench.soon()));
  CHECK(refused.error().kind == ErrorKind::unknown_outcome);
  CHECK(refused.error().code == "SITE_REFUSED");
  CHECK(refused.error().message == "the site refused the job: Unknown queue");
}

TEST_CASE("cancel: what it came to, by what the server tells afterwards") {
  struct Case {
    std::string before;
    std::string after;
    CancelOutcome outcome;
    std::size_t deletions;
  };
  const auto queued = job_record("1.s", "hansa-A-1", "Q");
  const auto running = job_record("1.s", "hansa-A-1", "R");
  const Fields deleted{{"substate", "91"}, {"Exit_status", "271"}};
  const auto never = record(
      "Job Id: 1.s",
      {{"Job_Name", "hansa-A-1"}, {"Job_Owner", "alice@s"}, {"job_state", "F"}, {"substate", "91"}, {"ctime", "1800000000"}});
  for (const auto& [before, after, outcome, deletions] :
       std::vector<Case>{{queued, never, CancelOutcome::never_started, 1},
                         {running, job_record("1.s", "hansa-A-1", "F", deleted), CancelOutcome::stopped, 1},
                         {running, job_record("1.s", "hansa-A-1", "F", kDone), CancelOutcome::already_ended, 1},
                         {job_record("1.s", "hansa-A-1", "F", kDone), job_record("1.s", "hansa-A-1", "F", kDone),
                          CancelOutcome::already_ended, 0},
           // The number is another job's now: it is left alone.
                         {job_record("1.s", "hansa-Z-1", "R"), job_record("1.s", "hansa-Z-1", "R"), CancelOutcome::unknown, 0},
                         {running, running, CancelOutcome::unknown, 20}}) {
    INFO(before << " -> " << after);
    Bench bench;
    bool asked = false;
    bench.site.players["qdel"] = [&](const Command& command) {
      CHECK(command.arguments == std::vector<std::string>{"1.s"});
      CHECK(command.account.str() == "alice");
      asked = true;
      return answer("");
    };
    bench.site.players["qstat"] = [&](const Command&) { return answer(asked ? after : before); };
    const auto done = bench.ask(bench.connector->cancel(Bench::job("1.s", "hansa-A-1"), CancelWhen::always, bench.soon()));
    REQUIRE(done.has_value());
    CHECK(*done == outcome);
    CHECK(bench.site.count("/qdel") <= deletions);
    CHECK((bench.site.count("/qdel") > 0) == (deletions > 0));
  }
}

TEST_CASE("cancel: refused, unreachable, and an id that is none") {
  Bench bench;
  bench.site.players["qstat"] = [](const Command&) { return answer(job_record("1.s", "hansa-A-1", "R")); };
  const auto cancel = [&](const std::string& id) {
    return bench.ask(bench.connector->cancel(Bench::job(id, "hansa-A-1"), CancelWhen::always, bench.soon()));
  };
  bench.site.players["qdel"] = [](const Command&) { return answer("", 159, "qdel: Unauthorized Request  1.s\n"); };
  CHECK(cancel("1.s").error().kind == ErrorKind::permission_denied);
  bench.site.players["qdel"] = [](const Command&) {
    return answer("", 162, "Connection refused\nCouldn't connect to cluster: pbs01\n");
  };
  CHECK(cancel("1.s").error().kind == ErrorKind::unavailable);
  CHECK(cancel("1.s; rm").error().kind == ErrorKind::invalid_argument);
}

TEST_CASE("cancel: of an array those that are not over, range by range, the waiting first") {
  Bench bench;
  const std::string tag = "hansa-A-1";
  const auto subjob = [&](int index, const std::string& state, Fields more = {}) {
    more.insert(more.end(), {{"array_id", "19[].s"}, {"array_index", std::to_string(index)}});
    return job_record("19[" + std::to_string(index) + "].s", tag, state, std::move(more));
  };
  const Fields placed{{"exec_vnode", "(n1:ncpus=1)"}, {"run_count", "1"}, {"stime", "1800000001"}};
  const auto ended = [&](const std::string& substate, const std::string& exit, const std::string& comment) {
    auto fields = placed;
    fields.insert(fields.end(), {{"substate", substate}, {"Exit_status", exit}, {"comment", comment}});
    return fields;
  };
  // What 23.06.06 makes up of a subjob that never ran: its array's exit status is that of whatever ended last.
  const Fields made_up{{"substate", "70"}, {"Exit_status", "1"}, {"stime", "1800000001"}, {"comment", "Subjob finished"}};
  bool asked = false;
  bench.site.players["qstat"] = [&](const Command&) {
    const auto array = job_record("19[].s", tag, "B", {{"array", "True"}, {"stime", "1800000001"}});
    const auto over = subjob(0, "X", ended("92", "0", "Job run at x and finished"));
    if (!asked)
      return answer(array + over + subjob(1, "R", placed) + subjob(2, "Q") + subjob(3, "E", ended("51", "0", "Job run at x")));
    return answer(array + over + subjob(1, "X", ended("93", "271", "Job run at x and terminated by alice@s and failed")) +
                  subjob(2, "X", made_up) + subjob(3, "X", ended("93", "271", "Job run at x and failed")));
  };
  std::vector<std::vector<std::string>> deleted;
  bench.site.players["qdel"] = [&](const Command& command) {
    deleted.push_back(command.arguments);
    asked = true;
    return answer("");
  };
  auto job = Bench::job("19[].s", tag);
  job.tasks = {0, 1, 2, 3};
  CHECK(bench.ask(bench.connector->cancel(job, CancelWhen::always, bench.soon())).value() == CancelOutcome::already_ended);
  CHECK(deleted == std::vector<std::vector<std::string>>{{"19[2].s"}, {"19[1].s"}});
  const auto told = bench.ask(bench.connector->status({job}, bench.soon()))->front();
  REQUIRE(told.tasks.size() == 4);
  CHECK(told.tasks[0].outcome == Outcome::succeeded);
  CHECK(told.tasks[1].outcome == Outcome::cancelled);
  CHECK(told.tasks[1].started_at.has_value());
  CHECK(told.tasks[2].outcome == Outcome::cancelled);
  CHECK_FALSE(told.tasks[2].started_at.has_value());
  CHECK_FALSE(told.tasks[2].exit_code.has_value());
  CHECK(told.tasks[3].outcome == Outcome::failed);  // of the same signal, by itself
  CHECK(told.tasks[3].signal == 15);

  asked = false;
  deleted.clear();
  job.tasks = {2};
  job.these_tasks_only = true;
  CHECK(bench.ask(bench.connector->cancel(job, CancelWhen::always, bench.soon())).value() == CancelOutcome::never_started);
  CHECK(deleted == std::vector<std::vector<std::string>>{{"19[2].s"}});

  // Ranges of those that wait, each in a call of its own; while none is over the array as a whole.
  bool over = true;
  bench.site.players["qstat"] = [&](const Command&) {
    auto text =
        job_record("19[].s", tag, "B", {{"array", "True"}, {"stime", "1800000001"}}) + subjob(0, over ? "X" : "R", placed);
    for (const int task : {1, 3, 5, 6, 7, 9, 20}) text += subjob(task, "Q");
    return answer(text + subjob(21, "R", placed) + subjob(22, "R", placed));
  };
  job.tasks = {0, 1, 3, 5, 6, 7, 9, 20, 21, 22};
  job.these_tasks_only = false;
  const auto asks = [&] {
    deleted.clear();
    const auto deadline = async::Deadline::in(bench.scheduler, Milliseconds{100});
    CHECK(bench.ask(bench.connector->cancel(job, CancelWhen::always, deadline)).value() == CancelOutcome::unknown);
    return deleted;
  };
  CHECK(asks() ==
        std::vector<std::vector<std::string>>{{"19[1-5:2].s"}, {"19[6-7].s"}, {"19[9-20:11].s"}, {"19[21].s", "19[22].s"}});
  over = false;
  CHECK(asks() == std::vector<std::vector<std::string>>{{"19[].s"}});
  job.these_tasks_only = true;
  job.tasks = {6, 22};
  CHECK(asks() == std::vector<std::vector<std::string>>{{"19[6].s"}, {"19[22].s"}});
}

TEST_CASE("cancel: of an array of which not all is told the tasks one by one, for one that is over may be among the rest") {
  Bench bench;
  const std::string tag = "hansa-A-1";
  const auto subjob = [&](int index, const std::string& state, Fields more = {}) {
    more.insert(more.end(), {{"array_id", "19[].s"}, {"array_index", std::to_string(index)}});
    return job_record("19[" + std::to_string(index) + "].s", tag, state, std::move(more));
  };
  const auto seen =
      job_record("19[].s", tag, "B", {{"array", "True"}, {"stime", "1800000001"}}) + subjob(1, "R") + subjob(2, "Q");
  auto told = answer(seen);
  std::vector<std::vector<std::string>> expected{{"19[2].s"}, {"19[1].s"}};
  SECTION("all is told") { expected = {{"19[].s"}}; }
  SECTION("it was cut") { told.out_truncated = true; }
  SECTION("a record is not understood") { told.out += subjob(3, "X", {{"substate", "92"}, {"Exit_status", "nan"}}); }
  std::vector<std::vector<std::string>> deleted;
  bench.site.players["qstat"] = [&](const Command&) { return told; };
  bench.site.players["qdel"] = [&](const Command& command) {
    deleted.push_back(command.arguments);
    return answer("");
  };
  auto job = Bench::job("19[].s", tag);
  job.tasks = {1, 2, 3};
  const auto deadline = async::Deadline::in(bench.scheduler, Milliseconds{100});
  CHECK(bench.ask(bench.connector->cancel(job, CancelWhen::always, deadline)).value() == CancelOutcome::unknown);
  CHECK(deleted == expected);
}

TEST_CASE("cancel: of an array's scattered tasks so many at a time, and what runs once none waits") {
  Bench bench;
  const std::string tag = "hansa-A-1";
  const auto subjob = [&](int index, const std::string& state) {
    return job_record("19[" + std::to_string(index) + "].s", tag, state,
                      {{"array_id", "19[].s"}, {"array_index", std::to_string(index)}});
  };
  std::vector<int> waiting;
  for (int i = 1; i <= 120; ++i) waiting.push_back(i * (i + 1) / 2);  // no three of them with one step
  bench.site.players["qstat"] = [&](const Command&) {
    auto text = job_record("19[].s", tag, "B", {{"array", "True"}, {"stime", "1800000001"}}) + subjob(0, "R");
    for (const int task : waiting) text += subjob(task, "Q");
    return answer(text);
  };
  auto job = Bench::job("19[].s", tag);
  job.tasks.assign(waiting.begin(), waiting.end());
  job.tasks.insert(job.tasks.begin(), 0);
  job.these_tasks_only = true;
  const auto ask = [&] {
    bench.site.commands.clear();
    const auto deadline = async::Deadline::in(bench.scheduler, Milliseconds{100});
    CHECK(bench.ask(bench.connector->cancel(job, CancelWhen::always, deadline)).value() == CancelOutcome::unknown);
    return bench.site.count("/qdel");
  };
  CHECK(ask() == 50);
  CHECK(bench.site.last("/qdel").arguments == std::vector<std::string>{"19[4950-5050:100].s"});
  waiting.erase(waiting.begin(), waiting.begin() + 100);
  CHECK(ask() == 11);
  CHECK(bench.site.last("/qdel").arguments == std::vector<std::string>{"19[0].s"});
}

TEST_CASE("cancel while pending: held, read back, then ended; what started meanwhile is let go") {
  for (const bool starts : {false, true}) {
    INFO(starts);
    Bench bench;
    std::string state = "Q";
    Fields more;
    bench.site.players["qhold"] = [&](const Command& command) {
      CHECK(command.arguments == std::vector<std::string>{"-h", "u", "1.s"});
      state = starts ? "R" : "H";
      more = {{"Hold_Types", "u"}};
      return answer("");
    };
    bench.site.players["qrls"] = [&](const Command&) {
      more.clear();
      return answer("");
    };
    bench.site.players["qdel"] = [&](const Command&) {
      state = "gone";
      return answer("");
    };
    bench.site.players["qstat"] = [&](const Command&) {
      if (state == "gone")
        return answer(record("Job Id: 1.s", {{"Job_Name", "hansa-A-1"},
                                             {"Job_Owner", "alice@s"},
                                             {"job_state", "F"},
                                             {"substate", "91"},
                                             {"ctime", "1800000000"}}));
      return answer(job_record("1.s", "hansa-A-1", state, more));
    };
    const auto done =
        bench.ask(bench.connector->cancel(Bench::job("1.s", "hansa-A-1"), CancelWhen::only_while_pending, bench.soon()));
    REQUIRE(done.has_value());
    CHECK(*done == (starts ? CancelOutcome::unknown : CancelOutcome::never_started));
    CHECK(bench.site.count("/qdel") == (starts ? 0 : 1));
    CHECK(bench.site.count("/qrls") == (starts ? 1 : 0));
  }
}

TEST_CASE("options that cannot work are said by name") {
  Bench bench;
  const auto refused = [&](Options options) {
    options.site = SiteId("s");
    const auto made = PbsConnector::make(std::move(options), bench.site, bench.scheduler, bench.random, bench.log);
    return made ? std::string() : made.error().faults.front().where;
  };
  CHECK(refused({.site = {}}).empty());
  CHECK(refused({.site = {}, .conf = "pbs.conf"}) == "pbs.conf");
  CHECK(refused({.site = {}, .server = "a b"}) == "pbs.server");
  CHECK(refused({.site = {}, .bin_dir = "bin"}) == "pbs.bin_dir");
  CHECK(refused({.site = {}, .accounting = "log"}) == "pbs.accounting");
  CHECK(refused({.site = {}, .work_dir = "here"}) == "work_dir");
  CHECK(refused({.site = {}, .gpus = {.count = "", .model = ""}}) == "pbs.gpu_resource");
  CHECK(refused({.site = {}, .gpus = {.count = "ngpus", .model = "a:b"}}) == "pbs.gpu_model_resource");
}

}  // namespace hansa::connectors::pbs
