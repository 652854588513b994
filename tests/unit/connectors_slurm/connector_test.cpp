// SPDX-License-Identifier: Apache-2.0
// The port, call by call, at a site that is played.
#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"
#include "connectors/transport/wrapper.hpp"
#include "tests/unit/connectors_slurm/bench.hpp"

namespace hansa::connectors::slurm {

using namespace test;
using domain::CancelOutcome;
using domain::Outcome;
using ports::CancelWhen;
using ports::Phase;

TEST_CASE("submit: the work_dir is made once, sbatch runs as the account and ends itself before the deadline") {
  Bench bench;
  bench.site.players["sbatch"] = [](const Command&) { return answer("12\n"); };
  REQUIRE(bench.ask(bench.connector->submit(Bench::request(), bench.soon()))->site_job_id.str() == "12");
  CHECK(bench.site.count("mkdir") == 1);
  CHECK(bench.site.last("mkdir").arguments == std::vector<std::string>{"-p", "-m", "700", "--", ".hansa", ".hansa/fence",
                                                                       ".hansa/refused", ".hansa/jobs", ".hansa/output",
                                                                       ".hansa/code", ".hansa/secrets"});
  REQUIRE(bench.ask(bench.connector->submit(Bench::request(), bench.soon())).has_value());
  CHECK(bench.site.count("mkdir") == 1);
  CHECK(bench.site.count("sbatch") == 2);
  const auto& sbatch = bench.site.last("sbatch");
  CHECK(sbatch.account.str() == "alice");
  CHECK(sbatch.self_limit > Seconds{0});
  CHECK(sbatch.self_limit < Seconds{60});
  CHECK(sbatch.input.starts_with("#!/bin/bash\n"));

  bench.site.players["sbatch"] = [](const Command&) { return answer("", 1, "sbatch: error: no\n"); };
  CHECK(bench.ask(bench.connector->submit(Bench::request(), bench.soon())).error().code == "SITE_REFUSED");
  bench.site.players["sbatch"] = [](const Command&) { return answer("13\n"); };
  REQUIRE(bench.ask(bench.connector->submit(Bench::request(), bench.soon())).has_value());
  CHECK(bench.site.count("mkdir") == 2);  // after a failure it is looked after again
}

TEST_CASE("submit: only what surely did not leave is anything but unknown") {
  Bench bench;
  bench.site.players["sbatch"] = [](const Command&) -> Result<CommandResult> {
    return fail(ErrorKind::permission_denied, "X", "no");
  };
  CHECK(bench.ask(bench.connector->submit(Bench::request(), bench.soon())).error().kind == ErrorKind::permission_denied);
  bench.site.players["sbatch"] = [](const Command&) -> Result<CommandResult> {
    return fail(ErrorKind::unknown_outcome, "X", "broke");
  };
  CHECK(bench.ask(bench.connector->submit(Bench::request(), bench.soon())).error().kind == ErrorKind::unknown_outcome);
  {
    Bench fresh;
    fresh.site.players["mkdir"] = [](const Command&) -> Result<CommandResult> {
      return fail(ErrorKind::unknown_outcome, "X", "broke");
    };
    CHECK(fresh.ask(fresh.connector->submit(Bench::request(), fresh.soon())).error().kind == ErrorKind::unavailable);
    CHECK(fresh.site.count("sbatch") == 0);
  }
  const auto sent = bench.site.count("sbatch");
  CHECK(bench.ask(bench.connector->submit(Bench::request(), async::Deadline::in(bench.scheduler, Milliseconds{900})))
            .error()
            .kind != ErrorKind::unknown_outcome);
  CHECK(bench.site.count("sbatch") == sent);
}

TEST_CASE("submit: secrets are the standard input of a command, never its words, and nothing is sent without them") {
  Bench bench;
  auto request = Bench::request();
  const auto folder = ".hansa/secrets/" + request.tag.str();
  request.secrets = {{.file = "token", .value = Secret("MARKER-1")}, {.file = "key", .value = Secret("MARKER-2")}};
  std::vector<Command> all;
  std::map<std::string, std::string> files;
  bench.site.players["dd"] = [&](const Command& command) {
    all.push_back(command);
    files[command.arguments.at(0)] = command.input;
    return answer("");
  };
  bench.site.players["sbatch"] = [&](const Command& command) {
    all.push_back(command);
    return answer("12\n");
  };
  REQUIRE(bench.ask(bench.connector->submit(request, bench.soon())).has_value());
  CHECK(bench.site.last("mkdir").arguments == std::vector<std::string>{"-p", "-m", "700", "--", folder});
  CHECK(bench.site.until.at("dd") < bench.site.until.at("sbatch"));  // there is time left to send the job
  CHECK(files ==
        std::map<std::string, std::string>{{"of=" + folder + "/token", "MARKER-1"}, {"of=" + folder + "/key", "MARKER-2"}});
  for (const auto& command : all) {
    CHECK(command.account.str() == "alice");
    for (const auto& word : command.arguments) CHECK_FALSE(word.contains("MARKER"));
    for (const auto& [name, value] : command.environment) CHECK_FALSE(value.contains("MARKER"));
  }
  CHECK_FALSE(all.back().input.contains("MARKER"));
  CHECK_FALSE(all.back().input.contains(to_base64("MARKER-1").substr(0, 8)));

  bench.site.players["dd"] = [](const Command&) { return answer("", 1, "dd: failed to open 'x': Disk quota exceeded\n"); };
  const auto sent = bench.site.count("sbatch");
  const auto refused = bench.ask(bench.connector->submit(request, bench.soon()));
  CHECK(refused.error().kind == ErrorKind::storage_full);
  CHECK_FALSE(refused.error().message.contains("MARKER"));
  CHECK(bench.site.count("sbatch") == sent);

  std::string seen = "81a4 8 131 1764383639.000000000 " + folder + "/token" + '\0';
  bench.site.players["stat"] = [&](const Command&) { return answer(seen); };
  bench.site.players["dd"] = [](const Command&) { return answer(""); };
  const auto emptied = bench.site.count("dd");
  const ports::SiteJob job{.id = SiteJobId("12"), .tag = request.tag, .account = request.account, .person = request.person};
  REQUIRE(bench.ask(bench.connector->remove_secrets(job, {"token", "key"}, bench.soon())));
  CHECK(bench.site.count("dd") == emptied + 1);
  CHECK(bench.site.last("dd").arguments.at(0) == "of=" + folder + "/token");
  CHECK(bench.site.last("dd").input.empty());
  seen.clear();
  REQUIRE(bench.ask(bench.connector->remove_secrets(job, {"token", "key"}, bench.soon())));
  CHECK(bench.site.count("dd") == emptied + 1);
}

TEST_CASE("submit: code is brought once, checked before it has its name, and gone on with after a cut") {
  Bench bench;
  std::string content(9'500'000, 'c');
  for (std::size_t i = 0; i < content.size(); i += 1'000) content[i] = static_cast<char>('a' + i / 1'000 % 26);
  const auto digest = sha256_hex(content);
  const auto whole = ".hansa/code/" + digest + ".tar", part = whole + ".s.part";
  std::map<std::string, std::string> files;
  std::size_t cut_after = 99, read = 0;
  bench.site.players["sbatch"] = [](const Command&) { return answer("12\n"); };
  bench.site.players["stat"] = [&](const Command&) {
    std::string out;
    for (const auto& [path, bytes] : files)
      out += "81a4 " + std::to_string(bytes.size()) + " 7 1.5 " + path + std::string(1, '\0');
    return files.size() == 2 ? answer(out) : answer(out, 1, "/usr/bin/stat: cannot statx 'x': No such file or directory\n");
  };
  bench.site.players["dd"] = [&](const Command& command) -> Result<CommandResult> {
    if (cut_after-- == 0) return fail(ErrorKind::unknown_outcome, "X", "broke");
    CHECK(has_argument(command, "of=" + part));
    CHECK(command.account.str() == "alice");
    CHECK(command.input.size() <= (std::size_t{4} << 20));
    for (const auto& argument : command.arguments) {
      if (!argument.starts_with("seek=")) continue;
      const auto seek = std::stoul(argument.substr(5));
      CHECK(has_argument(command, "conv=notrunc") == (seek > 0));
      if (seek == 0) files[part].clear();
      files[part].resize(std::max(files[part].size(), seek));
      files[part].replace(seek, command.input.size(), command.input);
    }
    return answer("");
  };
  bench.site.players["sha256sum"] = [&](const Command& command) {
    CHECK(command.arguments.back() == part);
    return answer(sha256_hex(files[part]) + "  " + part + std::string(1, '\0'));
  };
  bench.site.players["mv"] = [&](const Command& command) {
    CHECK(command.arguments == std::vector<std::string>{"-f", "-T", "--", part, whole});
    files[whole] = std::move(files[part]);
    files.erase(part);
    return answer("");
  };
  const auto submit = [&] {
    auto request = Bench::request();
    request.code = {.id = CodeId("sha256:" + digest),
                    .size = content.size(),
                    .read = [&](std::uint64_t offset, std::size_t limit) -> ports::Task<std::string> {
                      ++read;
                      co_return content.substr(offset, limit);
                    }};
    return bench.ask(bench.connector->submit(std::move(request), bench.soon()));
  };
  SECTION("whole, and then it is there") {
    REQUIRE(submit());
    CHECK(files == std::map<std::string, std::string>{{whole, content}});
    CHECK(bench.site.count("dd") == 3);
    CHECK(has_argument(bench.site.last("dd"), "conv=fsync"));
    CHECK(bench.site.last("sbatch").input.contains("hansa_code='" + digest + "'"));
    REQUIRE(submit());
    CHECK(bench.site.count("dd") == 3);
    CHECK(read == 3);
  }
  SECTION("a cut: nothing of the job has left, and the next one goes on") {
    cut_after = 2;
    const auto cut = submit();
    CHECK(cut.error().kind == ErrorKind::unavailable);
    CHECK(cut.error().code == "CODE_NOT_STAGED");
    CHECK(bench.site.count("sbatch") == 0);
    cut_after = 99;
    REQUIRE(submit());
    CHECK(files[whole] == content);
    CHECK(read == 3 + 1);  // the third piece twice
  }
  SECTION("what is begun and wrong begins anew, once") {
    files[part] = std::string(content.size(), 'x');
    REQUIRE(submit());
    CHECK(files[whole] == content);
    files.clear();
    bench.site.players["sha256sum"] = [&](const Command&) { return answer(std::string(64, '0') + "  x" + std::string(1, '\0')); };
    CHECK(submit().error().code == "CODE_NOT_STAGED");
    CHECK(bench.site.count("mv") == 1);
  }
  SECTION("a full disk says so") {
    bench.site.players["dd"] = [&](const Command&) {
      return answer("", 1, "/usr/bin/dd: error writing 'x': Disk quota exceeded\n");
    };
    CHECK(submit().error().kind == ErrorKind::storage_full);
    CHECK(bench.site.count("sbatch") == 0);
  }
}

TEST_CASE("status: the queue first, the history only for what it has forgotten") {
  Bench bench;
  bench.site.players["squeue"] = [](const Command&) {
    return answer(queue_row("1", "hansa-A-1", "RUNNING") + queue_row("2", "hansa-B-1", "COMPLETED") +
                  queue_row("4", "hansa-X-9", "RUNNING") + queue_row("5", "hansa-E-1", "RUNNING", "bob"));
  };
  bench.site.players["sacct"] = [](const Command& command) {
    CHECK(has_argument(command, "--jobs=1,3,4,5,6"));
    CHECK(has_argument(command, "--endtime=now"));
    return answer(history_row("3", "hansa-C-1", "NODE_FAIL") + history_row("3", "hansa-C-1", "COMPLETED") +
                  history_row("4", "hansa-old-1", "COMPLETED", "1700000000") + history_row("6", "hansa-F-1", "RUNNING"));
  };
  const auto statuses = bench.ask(bench.connector->status(
      {Bench::job("1", "hansa-A-1"), Bench::job("2", "hansa-B-1"), Bench::job("3", "hansa-C-1"), Bench::job("4", "hansa-D-1"),
       Bench::job("5", "hansa-E-1"), Bench::job("6", "hansa-F-1"), Bench::job("1", "hansa-G-1")},
      bench.soon()));
  REQUIRE(statuses.has_value());
  CHECK((*statuses)[0].phase == Phase::running);
  CHECK((*statuses)[1].outcome == Outcome::succeeded);
  CHECK((*statuses)[2].outcome == Outcome::succeeded);
  CHECK((*statuses)[2].run == 1);
  CHECK((*statuses)[3].phase == Phase::not_seen);  // its number belongs to others: another name now, another before
  CHECK((*statuses)[4].phase == Phase::not_seen);  // bob under alice's tag
  CHECK((*statuses)[5].phase == Phase::not_seen);  // alive in the accounting alone
  CHECK((*statuses)[6].phase == Phase::not_seen);
  CHECK(bench.site.count("squeue") == 1);
  CHECK(bench.site.count("sacct") == 1);
}

TEST_CASE("status: id, tag and account are enough, whatever the site's clock says") {
  Bench bench;
  bench.site.players["sacct"] = [](const Command& command) {
    CHECK(has_argument(command, "--starttime=2000-01-01T00:00:00"));
    return answer(history_row("1", "hansa-A-1", "COMPLETED", "1700000000"));  // years before the intent
  };
  const auto statuses = bench.ask(bench.connector->status({Bench::job("1", "hansa-A-1")}, bench.soon()));
  REQUIRE(statuses.has_value());
  CHECK(statuses->front().outcome == Outcome::succeeded);
}

TEST_CASE("status: a dead accounting does not hide what the controller knows, nor make anything up") {
  Bench bench;
  bench.site.players["squeue"] = [](const Command&) { return answer(queue_row("1", "hansa-A-1", "RUNNING")); };
  bench.site.players["sacct"] = [](const Command&) {
    return answer("", 1, "sacct: error: Problem talking to the database: Connection refused\n");
  };
  const auto statuses =
      bench.ask(bench.connector->status({Bench::job("1", "hansa-A-1"), Bench::job("2", "hansa-B-1")}, bench.soon()));
  REQUIRE(statuses.has_value());
  CHECK((*statuses)[0].phase == Phase::running);
  CHECK((*statuses)[1].phase == Phase::not_seen);
  CHECK(bench.ask(bench.connector->status({Bench::job("2", "hansa-B-1")}, bench.soon())).error().kind == ErrorKind::unavailable);
  bench.site.players["squeue"] = [](const Command&) {
    return answer("", 1, "slurm_load_jobs error: Unable to contact slurm controller\n");
  };
  CHECK(bench.ask(bench.connector->status({Bench::job("1", "hansa-A-1")}, bench.soon())).error().kind == ErrorKind::unavailable);
  bench.site.players["squeue"] = [](const Command&) { return answer("Welcome to alpha!\n"); };
  CHECK(bench.ask(bench.connector->status({Bench::job("1", "hansa-A-1")}, bench.soon())).error().code == "SITE_GARBLED");
}

TEST_CASE("status: a refused start is told apart from a payload with the same exit code, as the account") {
  Bench bench;
  bench.site.players["squeue"] = [](const Command&) {
    return answer(queue_row("1", "hansa-A-1", "FAILED", "alice", "10", "n1", "28928"));
  };
  const auto ask = [&] { return bench.ask(bench.connector->status({Bench::job("1", "hansa-A-1")}, bench.soon()))->front(); };
  CHECK(ask().exit_code == 113);
  CHECK(ask().reason.code == "EXIT_CODE");
  CHECK(bench.site.last("readlink").account.str() == "alice");

  bench.site.players["readlink"] = [](const Command&) { return answer("DUPLICATE:job:9:0"); };
  CHECK(ask().reason.code == "DUPLICATE");
  CHECK_FALSE(ask().exit_code.has_value());
  // It left no note, but the fence is another's.
  bench.site.players["readlink"] = [](const Command& command) {
    return command.arguments.back().contains("/refused/") ? answer("", 1, "readlink: x: No such file or directory\n")
                                                          : answer("job:9:0");
  };
  CHECK(ask().reason.code == "DUPLICATE");
  bench.site.players["readlink"] = [](const Command& command) {
    return command.arguments.back().contains("/refused/") ? answer("", 1, "readlink: x: No such file or directory\n")
                                                          : answer("job:1:0");
  };
  CHECK(ask().reason.code == "EXIT_CODE");
  bench.site.players["readlink"] = [](const Command&) -> Result<CommandResult> {
    return fail(ErrorKind::unavailable, "X", "down");
  };
  CHECK(ask().phase == Phase::finishing);  // not over before it is known how
}

TEST_CASE("find: a refused start is told as status() tells it, of the account that was asked for only") {
  Bench bench;
  bench.site.players["squeue"] = [](const Command&) {
    return answer(queue_row("1", "hansa-A-1", "FAILED", "alice", "10", "n1", "28928") +
                  queue_row("2", "hansa-A-1", "FAILED", "bob", "10", "n1", "28928") + queue_row("3", "hansa-A-1", "COMPLETED"));
  };
  bench.site.players["sacct"] = [](const Command&) {
    return answer(row({"4", "alpha", "alice", "proj1", "main", "1800000000", "1800000001", "1800000009", "8", "FAILED", "114:0",
                       "cpu=1,node=1", "8", "hansa-A-1"}));
  };
  bench.site.players["readlink"] = [](const Command& command) {
    return answer(command.arguments.back().ends_with(".1.0") ? "DUPLICATE:job:3:0:x" : "SITE_REQUEUED:job:4:0:x");
  };
  const auto found = bench.ask(bench.connector->find({Bench::job("", "hansa-A-1")}, bench.soon()));
  REQUIRE(found.has_value());
  REQUIRE(found->sightings.size() == 4);
  CHECK(found->sightings[0].status.reason.code == "DUPLICATE");
  CHECK_FALSE(found->sightings[0].status.exit_code.has_value());
  CHECK(found->sightings[1].status.reason.code == "EXIT_CODE");  // bob's: not looked into
  CHECK(found->sightings[2].status.outcome == Outcome::succeeded);
  CHECK(found->sightings[3].status.reason.code == "SITE_REQUEUED");
  CHECK(bench.site.count("readlink") == 2);
  CHECK(bench.site.last("readlink").account.str() == "alice");
}

TEST_CASE("find: says which of queue and history it could see") {
  Bench bench;
  const auto find = [&] { return bench.ask(bench.connector->find({Bench::job("", "hansa-A-1")}, bench.soon())); };
  auto found = find();
  REQUIRE(found.has_value());
  CHECK(found->sightings.empty());
  CHECK(found->queue_seen);
  CHECK(found->history_seen);
  CHECK(has_argument(bench.site.last("squeue"), "--name=hansa-A-1"));
  CHECK(has_argument(bench.site.last("squeue"), "--states=all"));
  CHECK(has_argument(bench.site.last("sacct"), "--starttime=2027-01-14T08:00:00"));  // the intent, less a day

  bench.site.players["sacct"] = [](const Command&) { return answer("", 0, "sacct: error: something\n"); };
  CHECK_FALSE(find()->history_seen);
  bench.site.players["sacct"] = [](const Command&) {
    return answer(history_row("3", "HANSA-A-1", "COMPLETED") + history_row("4", "hansa-A-1", "COMPLETED", "1800000000", "bob"));
  };
  bench.site.players["squeue"] = [](const Command&) {
    return answer(queue_row("5", "hansa-A-1", "PENDING", "alice", "10", "") + "torn");
  };
  found = find();
  CHECK_FALSE(found->queue_seen);  // a row that could not be read may have been ours
  CHECK(found->history_seen);
  REQUIRE(found->sightings.size() == 2);  // sacct does not regard case; we do
  CHECK(found->sightings[0].status.phase == Phase::queued);
  CHECK(found->sightings[1].account.str() == "bob");  // shown: whose it is, is the engine's question
  bench.site.players["squeue"] = [](const Command&) {
    return answer(queue_row("x", "hansa-A-1", "PENDING") + queue_row("5", "hansa-A-1", "PENDING"));
  };
  CHECK_FALSE(find()->queue_seen);

  bench.site.players["squeue"] = [](const Command&) {
    return answer("", 1, "slurm_load_jobs error: Unable to contact slurm controller\n");
  };
  bench.site.players["sacct"] = [](const Command&) { return answer("", 1, "sacct: error: x\n"); };
  CHECK(find().error().kind == ErrorKind::unavailable);
}

TEST_CASE("where each sees only their own jobs, each account is asked") {
  Bench bench;
  bench.site.configuration = "ClusterName = alpha\nSLURM_VERSION = 22.05.8\nPrivateData = jobs,usage\n";
  REQUIRE(
      bench
          .ask(bench.connector->status(
              {Bench::job("1", "hansa-A-1"), Bench::job("2", "hansa-B-1", "bob"), Bench::job("3", "hansa-C-1")}, bench.soon()))
          .has_value());
  CHECK(bench.site.count("squeue") == 2);
  CHECK(bench.site.last("squeue").account.str() == "bob");
  CHECK(bench.site.count("sacct") == 2);

  // Alice may not ask any more: bob is told of his all the same.
  const auto only_bob = [](const Command& command) -> Result<CommandResult> {
    if (command.account.str() == "alice") return fail(ErrorKind::permission_denied, "ACCOUNT_DENIED", "no");
    return answer(command.program.ends_with("squeue") ? "" : history_row("2", "hansa-B-1", "COMPLETED", "1800000000", "bob"));
  };
  bench.site.players["squeue"] = bench.site.players["sacct"] = only_bob;
  const auto statuses =
      bench.ask(bench.connector->status({Bench::job("1", "hansa-A-1"), Bench::job("2", "hansa-B-1", "bob")}, bench.soon()));
  REQUIRE(statuses.has_value());
  CHECK((*statuses)[0].phase == Phase::not_seen);
  CHECK((*statuses)[1].outcome == Outcome::succeeded);
  CHECK(bench.ask(bench.connector->status({Bench::job("1", "hansa-A-1")}, bench.soon())).error().code == "ACCOUNT_DENIED");
}

TEST_CASE("cancel: always") {
  Bench bench;
  std::deque<std::string> states{"COMPLETING", "CANCELLED"};
  bench.site.players["squeue"] = [&](const Command&) {
    const auto state = states.front();
    if (states.size() > 1) states.pop_front();
    return answer(queue_row("1", "hansa-A-1", state));
  };
  CHECK(bench.ask(bench.connector->cancel(Bench::job("1", "hansa-A-1"), CancelWhen::always, bench.soon())) ==
        CancelOutcome::stopped);
  CHECK(bench.site.last("scancel").account.str() == "alice");
  CHECK(bench.site.last("scancel").arguments == std::vector<std::string>{"--name=hansa-A-1", "1"});
  const auto tells_times = [](const Command& command) {
    return std::ranges::any_of(command.environment, [](const auto& variable) { return variable.first == "SLURM_TIME_FORMAT"; });
  };
  CHECK(tells_times(bench.site.last("squeue")));
  CHECK_FALSE(tells_times(bench.site.last("scancel")));  // hansa-switch allows it only where the site says so
  states = {"COMPLETED"};
  CHECK(bench.ask(bench.connector->cancel(Bench::job("1", "hansa-A-1"), CancelWhen::always, bench.soon())) ==
        CancelOutcome::already_ended);
  states = {"RUNNING"};
  CHECK(bench.ask(bench.connector->cancel(Bench::job("1", "hansa-A-1"), CancelWhen::always, bench.soon())) ==
        CancelOutcome::unknown);
  bench.site.players["squeue"] = [](const Command&) {
    return answer(queue_row("1", "hansa-A-1", "CANCELLED", "alice", "0", ""));
  };
  CHECK(bench.ask(bench.connector->cancel(Bench::job("1", "hansa-A-1"), CancelWhen::always, bench.soon())) ==
        CancelOutcome::never_started);
  bench.site.players["scancel"] = [](const Command&) {
    return answer("", 210, "scancel: error: Kill job error on job id 1: Access/permission denied\n");
  };
  CHECK(bench.ask(bench.connector->cancel(Bench::job("1", "hansa-A-1"), CancelWhen::always, bench.soon())).error().kind ==
        ErrorKind::permission_denied);
}

TEST_CASE("cancel: what is cancelled between two runs has run") {
  Bench bench;
  const auto cancel = [&] {
    return bench.ask(bench.connector->cancel(Bench::job("1", "hansa-A-1"), CancelWhen::always, bench.soon()));
  };
  bench.site.players["squeue"] = [](const Command&) {
    return answer(queue_row("1", "hansa-A-1", "CANCELLED", "alice", "10", "", "0", "1"));
  };
  CHECK(cancel() == CancelOutcome::stopped);
  bench.site.players["squeue"] = [](const Command&) {
    return answer(queue_row("1", "hansa-A-1", "CANCELLED", "alice", "10", ""));
  };
  CHECK(cancel() == CancelOutcome::never_started);
}

TEST_CASE("cancel: only while pending holds, reads back, and releases what has started") {
  Bench bench;
  std::vector<std::string> changes;
  bool starts_meanwhile = false;
  std::string state = "PENDING";
  bench.site.players["scontrol"] = [&](const Command& command) {
    if (command.arguments.front() == "hold" || command.arguments.front() == "release") {
      changes.push_back(command.arguments.front() + ' ' + command.arguments.back());
      if (starts_meanwhile) state = "RUNNING";
    }
    return answer(std::string(kConfiguration));
  };
  bench.site.players["scancel"] = [&](const Command&) {
    changes.emplace_back("scancel");
    state = "CANCELLED";
    return answer("");
  };
  bench.site.players["squeue"] = [&](const Command&) {
    const bool held = !changes.empty() && changes.back().starts_with("hold");
    return answer(queue_row("1", "hansa-A-1", state, "alice", held ? "0" : "10", state == "RUNNING" ? "n1" : ""));
  };
  const auto cancel = [&] {
    return bench.ask(bench.connector->cancel(Bench::job("1", "hansa-A-1"), CancelWhen::only_while_pending, bench.soon()));
  };
  CHECK(cancel() == CancelOutcome::never_started);
  CHECK(changes == std::vector<std::string>{"hold 1", "scancel"});

  changes.clear();
  state = "PENDING";
  starts_meanwhile = true;
  CHECK(cancel() == CancelOutcome::unknown);
  CHECK(changes == std::vector<std::string>{"hold 1", "release 1"});  // running, and its priority given back

  changes.clear();
  CHECK(cancel() == CancelOutcome::unknown);
  CHECK(changes.empty());  // it was seen to run: not touched at all
}

TEST_CASE("seal: ours, another's, or garbage") {
  Bench bench;
  const ports::Fence fence{Tag("hansa-A-1"), 0, LocalAccount("alice"), Principal("local:alice")};
  const auto seal = [&] { return bench.ask(bench.connector->seal(fence, bench.soon())); };
  CHECK(seal()->sealed);
  CHECK(bench.site.last("/ln").account.str() == "alice");
  CHECK(bench.site.last("/ln").arguments.back() == ".hansa/fence/hansa-A-1.0");
  bench.site.players["ln"] = [](const Command&) {
    return answer("", 1, "ln: failed to create symbolic link 'x': File exists\n");
  };
  bench.site.players["readlink"] = [](const Command&) { return answer("job:77:0"); };
  CHECK_FALSE(seal()->sealed);
  CHECK(seal()->holder.str() == "77");
  bench.site.players["readlink"] = [](const Command&) { return answer("sealed"); };
  CHECK(seal()->sealed);
  bench.site.players["readlink"] = [](const Command&) { return answer("whatever"); };
  CHECK(seal().error().code == "FENCE_GARBLED");
}

TEST_CASE("usage: finished runs with our tags, nobody else's, and the cursor goes on") {
  Bench bench;
  const std::string tag = "hansa-01ARZ3NDEKTSV4RRFFQ69G5FAV-1";
  bench.site.players["sacct"] = [&](const Command&) {
    return answer(history_row("1", tag, "COMPLETED") + history_row("2", "hansa-mine", "COMPLETED") +
                  history_row("3", "evil\n4|x", "FAILED") + history_row("5", tag, "REQUEUED") + history_row("6", tag, "RUNNING"));
  };
  const auto page = bench.ask(bench.connector->usage({}, bench.soon()));
  REQUIRE(page.has_value());
  REQUIRE(page->records.size() == 2);
  CHECK(page->records[0].site.str() == "s");
  CHECK(page->records[1].site_state == "REQUEUED");
  CHECK_FALSE(page->complete);  // the beginning is a month ago
  CHECK(page->next.text != "");
  CHECK(bench.ask(bench.connector->usage({"nonsense"}, bench.soon())).error().kind == ErrorKind::invalid_argument);
}

TEST_CASE("options that cannot work are refused by name") {
  Bench bench;
  const auto refused = [&](Options options) {
    const auto made = SlurmConnector::make(std::move(options), bench.site, bench.scheduler, bench.random);
    return made ? std::string() : made.error().faults.front().where;
  };
  CHECK(refused({.site = SiteId("s"), .bin_dir = "bin"}) == "slurm.bin_dir");
  CHECK(refused({.site = SiteId("s"), .slurm_conf = "slurm.conf"}) == "slurm.conf");
  for (const auto bad : {"", "x", "~", "~/", "~/a b", "/a/../b", "/", "~/a%j", "$HOME/x"}) {
    INFO(bad);
    CHECK(refused({.site = SiteId("s"), .work_dir = bad}) == "work_dir");
  }
  CHECK(refused({.site = SiteId("s"), .work_dir = "/scratch/{account}/.hansa"}).empty());
}

}  // namespace hansa::connectors::slurm
