// SPDX-License-Identifier: Apache-2.0
// What the connector finds at a site that is looked over.
#include "tests/unit/connectors_slurm/bench.hpp"

namespace hansa::connectors::slurm {

using namespace test;

namespace {

/// "ok" of that check and account; "" if there is none.
std::string verdict_of(const domain::DoctorReport& report, std::string_view check, std::string_view account = "") {
  const auto at = std::ranges::find_if(report.findings, [&](const auto& f) { return f.check == check && f.subject == account; });
  return at == report.findings.end() ? "" : std::string(to_string(at->verdict));
}

/// A cluster with all its commands, on which all is well.
void play_healthy(Bench& bench) {
  auto& players = bench.site.players;
  bench.site.configuration =
      "ClusterName = alpha\nSLURM_VERSION = 22.05.8\nPrivateData = none\nAccountingStorageType = accounting_storage/slurmdbd\n"
      "AccountingStorageEnforce = associations\nAccountingStoreFlags = job_comment\nFirstJobId = 1\nMaxJobId = 67043328\n"
      "MaxArraySize = 1001\nMinJobAge = 300 sec\n";
  players["scontrol"] = [&bench](const Command& command) {
    const bool config = command.input.contains("show config") || std::ranges::count(command.arguments, "config") > 0;
    return answer(config ? bench.site.configuration : "NodeName=n1 CPUTot=4 RealMemory=1000 Gres=gpu:a100:2 State=IDLE\n");
  };
  players["sdiag"] = [](const Command&) { return answer("sdiag output at Fri Jan 15 08:00:00 2027 (1800000000)\n"); };
  players["sacctmgr"] = [](const Command& command) {
    if (std::ranges::count(command.arguments, "associations") > 0) return answer("alice\n");
    return answer(std::ranges::count(command.arguments, "user") > 0 ? "None\n" : "PurgeJobAfter = NONE\n");
  };
  players["sbatch"] = [](const Command&) { return answer("slurm-wlm 22.05.8\n"); };
  auto held = std::make_shared<std::string>();
  players["ln"] = [held](const Command& command) {
    if (!held->empty()) return answer("", 1, "ln: failed to create symbolic link 'x': File exists\n");
    *held = command.arguments[4];
    return answer("");
  };
  players["readlink"] = [held](const Command&) { return answer(*held); };
  players["mv"] = [held](const Command&) { return held->clear(), answer(""); };
  players["stat"] = [](const Command&) { return answer("1000000 900000 4096 500000 400000\n"); };
  players["prlimit"] = [](const Command&) { return answer("unlimited unlimited\n"); };
  const auto missing = [](const Command& command) -> Result<CommandResult> {
    return fail(ErrorKind::not_found, "PROGRAM_NOT_FOUND", command.program + " does not exist");
  };
  for (const auto* program : {"quota", "apptainer", "singularity"}) players[program] = missing;
}

const ports::DoctorRequest kTwo{.accounts = {LocalAccount("alice"), LocalAccount("bob")}, .person = Principal("local:root")};

}  // namespace

TEST_CASE("doctor: a healthy cluster, and an account without an association") {
  Bench bench;
  play_healthy(bench);
  const auto report = bench.ask(bench.connector->doctor(kTwo, bench.soon()));
  REQUIRE(report.has_value());
  for (const auto* check : {"VERSION", "HISTORY", "HISTORY_FORMAT", "QUEUE_FORMAT", "NODES_FORMAT", "COMMENTS", "CLOCK",
                            "TIME_ZONE", "JOB_IDS", "ARRAYS", "MIN_JOB_AGE", "PRIVATE_DATA", "GPUS"}) {
    INFO(check);
    CHECK(verdict_of(*report, check) == "ok");
  }
  for (const auto* check : {"RUN_AS", "WORK_DIR", "FENCE", "ROOM", "CPU_LIMIT"}) {
    INFO(check);
    CHECK(verdict_of(*report, check, "alice") == "ok");
    CHECK(verdict_of(*report, check, "bob") == "ok");
  }
  CHECK(verdict_of(*report, "QUOTA", "alice") == "not_checked");
  CHECK(verdict_of(*report, "NETWORK") == "not_checked");
  CHECK(verdict_of(*report, "CONTAINERS") == "not_checked");
  CHECK(verdict_of(*report, "ASSOCIATION", "alice") == "ok");
  CHECK(verdict_of(*report, "ASSOCIATION", "bob") == "fault");
  CHECK(report->count(domain::DoctorVerdict::fault) == 1);
  for (const auto& finding : report->findings) {
    INFO(finding.check);
    CHECK_FALSE(finding.source.empty());
    CHECK(finding.at == bench.scheduler.now_utc());
    CHECK((finding.verdict == domain::DoctorVerdict::ok) == finding.remedy.empty());
  }
  CHECK(bench.site.last("prlimit").person.str() == "local:root");
  CHECK(bench.site.last("ln").account.str() == "bob");
}

TEST_CASE("doctor: what is wrong is said, and the rest is looked at all the same") {
  Bench bench;
  play_healthy(bench);
  auto& players = bench.site.players;
  SECTION("clocks and zones") {
    players["sdiag"] = [](const Command&) { return answer("sdiag output at Fri Jan 15 03:02:00 2027 (1800000120)\n"); };
    const auto report = bench.ask(bench.connector->doctor(kTwo, bench.soon()));
    CHECK(verdict_of(*report, "CLOCK") == "fault");
    CHECK(verdict_of(*report, "TIME_ZONE") == "fault");
  }
  SECTION("slurmdbd is away") {
    players["sacct"] = [](const Command&) { return answer("", 1, "sacct: error: slurm_persist_conn_open\n"); };
    players["sacctmgr"] = players["sacct"];
    const auto report = bench.ask(bench.connector->doctor(kTwo, bench.soon()));
    REQUIRE(report.has_value());
    CHECK(verdict_of(*report, "HISTORY") == "fault");
    CHECK(verdict_of(*report, "FENCE", "alice") == "ok");
  }
  SECTION("an account that may not run there") {
    players["sbatch"] = [](const Command& command) -> Result<CommandResult> {
      if (command.account.str() == "alice")
        return fail(ErrorKind::permission_denied, "SWITCH_DENIED", "alice is in a denied group");
      return answer("slurm-wlm 22.05.8\n");
    };
    const auto report = bench.ask(bench.connector->doctor(kTwo, bench.soon()));
    CHECK(verdict_of(*report, "RUN_AS", "alice") == "fault");
    CHECK(verdict_of(*report, "WORK_DIR", "alice").empty());
    CHECK(verdict_of(*report, "FENCE", "bob") == "ok");
  }
  SECTION("a full disk") {
    players["ln"] = [](const Command&) {
      return answer("", 1, "ln: failed to create symbolic link 'x': No space left on device\n");
    };
    const auto report = bench.ask(bench.connector->doctor(kTwo, bench.soon()));
    CHECK(verdict_of(*report, "WORK_DIR", "alice") == "fault");
    CHECK(verdict_of(*report, "CPU_LIMIT", "alice") == "ok");
  }
  SECTION("a file system on which two links have one name") {
    players["ln"] = [](const Command&) { return answer(""); };
    const auto report = bench.ask(bench.connector->doctor(kTwo, bench.soon()));
    CHECK(verdict_of(*report, "FENCE", "alice") == "fault");
  }
  SECTION("a controller that does not answer") {
    players["scontrol"] = [](const Command&) {
      return answer("", 1, "slurm_load_ctl_conf error: Unable to contact slurm controller\n");
    };
    const auto report = bench.ask(bench.connector->doctor(kTwo, bench.soon()));
    REQUIRE_FALSE(report.has_value());
    CHECK(report.error().kind == ErrorKind::unavailable);
  }
}

TEST_CASE("a new version of the controller is seen in a later snapshot") {
  Bench bench;
  CHECK(bench.ask(bench.connector->snapshot(bench.soon()))->scheduler == "slurm 22.05.8");
  bench.site.configuration = "ClusterName = alpha\nSLURM_VERSION = 26.05.3\nPrivateData = none\n";
  std::string version;
  for (int i = 0; i < 10; ++i) version = bench.ask(bench.connector->snapshot(bench.soon()))->scheduler;
  CHECK(version == "slurm 26.05.3");
  CHECK(bench.site.count("sacctmgr") == 1);
}

}  // namespace hansa::connectors::slurm
