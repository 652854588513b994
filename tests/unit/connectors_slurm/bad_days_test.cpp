// SPDX-License-Identifier: Apache-2.0
// A site whose commands print more than they are asked for, less, or something else: what that is told as, and that no job is
// made up, bound to a wrong id, or thought gone for it.
#include "connectors/slurm/slurm_connector.hpp"
#include "tests/unit/connectors_batch/played.hpp"

#include <memory>

namespace hansa::connectors::slurm::bad_days {

namespace {

using batch::test::answer;
using transport::Command;
using transport::CommandResult;

class Site final : public batch::test::PlayedSite {
  CommandResult otherwise(const std::string& name, const Command& command) override {
    if (name != "scontrol") return answer("");
    return answer(
        std::string(command.input.contains("show config") ? "ClusterName = alpha\nSLURM_VERSION = 22.05.8\nPrivateData = none\n"
                                                          : "") +
        "NodeName=n1 CPUTot=8 RealMemory=1000 State=IDLE\nPartitionName=main MaxTime=1:00:00 Nodes=n1 State=UP Default=YES\n");
  }
};

struct Bench {
  Site site;
  batch::test::SteppingScheduler scheduler;
  batch::test::ZeroRandom random;
  std::unique_ptr<SlurmConnector> connector =
      std::move(*SlurmConnector::make({.site = SiteId("s"), .slurm_conf = "/etc/slurm/slurm.conf"}, site, scheduler, random));

