// SPDX-License-Identifier: Apache-2.0
// A site whose commands print more than they are asked for, less, or something else: what that is told as, and that no job is
// made up or thought gone for it.
#include "connectors/pbs/pbs_connector.hpp"
#include "tests/unit/connectors_batch/played.hpp"
#include "tests/unit/connectors_pbs/captures.hpp"

#include <memory>

namespace hansa::connectors::pbs::bad_days {

namespace {

using batch::test::answer;
using transport::Command;
using transport::CommandResult;

class Quiet final : public ports::Log {
  void write(ports::LogLevel, std::string_view, std::initializer_list<ports::LogField>) override {}
};

class Site final : public batch::test::PlayedSite {
  CommandResult otherwise(const std::string& name, const Command& command) override {
    const auto asks = [&](const char* what) { return !command.arguments.empty() && command.arguments.front() == what; };
    if (name == "qstat" && asks("-B"))
      return answer(test::record(
          "Server: s",
          {{"scheduling", "True"}, {"query_other_jobs", "True"}, {"job_history_enable", "True"}, {"pbs_version", "23"}}));
    return name == "qstat" && !asks("-Q") ? jobs : answer("");
  }

 public:
  CommandResult jobs;
};

std::string job(const std::string& id, const std::string& name) {
  return test::record("Job Id: " + id, {{"Job_Name", name},
                                        {"Job_Owner", "alice@login"},
                                        {"job_state", "R"},
                                        {"server", "s"},
                                        {"ctime", "1800000000"},
                                        {"mtime", "1800000009"},
                                        {"stime", "1800000001"},
                                        {"run_count", "1"}});
}

}  // namespace

TEST_CASE("pbs: a list of jobs with something around it, or of which something is missing, makes nothing up") {
  const auto two = job("12.s", "hansa-A-1") + job("13.s", "hansa-B-1");
  constexpr const char* kLecture =
      "We trust you have received the usual lecture from the local System\nAdministrator. It usually boils down to:\n";
  struct Day {
    const char* what;
    std::string out;
    int status;
    std::string err;
    const char* told;  // of the two jobs: r runs, ? not seen; or the error's code
  };
  const Day kDays[] = {
      {"a good day", two, 0, "", "rr"},
      {"a motd before it", "*** Welcome to Alpha! ***\n\nMaintenance on Tuesday\n" + two, 0, "", "rr"},
      {"a motd alone", "*** Welcome to Alpha! ***\n", 0, "", "SITE_GARBLED"},
      {"colours", "\x1b[32m" + job("12.s", "hansa-A-1") + "\x1b[0m" + job("13.s", "hansa-B-1"), 0, "", "SITE_GARBLED"},
      {"sudo's lecture beside it", two, 0, kLecture, "rr"},
      {"sudo's lecture and no more", "", 1, kLecture, "SITE_DOWN"},
      {"half a line", two.substr(0, two.size() - 30), 0, "", "r?"},
      {"another language", "", 1, "qstat: Keine Verbindung zum Server\n", "SITE_DOWN"},
      {"another version's format", "{\"timestamp\":1795339204,\"Jobs\":{}}\n", 0, "", "SITE_GARBLED"},
      {"killed", two, -1, "", "SITE_SILENT"},
  };
  for (const auto& day : kDays) {
    CAPTURE(day.what);
    Site site;
    site.jobs = answer(day.out, day.status, day.err);
    if (day.status < 0) site.jobs.exit_status.reset(), site.jobs.signal = 9;
    batch::test::SteppingScheduler scheduler;
    batch::test::ZeroRandom random;
    Quiet log;
    const auto connector = std::move(
        *PbsConnector::make({.site = SiteId("s"), .conf = "/etc/pbs.conf", .server = "s"}, site, scheduler, random, log));
    const auto statuses = batch::test::ask(
        connector->status({batch::test::site_job("12.s", "hansa-A-1"), batch::test::site_job("13.s", "hansa-B-1")},
                          async::Deadline::in(scheduler, Seconds{60})));
    std::string told = statuses ? "" : statuses.error().code;
    if (statuses) {
      for (const auto& status : *statuses)
        told += status.phase == ports::Phase::running ? 'r' : status.phase == ports::Phase::not_seen ? '?' : '!';
    }
    CHECK(told == day.told);
    if (!statuses) CHECK(statuses.error().message.size() < 500);
  }
}

}  // namespace hansa::connectors::pbs::bad_days
