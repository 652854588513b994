// SPDX-License-Identifier: Apache-2.0
// What the connector tells of a whole site: its room, and the runs that are over.
#include "tests/unit/connectors_pbs/played_site.hpp"

#include <algorithm>

namespace hansa::connectors::pbs {

using test::answer;
using test::Bench;
using test::job_record;
using test::kDone;
using test::record;
using transport::Command;

TEST_CASE("usage: what ended in a window of time, ours alone") {
  Bench bench;
  bench.site.players["qselect"] = [](const Command& command) {
    REQUIRE(command.arguments.size() == 5);
    CHECK(command.arguments[1] == "-s");
    CHECK(command.arguments[3] == "-tm.ge.202701010800.00");
    CHECK(command.arguments[4].starts_with("-tm.le.20270102"));
    return answer("1.s\n2.s\n");
  };
  bench.site.players["qstat"] = [](const Command&) {
    return answer(
        job_record(
            "1.s", "hansa-01JD9W2Q5V8XKQZC3M7T4B6N0R-1", "F",
            {{"substate", "92"}, {"Exit_status", "0"}, {"resources_used.walltime", "00:00:08"}, {"exec_vnode", "(n1:ncpus=2)"}}) +
        job_record("2.s", "other", "F", kDone));
  };
  const auto page = bench.ask(bench.connector->usage({}, bench.soon()));
  REQUIRE(page.has_value());
  CHECK_FALSE(page->complete);
  REQUIRE(page->records.size() == 1);
  CHECK(page->records.front().core_seconds.value == 16);

  Bench without;
  without.site.set("job_history_enable", "False");
  const auto refused = without.ask(without.connector->usage({}, without.soon()));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == "NO_HISTORY");
  CHECK(refused.error().message.contains("job_history_enable"));
  CHECK(without.ask(without.connector->snapshot(without.soon())).error().code == "NO_HISTORY");  // no job should go there
}

TEST_CASE("usage: of a job that was started again the accounting log tells the runs before, where it may be read") {
  const std::string tag = "hansa-01JD9W2Q5V8XKQZC3M7T4B6N0R-1";
  const auto of_job = "11/22/2026 09:07:13;R;1.s;user=alice jobname=" + tag +
                      " queue=workq ctime=1800000000 start=1800000000 exec_vnode=(n1:ncpus=2) end=1800000001 Exit_status=-11 "
                      "resources_used.walltime=00:00:01 run_count=1\n";
  Bench bench({.site = SiteId("s"), .accounting = "/log"});
  std::string starts = "2";
  bench.site.players["qselect"] = [](const Command&) { return answer("1.s\n"); };
  bench.site.players["qstat"] = [&](const Command&) {
    return answer(record("Job Id: 1.s", {{"Job_Name", tag},
                                         {"Job_Owner", "alice@login"},
                                         {"job_state", "F"},
                                         {"server", "s"},
                                         {"ctime", "1800000000"},
                                         {"stime", "1800000001"},
                                         {"obittime", "1800000009"},
                                         {"run_count", starts},
                                         {"resources_used.walltime", "00:00:08"},
                                         {"exec_vnode", "(n1:ncpus=2)"},
                                         {"substate", "92"},
                                         {"Exit_status", "0"}}));
  };
  bench.site.players["grep"] = [&](const Command& command) {
    CHECK(command.program == "/usr/bin/grep");
    CHECK(command.account.empty());
    CHECK(command.arguments == std::vector<std::string>{"-a", "-h", "-r", "-F", "--include=20270116", "--include=20270115",
                                                        "--include=20270114", "-e", ";R;1.s;", "--", "/log"});
    return answer(of_job);
  };
  auto page = bench.ask(bench.connector->usage({}, bench.soon()));
  REQUIRE(page.has_value());
  REQUIRE(page->records.size() == 2);
  CHECK(page->records[0].core_seconds.value == 2);
  CHECK(page->records[0].started_at == from_unix_seconds(1'800'000'000));
  CHECK(page->records[1].core_seconds.value == 16);
  CHECK(page->records[1].started_at == from_unix_seconds(1'800'000'001));

  // An answer that was cut is asked for again, of half of the window; in the end it is a failure.
  std::vector<std::string> ends;
  std::size_t cuts = 1;
  bench.site.players["qselect"] = [&](const Command& command) {
    ends.push_back(command.arguments.back());
    return answer("1.s\n");
  };
  bench.site.players["grep"] = [&](const Command&) {
    auto told = answer(of_job);
    told.out_truncated = cuts > 0;
    if (cuts > 0) --cuts;
    return told;
  };
  page = bench.ask(bench.connector->usage({}, bench.soon()));
  REQUIRE(page.has_value());
  CHECK(page->records.size() == 2);
  CHECK(ends == std::vector<std::string>{"-tm.le.202701022000.00", "-tm.le.202701020200.00"});
  CHECK(page->next.text.starts_with(
      std::to_string(to_unix_seconds(from_unix_seconds(1'800'000'000) - Seconds{14 * 86'400 - 64'800}))));
  cuts = 1'000;
  CHECK(bench.ask(bench.connector->usage({}, bench.soon())).error().code == "SITE_TRUNCATED");
  CHECK(cuts > 900);

  // What is to be told and cannot be read is not passed over: the window is asked for again.
  bench.site.players["grep"] = [](const Command&) { return answer("", 2, "/usr/bin/grep: /log: Permission denied\n"); };
  CHECK(bench.ask(bench.connector->usage({}, bench.soon())).error().message.contains("Permission denied"));
  bench.site.players["grep"] = [](const Command&) { return answer("", 1); };
  CHECK(bench.ask(bench.connector->usage({}, bench.soon()))->records.size() == 1);
  starts = "1";
  bench.site.commands.clear();
  CHECK(bench.ask(bench.connector->usage({}, bench.soon()))->records.size() == 1);
  CHECK(bench.site.count("/grep") == 0);
}

TEST_CASE("snapshot: two calls, and the server's settings now and then") {
  Bench bench;
  bench.site.players["pbsnodes"] = [](const Command&) {
    return answer(record("Name=n1", {{"state", "free"}, {"resources_available.ncpus", "4"}}));
  };
  bench.site.players["qstat"] = [](const Command& command) {
    CHECK(std::ranges::count(command.arguments, "-t") == 1);
    CHECK(std::ranges::count(command.arguments, "-x") == 0);
    return answer("");
  };
  const auto calls = [&] {
    bench.site.commands.clear();
    REQUIRE(bench.ask(bench.connector->snapshot(bench.soon())).has_value());
    return bench.site.commands.size();
  };
  CHECK(calls() == 4);
  CHECK(calls() == 2);
  batch::test::ask([](async::Scheduler& scheduler) -> async::Task<int> {
    co_await scheduler.sleep_until(scheduler.now_monotonic() + Commands::kKept);
    co_return 0;
  }(bench.scheduler))
      .value();
  CHECK(calls() == 4);
  bench.site.players["pbsnodes"] = [](const Command&) {
    return answer("", 1, "Connection refused\n/opt/pbs/bin/pbsnodes: cannot connect to server pbs01, error=15010\n");
  };
  CHECK(bench.ask(bench.connector->snapshot(bench.soon())).error().code == "SITE_DOWN");
}

}  // namespace hansa::connectors::pbs
