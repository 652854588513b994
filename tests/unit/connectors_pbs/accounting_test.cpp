// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/accounting.hpp"

#include "connectors/pbs/checks.hpp"
#include "tests/unit/connectors_pbs/captures.hpp"

namespace hansa::connectors::pbs {

namespace {

using test::capture;
using test::record;

JobRow job_that_ran(int times) {
  const auto rows = parse_qstat(record("Job Id: 26.pbs01", {{"Job_Name", "rerun"},
                                                            {"Job_Owner", "alice@pbs01"},
                                                            {"job_state", "F"},
                                                            {"server", "pbs01"},
                                                            {"Account_Name", "lab"},
                                                            {"ctime", "1795338421"},
                                                            {"stime", "1795338433"},
                                                            {"obittime", "1795338437"},
                                                            {"run_count", std::to_string(times)}}),
                                test::kSeparator, {});
  REQUIRE(rows.rows.size() == 1);
  return rows.rows.front();
}

std::string rerun(const std::string& fields, const std::string& id = "26.pbs01") {
  return "11/22/2026 09:07:13;R;" + id + ";" + fields + "\n";
}

const std::string kRun =
    "user=alice group=alice jobname=rerun queue=workq ctime=1795338421 start=1795338421 exec_vnode=(pbs01:ncpus=1) "
    "end=1795338433 "
    "Exit_status=-11 resources_used.walltime=00:00:11 run_count=1";

}  // namespace

TEST_CASE("accounting log: of a job that was started again, the run before, as it was recorded") {
  const auto told = parse_reruns(capture("accounting.log"), {});
  CHECK(told.complete);
  CHECK(told.dropped.empty());
  REQUIRE(told.rows.size() == 1);
  const auto runs = runs_before(job_that_ran(2), told.rows);
  REQUIRE(runs.size() == 1);
  const auto usage = to_usage(runs.front(), SiteId("s"));
  CHECK(usage.cluster == "pbs01");
  CHECK(usage.site_job_id.str() == "26.pbs01");
  CHECK(usage.account.str() == "alice");
  CHECK(usage.scheduler_account == "lab");
  CHECK(usage.submitted_at == from_unix_seconds(1'795'338'421));
  CHECK(usage.started_at == from_unix_seconds(1'795'338'421));
  CHECK(usage.ended_at == from_unix_seconds(1'795'338'433));
  CHECK(usage.elapsed == Seconds{11});
  CHECK(usage.core_seconds.value == 11);
  CHECK(usage.exit_code == -11);
  CHECK(usage.site_state == "rerun");
  CHECK(usage.source_line.starts_with("11/22/2026 09:07:13;R;26.pbs01;user=alice"));
  CHECK(runs_before(job_that_ran(1), told.rows).empty());  // it was started once
}

TEST_CASE("accounting log: nobody makes runs of others' by what they write into theirs", "[T20]") {
  const auto runs = [](const std::string& text) { return runs_before(job_that_ran(2), parse_reruns(text, {}).rows).size(); };
  CHECK(runs(rerun(kRun)) == 1);
  CHECK(runs("line1\n" + rerun(kRun)) == 1);
  CHECK(runs(rerun(kRun) + rerun(kRun)) == 0);                              // told twice: nobody knows which of them is true
  CHECK(runs(rerun("account=\"x " + kRun + "\" " + kRun)) == 0);            // a field twice
  CHECK(runs(rerun(kRun, "27.pbs01")) == 0);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"user=alice", "user=eve"},
                                                        {"jobname=rerun", "jobname=other"},
                                                        {"ctime=1795338421", "ctime=1795338420"},
                                                        {"run_count=1", "run_count=2"},  // its last run: the history has it
                                                        {"run_count=1", "run_count=0"},
                                                        {"start=1795338421", "start=1795338420"},  // before it was submitted
                                                        {"end=1795338433", "end=1795338434"},  // while its last run ran
                                                        {"end=1795338433", "end=1795338420"},
                                                        {"end=1795338433 ", ""},
                                                        {"start=1795338421 ", ""},
                                                        {"ncpus=1", "ncpus=inf"},
                                                        {"00:00:11", "yesterday"}}) {
    auto text = kRun;
    text.replace(text.find(from), from.size(), to);
    INFO(text);
    CHECK(runs(rerun(text)) == 0);
  }
  CHECK(parse_reruns("11/22/2026 09:07:13;R;26.pbs01;user=alice", {}).rows.empty());  // cut
  CHECK_FALSE(parse_reruns("11/22/2026 09:07:13;R;26.pbs01;user=alice", {}).complete);
  CHECK(parse_reruns("x;R;26.pbs01;" + kRun + "\n;;;\n\n\xff\n", {}).rows.empty());
}

TEST_CASE("accounting log: that it cannot be read stops booking, which the doctor says with its remedy") {
  const auto found = judge_reruns("/log", fail(ErrorKind::unavailable, "SITE_DOWN", "/log: Permission denied"));
  CHECK(found.verdict == domain::DoctorVerdict::fault);
  CHECK(found.value.contains("booking of all usage of this site stands still"));
  CHECK(found.value.contains("/log: Permission denied"));
  CHECK(found.remedy.contains("let the broker's account read /log"));
  CHECK(judge_reruns("/log", Listing<JobRow>{}).verdict == domain::DoctorVerdict::ok);
  CHECK(judge_reruns("", Listing<JobRow>{}).verdict == domain::DoctorVerdict::not_checked);
}

TEST_CASE("accounting log: the files of the days that a job was there, and one more at both ends") {
  const std::vector jobs{job_that_ran(2)};
  CHECK(log_files(jobs) == std::vector<std::string>{"20261123", "20261122", "20261121"});
  CHECK(log_files({}).empty());
  auto old = jobs;
  old.front().submitted_at = UtcTime{};
  CHECK(log_files(old).size() == kMostDays);
}

}  // namespace hansa::connectors::pbs
