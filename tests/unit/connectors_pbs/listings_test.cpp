// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/job_listing.hpp"
#include "connectors/pbs/job_state.hpp"
#include "tests/unit/connectors_pbs/captures.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <vector>

namespace hansa::connectors::pbs {

using domain::Outcome;
using ports::Phase;
using test::capture;
using test::cases_of;
using test::kSeparator;
using test::record;

namespace {

std::string good(const std::string& id, const std::string& name = "a") {
  return record("Job Id: " + id, {{"Job_Name", name}, {"Job_Owner", "alice@pbs01"}, {"job_state", "Q"}, {"ctime", "1795338322"}});
}

}  // namespace

TEST_CASE("qstat: a running and a finished job, as they were recorded") {
  const auto running = parse_qstat(capture("qstat.running_f_dsv.out"), "|", {});
  CHECK(running.dropped.empty());
  CHECK(running.complete);
  REQUIRE(running.rows.size() == 1);
  const auto& row = running.rows.front();
  CHECK(row.id == "0.pbs01");
  CHECK(row.name == "hello");
  CHECK(row.user == "alice");
  CHECK(row.server == "pbs01");
  CHECK(row.queue.str() == "workq");
  CHECK(row.state == "R");
  CHECK(row.substate == 42);
  CHECK(row.held.empty());
  CHECK(row.submitted_at == from_unix_seconds(1'795'338'322));
  CHECK(row.started_at == from_unix_seconds(1'795'338'322));
  CHECK_FALSE(row.time_limit.has_value());
  REQUIRE(row.granted.size() == 1);
  CHECK(row.granted.front().node == "pbs01");
  CHECK(row.granted.front().cores == 1);
  CHECK(row.starts == 1);
  const auto wide = parse_qstat(capture("qstat.running_f_dsv_D.out"), "|||", {});
  REQUIRE(wide.rows.size() == 1);
  CHECK(wide.rows.front().line == row.line);
  CHECK_FALSE(row.line.contains("PBS_O_PATH"));  // people's environments are not for a ledger

  const auto finished = parse_qstat(capture("qstat.finished_xf_dsv.out"), "|", {});
  REQUIRE(finished.rows.size() == 1);
  const auto usage = to_usage(finished.rows.front(), SiteId("s"));
  CHECK(usage.cluster == "pbs01");
  CHECK(usage.site_job_id.str() == "0.pbs01");
  CHECK(usage.account.str() == "alice");
  CHECK(usage.started_at == from_unix_seconds(1'795'338'322));
  CHECK(usage.ended_at == from_unix_seconds(1'795'338'327));
  CHECK(usage.elapsed == Seconds{4});
  CHECK(usage.nodes == 1);
  CHECK(usage.cores == 1);
  CHECK(usage.core_seconds.value == 4);
  CHECK(usage.exit_code == 0);
  CHECK(usage.site_state == "F");
}

TEST_CASE("qstat: of seventy odd jobs none is lost") {
  const auto odd = parse_qstat(capture("qstat.all_odd_dsv.out"), "|", {});
  CHECK(odd.dropped.empty());
  CHECK(odd.complete);
  CHECK(odd.rows.size() == 70);
  const auto job = [&](std::string_view id) {
    const auto found = std::ranges::find(odd.rows, id, &JobRow::id);
    INFO(id);
    REQUIRE(found != odd.rows.end());
    return *found;
  };
  // What the JSON of a release, or of the current qstat, makes something else of.
  CHECK(job("172.pbs01").name == "005");
  CHECK(job("178.pbs01").name == "nan");
  CHECK(job("174.pbs01").name == "true");
  CHECK(job("180.pbs01").name == "12345678901234567890");
  CHECK(job("185.pbs01").account == R"(end\\)");
  CHECK(job("188.pbs01").account == "caf\xe9");
  CHECK(job("190.pbs01").account == R"(line1\nline2)");
  CHECK(job("16.pbs01").state == "W");
  CHECK(job("16.pbs01").eligible_at > from_unix_seconds(1'900'000'000));
  CHECK(job("18.pbs01").asked.front().copies == 4);
}

TEST_CASE("qstat: what each recorded state means") {
  struct Expected {
    std::string_view name;
    std::string_view id;
    Phase phase;
    std::optional<Outcome> outcome = {};
    std::optional<int> exit_code = {};
    std::optional<int> signal = {};
    std::string_view reason = "";
    bool started = false;
    int run = 0;
  };
  const std::vector<Expected> table{
      {.name = "held", .id = "10.pbs01", .phase = Phase::queued},
      {.name = "depend", .id = "11.pbs01", .phase = Phase::queued},
      {.name = "qheld", .id = "17.pbs01", .phase = Phase::queued},
      {.name = "syshold", .id = "17.pbs01", .phase = Phase::queued},
      {.name = "toobig", .id = "17.pbs01", .phase = Phase::queued},
      {.name = "mom_down_queued", .id = "285.pbs01", .phase = Phase::queued},
      {.name = "node_offline", .id = "273.pbs01", .phase = Phase::queued},
      {.name = "sched_off", .id = "274.pbs01", .phase = Phase::queued},
      {.name = "selmem_running", .id = "2.pbs01", .phase = Phase::running, .started = true},
      {.name = "rerun", .id = "26.pbs01", .phase = Phase::running, .started = true, .run = 1},
      {.name = "routed", .id = "262.pbs01", .phase = Phase::running, .started = true},
      {.name = "mom_down_running", .id = "284.pbs01", .phase = Phase::running, .started = true},
      {.name = "array_t", .id = "19[].pbs01", .phase = Phase::running, .started = true},
      {.name = "array_t", .id = "19[1].pbs01", .phase = Phase::running, .started = true},
      {.name = "moved", .id = "260.pbs01", .phase = Phase::ended, .outcome = Outcome::succeeded, .exit_code = 0, .started = true},
      {.name = "after_restart_fin",
       .id = "282.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::succeeded,
       .exit_code = 0,
       .started = true},
      {.name = "rel23_two_ids",
       .id = "3.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::failed,
       .exit_code = 3,
       .reason = "EXIT_CODE",
       .started = true},
      {.name = "fin_badinterp",
       .id = "7.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::failed,
       .exit_code = 127,
       .reason = "EXIT_CODE",
       .started = true},
      {.name = "fin_kill9",
       .id = "4.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::failed,
       .signal = 9,
       .reason = "SIGNAL",
       .started = true},
      {.name = "fin_kill15",
       .id = "5.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::failed,
       .signal = 15,
       .reason = "SIGNAL",
       .started = true},
      {.name = "cput_exceed",
       .id = "281.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::failed,
       .signal = 9,
       .reason = "SIGNAL",
       .started = true},
      {.name = "fin_walltime_exceed",
       .id = "25.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::timed_out,
       .reason = "TIMEOUT",
       .started = true},
      {.name = "deleted_running",
       .id = "23.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::cancelled,
       .reason = "CANCELLED",
       .started = true},
      {.name = "force_deleted",
       .id = "277.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::cancelled,
       .reason = "CANCELLED",
       .started = true},
      {.name = "fin_depend_unknown",
       .id = "13.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::never_started,
       .reason = "SITE_FAILED"},
      {.name = "fin_depend_finished_failed",
       .id = "15.pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::never_started,
       .reason = "SITE_FAILED"},
      // The array itself says 0 although one of its jobs ended with 5 (docs: connectors/pbs sends no arrays).
      {.name = "fin_array",
       .id = "19[].pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::succeeded,
       .exit_code = 0,
       .started = true},
      {.name = "subjob_fin",
       .id = "19[2].pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::failed,
       .exit_code = 5,
       .reason = "EXIT_CODE",
       .started = true},
      {.name = "deleted_alone",
       .id = "157[0].pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::cancelled,
       .reason = "CANCELLED",
       .started = true},
      {.name = "deleted_alone",
       .id = "157[2].pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::succeeded,
       .exit_code = 0,
       .started = true},
      {.name = "deleted_alone", .id = "157[4].pbs01", .phase = Phase::running, .started = true},
      // Its record says Exit_status=0, which is its array's, after [2].
      {.name = "deleted_alone",
       .id = "157[5].pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::cancelled,
       .reason = "CANCELLED"},
      {.name = "array_deleted",
       .id = "157[3].pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::cancelled,
       .reason = "CANCELLED",
       .started = true},
      // It had run to its end: the qdel of its array has purged that.
      {.name = "array_deleted",
       .id = "157[2].pbs01",
       .phase = Phase::ended,
       .outcome = Outcome::cancelled,
       .reason = "CANCELLED"},
  };
  const auto cases = cases_of("states.dsv");
  for (const auto& expected : table) {
    INFO(expected.name << " " << expected.id);
    const auto text = cases.find(std::string(expected.name));
    REQUIRE(text != cases.end());
    const auto listing = parse_qstat(text->second, kSeparator, {});
    CHECK(listing.dropped.empty());
    CHECK(listing.complete);
    const auto row = std::ranges::find(listing.rows, expected.id, &JobRow::id);
    REQUIRE(row != listing.rows.end());
    const auto status = to_status(*row);
    CHECK(status.phase == expected.phase);
    CHECK(status.outcome == expected.outcome);
    CHECK(status.exit_code == expected.exit_code);
    CHECK(status.signal == expected.signal);
    CHECK(status.reason.code == expected.reason);
    CHECK(status.started_at.has_value() == expected.started);
    CHECK(status.run == expected.run);
    CHECK(status.ended_at.has_value() == (expected.phase == Phase::ended));
    if (status.ended_at && status.started_at) CHECK(*status.ended_at >= *status.started_at);
  }
  // Of every recorded one something is made.
  std::size_t rows = 0;
  for (const auto& [name, text] : cases) {
    INFO(name);
    const auto listing = parse_qstat(text, kSeparator, {});
    CHECK(listing.dropped.empty());
    CHECK_FALSE(listing.rows.empty());
    rows += listing.rows.size();
  }
  std::printf("OpenPBS, recorded job listings: %zu cases, %zu records, all read\n", cases.size(), rows);
}

TEST_CASE("qstat: a job that was deleted while it waited was cancelled and never started") {
  const auto rows = parse_qstat(record("Job Id: 24.pbs01", {{"Job_Name", "delq"},
                                                            {"Job_Owner", "alice@pbs01"},
                                                            {"job_state", "F"},
                                                            {"substate", "91"},
                                                            {"ctime", "1795338322"},
                                                            {"mtime", "1795338330"},
                                                            {"history_timestamp", "1795338331"}}),
                                kSeparator, {});
  REQUIRE(rows.rows.size() == 1);
  const auto status = to_status(rows.rows.front());
  CHECK(status.outcome == Outcome::cancelled);
  CHECK_FALSE(status.started_at.has_value());
  CHECK(status.ended_at == from_unix_seconds(1'795'338'331));
  CHECK(status.reason.message == "cancelled at the site, before it started");
  CHECK(to_usage(rows.rows.front(), SiteId("s")).core_seconds.value == 0);
}

TEST_CASE("qstat: one bad record takes no other with it, and is told") {
  const std::string bad[] = {
      record("Job Id: 2.pbs01", {{"", ""}}),
      record("Job Id: 2.pbs01", {{"Job_Name", "a"}, {"Job_Owner", "alice@pbs01"}, {"ctime", "1795338322"}}),
      record("Job Id: 2.pbs01", {{"Job_Name", ""}, {"Job_Owner", "alice@pbs01"}, {"job_state", "Q"}, {"ctime", "1795338322"}}),
      record("Job Id: 2.pbs01", {{"Job_Name", "a"}, {"Job_Owner", "@pbs01"}, {"job_state", "Q"}, {"ctime", "1795338322"}}),
      record("Job Id: 2.pbs01", {{"Job_Name", "a"}, {"Job_Owner", "alice@pbs01"}, {"job_state", "QQ"}, {"ctime", "1795338322"}}),
      record("Job Id: 2.pbs01", {{"Job_Name", "a"}, {"Job_Owner", "alice@pbs01"}, {"job_state", "Q"}, {"ctime", "yesterday"}}),
      record(
          "Job Id: 2.pbs01",
          {{"Job_Name", "a"}, {"Job_Owner", "alice@pbs01"}, {"job_state", "F"}, {"ctime", "1795338322"}, {"Exit_status", "nan"}}),
      record("Job Id: 2.pbs01", {{"Job_Name", "a"},
                                 {"Job_Owner", "alice@pbs01"},
                                 {"job_state", "F"},
                                 {"ctime", "1795338322"},
                                 {"Exit_status", "99999999"}}),
      record("Job Id: 2.pbs01", {{"Job_Name", "a"},
                                 {"Job_Owner", "alice@pbs01"},
                                 {"job_state", "R"},
                                 {"ctime", "1795338322"},
                                 {"exec_vnode", "(n1:ncpus=inf)"}}),
      record("Job Id: 2.pbs01", {{"Job_Name", "a"},
                                 {"Job_Owner", "alice@pbs01"},
                                 {"job_state", "Q"},
                                 {"ctime", "1795338322"},
                                 {"Resource_List.select", ".5:ncpus=1"}}),
      record("Job Id: 2", {{"Job_Name", "a"}, {"Job_Owner", "alice@pbs01"}, {"job_state", "Q"}, {"ctime", "1795338322"}}),
  };
  for (const auto& each : bad) {
    INFO(each);
    const auto listing = parse_qstat(good("1.pbs01") + each + good("3.pbs01"), kSeparator, {});
    REQUIRE(listing.rows.size() == 2);
    CHECK(listing.rows[0].id == "1.pbs01");
    CHECK(listing.rows[1].id == "3.pbs01");
    REQUIRE(listing.dropped.size() == 1);
    CHECK(listing.dropped.front().row == 2);
    CHECK_FALSE(listing.dropped.front().why.empty());
    CHECK(listing.complete);
  }
}

TEST_CASE("qstat: nobody forges a record or a field, whatever stands in a value") {
  // A release may write a line break as it is.
  const std::string hostile =
      "x\nJob Id: 9.pbs01|Job_Name=forged\nJob Id: 9.pbs01\nJob_Name=forged" + std::string("\n") + "Job Id: " + "\n\xff\xfe";
  const auto listing = parse_qstat(good("1.pbs01") +
                                       record("Job Id: 2.pbs01", {{"Job_Name", "mine"},
                                                                  {"Job_Owner", "eve@pbs01"},
                                                                  {"job_state", "R"},
                                                                  {"ctime", "1795338322"},
                                                                  {"comment", hostile},
                                                                  {"Exit_status", "7"},
                                                                  {"Job_Name", "other"},
                                                                  {"Exit_status", "0"}}) +
                                       good("3.pbs01"),
                                   kSeparator, {});
  CHECK(listing.dropped.empty());
  REQUIRE(listing.rows.size() == 3);
  CHECK(listing.rows[1].name == "mine");
  CHECK(listing.rows[1].exit == 7);
  CHECK(listing.rows[1].comment.contains("forged"));
}

TEST_CASE("qstat: an answer that is cut is not complete") {
  const auto whole = good("1.pbs01") + good("2.pbs01");
  const auto one = good("1.pbs01").size();
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const auto listing = parse_qstat(whole.substr(0, size), kSeparator, {});
    INFO(size);
    CHECK(listing.rows.size() <= (size < one ? 0 : 1));
    if (size == one) CHECK(listing.rows.size() == 1);
    if (size != one) CHECK((!listing.complete || !listing.dropped.empty()));
  }
  CHECK(parse_qstat("", kSeparator, {}).complete);
  CHECK(parse_qstat("", kSeparator, {}).rows.empty());
  CHECK_FALSE(parse_qstat("{\n\t\"timestamp\":\t1795338324\n}\n", kSeparator, {}).dropped.empty());
}

TEST_CASE("qselect: ids, one a line") {
  const auto ids = parse_qselect("10.pbs01\n19[].pbs01\n\n; rm\n12.pbs01\n13.pb");
  CHECK(ids.rows == std::vector<std::string>{"10.pbs01", "19[].pbs01", "12.pbs01"});
  CHECK(ids.dropped.size() == 3);
  CHECK_FALSE(ids.complete);
  CHECK(parse_qselect("").complete);
}

}  // namespace hansa::connectors::pbs