  [[nodiscard]] async::Deadline soon() const { return async::Deadline::in(scheduler, Seconds{60}); }
  Result<ports::SubmitReceipt> submit() {
    ports::SubmitRequest request;
    request.tag = Tag("hansa-A-1");
    request.account = LocalAccount("alice");
    request.queue = QueueName("main");
    request.payload.script = "#!/bin/sh\n";
    return batch::test::ask(connector->submit(std::move(request), soon()));
  }
  /// Of two jobs that run there.
  Result<std::vector<ports::JobStatus>> status() {
    return batch::test::ask(
        connector->status({batch::test::site_job("12", "hansa-A-1"), batch::test::site_job("13", "hansa-B-1")}, soon()));
  }
  Result<domain::SiteSnapshot> snapshot() { return batch::test::ask(connector->snapshot(soon())); }
};

std::string row(const std::string& id, const std::string& name) {
  batch::test::ZeroRandom zero;
  const auto end = make_separator(zero);
  std::string text;
  for (const auto& field : {id,
                            id,
                            std::string("alice"),
                            std::string("alpha"),
                            std::string("main"),
                            std::string("RUNNING"),
                            std::string("None"),
                            std::string("1800000000"),
                            std::string("1800000000"),
                            std::string("1800000001"),
                            std::string("1800000009"),
                            std::string("10:00"),
                            std::string("10"),
                            std::string("0"),
                            std::string("0"),
                            std::string("cpu=1,node=1"),
                            std::string("n1"),
                            std::string("proj1"),
                            std::string("1"),
                            std::string("OK"),
                            name})
    text += field + end;
  return text + '\n';
}
const std::string kTwo = row("12", "hansa-A-1") + row("13", "hansa-B-1");
constexpr const char* kLecture =
    "We trust you have received the usual lecture from the local System\nAdministrator. It usually boils down to these three "
    "things:\n";

std::string told(const Result<std::vector<ports::JobStatus>>& statuses) {
  if (!statuses) return statuses.error().code;
  std::string text;
  for (const auto& status : *statuses)
    text += status.phase == ports::Phase::running ? 'r' : status.phase == ports::Phase::not_seen ? '?' : '!';
  return text;
}

}  // namespace

TEST_CASE("a list of jobs with something around it, or of which something is missing, makes nothing up") {
  struct Day {
    const char* what;
    std::string out;
    int status;
    std::string err;
    const char* told;      // of the two jobs: r runs, ? not seen; or the error's code
    const char* snapshot;  // "" is one
  };
  const Day kDays[] = {
      {"a good day", kTwo, 0, "", "rr", ""},
      {"a motd before it", "*** Welcome to Alpha! ***\n\nMaintenance on Tuesday\n" + kTwo, 0, "", "rr", ""},
      {"a motd behind it", kTwo + "Goodbye\n", 0, "", "rr", "SITE_TRUNCATED"},
      {"a motd alone", "*** Welcome to Alpha! ***\n", 0, "", "SITE_GARBLED", "SITE_GARBLED"},
      {"colours", "\x1b[32m" + row("12", "hansa-A-1") + "\x1b[0m" + row("13", "hansa-B-1"), 0, "", "SITE_GARBLED",
       "SITE_GARBLED"},
      {"sudo's lecture beside it", kTwo, 0, kLecture, "rr", ""},
      {"sudo's lecture and no more", "", 1, kLecture, "SITE_DOWN", "SITE_DOWN"},
      {"half a line", kTwo.substr(0, kTwo.size() - 40), 0, "", "r?", "SITE_TRUNCATED"},
      {"another language", "", 1, "squeue: Fehler: Verbindung zum Controller nicht m\xc3\xb6glich\n", "SITE_DOWN", "SITE_DOWN"},
      {"another version", "12 alice RUNNING\n13 alice RUNNING\n", 0,
       "squeue: error: Invalid job format specification: lastschedeval\n", "SITE_GARBLED", "SITE_GARBLED"},
      {"bytes", std::string("\0\xff\xfe\n\n", 5), 0, "", "SITE_GARBLED", "SITE_GARBLED"},
      {"killed", kTwo, -1, "", "SITE_SILENT", "SITE_SILENT"},
  };
  for (const auto& day : kDays) {
    CAPTURE(day.what);
    Bench bench;
    bench.site.players["squeue"] = [&](const Command&) {
      auto result = answer(day.out, day.status, day.err);
      if (day.status < 0) result.exit_status.reset(), result.signal = 9;
      return result;
    };
    CHECK(told(bench.status()) == day.told);
    const auto snapshot = bench.snapshot();
    CHECK((snapshot ? "" : snapshot.error().code) == std::string(day.snapshot));
    if (!snapshot) CHECK(snapshot.error().message.size() < 500);
  }
}

TEST_CASE("of 100 MB that squeue prints no more is kept than the limit, and the rest is not taken for room") {
  Bench bench;
  bench.site.players["squeue"] = [&](const Command&) {
    auto result = answer(kTwo);
    result.out_truncated = true;  // by the transport, which keeps 16 MiB (tests/unit/async/child_test.cpp)
    return result;
  };
  CHECK(bench.snapshot().error().code == "SITE_TRUNCATED");
  CHECK(told(bench.status()) == "rr");
}

TEST_CASE("a submission is bound by a whole line with an id and nothing else; all else is unknown and looked for") {
  struct Day {
    const char* what;
    std::string out;
    int status;
    std::string err;
    const char* code;  // "" is a receipt
  };
  const Day kDays[] = {
      {"a good day", "12\n", 0, "", ""},
      {"sudo's lecture beside it", "12\n", 0, kLecture, ""},
      {"a motd before it", "*** Welcome to Alpha! ***\n12\n", 0, "", "SITE_GARBLED"},
      {"colours", "\x1b[32m12\x1b[0m\n", 0, "", "SITE_GARBLED"},
      {"half a line", "1", 0, "", "SITE_GARBLED"},
      {"sudo's lecture and no more", "", 1, kLecture, "SITE_REFUSED"},
      {"another language", "", 1, "sbatch: Fehler: Ung\xc3\xbcltige Partition\n", "SITE_REFUSED"},
      {"another version", "Submitted batch job 12\n", 0, "", "SITE_GARBLED"},
      {"100 MB", std::string(std::size_t{1} << 20, 'x'), 0, "", "SITE_GARBLED"},
  };
  for (const auto& day : kDays) {
    CAPTURE(day.what);
    Bench bench;
    bench.site.players["sbatch"] = [&](const Command&) { return answer(day.out, day.status, day.err); };
    const auto receipt = bench.submit();
    CHECK((receipt ? "" : receipt.error().code) == std::string(day.code));
    if (receipt) continue;
    CHECK(receipt.error().kind == ErrorKind::unknown_outcome);
    CHECK(receipt.error().message.size() < 500);
  }
}

TEST_CASE("commands at a site are asked in one language and one time zone, whatever the account has set") {
  Bench bench;
  (void)bench.snapshot();
  bench.site.players["sbatch"] = [](const Command&) { return answer("12\n"); };
  REQUIRE(bench.submit());
  REQUIRE(bench.status());
  for (const auto& command : bench.site.commands) {
    CAPTURE(command.program);
    const auto set = [&](const std::pair<std::string, std::string>& variable) {
      return std::ranges::find(command.environment, variable) != command.environment.end();
    };
    CHECK(set({"LC_ALL", "C"}));
    if (command.program.ends_with("squeue") || command.program.ends_with("sbatch")) CHECK(set({"TZ", "UTC"}));
  }
}

}  // namespace hansa::connectors::slurm::bad_days
