// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/history_listing.hpp"
#include "connectors/slurm/job_state.hpp"
#include "connectors/slurm/queue_listing.hpp"
#include "tests/unit/connectors_slurm/captures.hpp"

#include <algorithm>

namespace hansa::connectors::slurm {

using domain::Outcome;
using ports::Phase;
using test::asked_of_the_queue;
using test::capture;
using test::kSeparator;

namespace {

std::string separated(const std::vector<std::string>& fields) {
  std::string row;
  for (const auto& field : fields) row.append(field).append(kSeparator);
  return row + '\n';
}

std::vector<std::string> queue_fields() {
  return {"7",          "7",          "alice",      "alpha", "main",       "RUNNING", "None", "1795341614",
          "1795341614", "1795341615", "1795342215", "10:00", "4294901759", "0",       "0",    "cpu=1,mem=100M,node=1,billing=1",
          "n1",         "proj1",      "1",          "OK",    "hansa-x-1"};
}

std::vector<std::string> history_fields() {
  return {"7",          "alpha",      "alice", "proj1",     "main", "1795341614",
          "1795341615", "1795341625", "10",    "COMPLETED", "0:0",  "billing=2,cpu=2,gres/gpu=1,mem=100M,node=1",
          "20",         "hansa-x-1"};
}

}  // namespace

TEST_CASE("squeue: the answer to our own question, hostile names in it (22.05)") {
  const auto text = asked_of_the_queue("22.05");
  const auto listing = parse_squeue(text, kSeparator);
  CHECK(listing.dropped.empty());
  CHECK(listing.complete);
  REQUIRE(listing.rows.size() == 9);
  const auto row = [&](std::string_view id) {
    const auto found = std::ranges::find(listing.rows, id, &QueueRow::display_id);
    REQUIRE(found != listing.rows.end());
    return *found;
  };
  CHECK(row("48").name == "evil\n99|x|R|z00112233445566778899aab");
  CHECK(row("48").nodes == "hel-n[1-2]");
  CHECK(row("48").tres.gpus == 2);
  CHECK(row("48").tres.memory.value == 600);
  CHECK(row("49").name == "\xff\xfe \t\"q\"");
  CHECK(row("49").time_limit == Seconds{93600});
  CHECK(row("51").queue.str() == "short");
  CHECK_FALSE(row("51").time_limit.has_value());
  CHECK(row("51").eligible_at == from_unix_seconds(1795351836));
  CHECK(row("50_2").id == "50");
  CHECK(row("50_2").priority == 0);
  CHECK(row("46").cluster == "hel");
  const auto duplicate = to_status(row("46"));
  CHECK(duplicate.outcome == Outcome::failed);
  CHECK(duplicate.exit_code == 113);
  CHECK(to_status(row("52")).exit_code == 3);
  CHECK(to_status(row("47")).phase == Phase::running);
  CHECK(to_status(row("51")).phase == Phase::queued);
  CHECK_FALSE(to_status(row("51")).started_at.has_value());  // "1795351836" is the scheduler's plan
}

TEST_CASE("squeue: what a job is given is read back, as far as it is said") {
  const auto granted = [](const std::vector<std::pair<std::size_t, std::string>>& changes) {
    auto fields = queue_fields();
    for (const auto& [column, value] : changes) fields[column] = value;
    const auto listing = parse_squeue(separated(fields), kSeparator);
    REQUIRE(listing.rows.size() == 1);
    return *to_status(listing.rows.front()).granted;
  };
  const domain::Grant all{.nodes = 1,
                          .tasks = 1,
                          .cores = 1,
                          .gpus = 0,
                          .memory = {100},
                          .time_limit = Seconds{600},
                          .queue = QueueName("main"),
                          .account = "proj1",
                          .exclusive = false};
  CHECK(granted({}) == all);
  CHECK(granted({{15, "cpu=8,mem=16000M,node=2,gres/gpu=4"}}).gpus == 4);
  CHECK(granted({{19, "NO"}}).exclusive == true);
  CHECK(granted({{18, "16"}}).tasks == 16);
  const auto silent = granted({{11, "UNLIMITED"}, {17, "(null)"}, {18, "N/A"}, {19, "USER"}});
  CHECK(silent.time_limit == Seconds{0});
  CHECK(silent.account.empty());
  CHECK(silent.tasks == 0);
  CHECK_FALSE(silent.exclusive.has_value());
}

TEST_CASE("squeue: malformed rows are dropped one by one") {
  const std::vector<std::pair<std::size_t, std::string>> faults{
      {0, "x"},  {0, ""},   {5, ""},    {7, "soon"}, {7, "N/A"},          {8, "x"},     {9, "x"},
      {10, "x"}, {11, "x"}, {12, "-1"}, {13, "x"},   {13, "99999999999"}, {15, "cpu=x"}};
  for (const auto& [column, value] : faults) {
    INFO(column << " = " << value);
    auto fields = queue_fields();
    fields[column] = value;
    const auto listing = parse_squeue(separated(fields) + separated(queue_fields()), kSeparator);
    CHECK(listing.rows.size() == 1);
    CHECK(listing.dropped.size() == 1);
  }
  CHECK(parse_squeue("squeue: no such thing", kSeparator).rows.empty());
}

TEST_CASE("sacct: the answer to our own question (22.05)") {
  const auto listing = parse_sacct(capture("22.05", "asked.sacct.out"), kSeparator);
  CHECK(listing.dropped.empty());
  REQUIRE(listing.rows.size() == 7);
  CHECK(listing.rows[2].name == "evil\n99|x|R|z00112233445566778899aab");
  CHECK(listing.rows[0].exit->code == 113);
  CHECK(phase_of(listing.rows[1].state) == Phase::running);
  CHECK_FALSE(listing.rows[1].ended_at.has_value());
  CHECK(listing.rows[2].granted.cpus == 4);
  CHECK(listing.rows[2].core_seconds.value == 12);
}

TEST_CASE("sacct: malformed rows are dropped one by one, steps are skipped") {
  const std::vector<std::pair<std::size_t, std::string>> faults{
      {0, "x"}, {5, "x"}, {5, "Unknown"}, {6, "x"}, {7, "x"}, {8, "x"}, {8, "999999999999"}, {9, ""}, {11, "x"}, {12, "-1"}};
  for (const auto& [column, value] : faults) {
    INFO(column << " = " << value);
    auto fields = history_fields();
    fields[column] = value;
    const auto listing = parse_sacct(separated(fields) + separated(history_fields()), kSeparator);
    CHECK(listing.rows.size() == 1);
    CHECK(listing.dropped.size() == 1);
  }
  auto step = history_fields();
  step[0] = "7.batch";
  const auto listing = parse_sacct(separated(step) + separated(history_fields()), kSeparator);
  CHECK(listing.rows.size() == 1);
  CHECK(listing.dropped.empty());
}

TEST_CASE("ids as Slurm shows them") {
  CHECK(parse_shown_id("7").id == "7");
  CHECK_FALSE(parse_shown_id("7").of_array);
  CHECK(parse_shown_id("34+1").id == "34+1");
  const auto task = parse_shown_id("7_3");
  CHECK(task.id == "7");
  CHECK(task.of_array);
  CHECK(task.tasks == std::vector{3});
  CHECK(parse_shown_id("7_[0,2-4%2]").tasks == std::vector{0, 2, 3, 4});
  CHECK(parse_shown_id("7_[0-8:4]").tasks == std::vector{0, 4, 8});
  for (const auto* cut :
       {"7_[0,2,4,...]", "7_[0-5000]", "7_", "7_[", "7_[]", "7_x"}) {  // somebody's array; none of its tasks is known
    INFO(cut);
    CHECK(parse_shown_id(cut).id == "7");
    CHECK(parse_shown_id(cut).of_array);
    CHECK(parse_shown_id(cut).tasks.empty());
  }
  for (const auto* none : {"", "x", "_3", "x_3", "+1", "-7"}) CHECK(parse_shown_id(none).id.empty());
}

TEST_CASE("squeue and sacct: tasks of an array are called by it") {
  auto queue = queue_fields();
  queue[0] = "9";
  queue[1] = "7_3";
  const auto waiting = parse_squeue(separated(queue), kSeparator);
  REQUIRE(waiting.rows.size() == 1);
  CHECK(waiting.rows[0].array_id == "7");
  CHECK(waiting.rows[0].tasks == std::vector{3});
  auto history = history_fields();
  history[0] = "7_3";
  auto together = history;
  together[0] = "7_[3-6%2]";  // as it is when a task starts while the rest is cancelled
  together[9] = "CANCELLED by 0";
  const auto over = parse_sacct(separated(history) + separated(history) + separated(together), kSeparator);
  REQUIRE(over.rows.size() == 3);
  CHECK(over.rows[1].run == 1);  // started again
  CHECK(over.rows[2].tasks == std::vector{4, 5, 6});
  CHECK(over.rows[2].run == 0);
  const auto record = to_usage(over.rows[0], SiteId("s"));
  CHECK(record.site_job_id == SiteJobId("7_3"));
  CHECK(record.array_id == SiteJobId("7"));
  CHECK(to_usage(over.rows[2], SiteId("s")).site_job_id == SiteJobId("7_[3-6%2]"));
}

TEST_CASE("sacct: usage in the site's own figures") {
  const auto listing = parse_sacct(separated(history_fields()), kSeparator);
  REQUIRE(listing.rows.size() == 1);
  const auto record = to_usage(listing.rows[0], SiteId("s"));
  CHECK(record.tag.str() == "hansa-x-1");
  CHECK(record.account.str() == "alice");
  CHECK(record.scheduler_account == "proj1");
  CHECK(record.elapsed == Seconds{10});
  CHECK(record.cores == 2);
  CHECK(record.core_seconds.value == 20);
  CHECK(record.gpu_seconds.value == 10);
  CHECK(record.node_seconds.value == 10);
  CHECK(record.source_line ==
        "7|alpha|alice|proj1|main|1795341614|1795341615|1795341625|10|COMPLETED|0:0|billing=2,cpu=2,gres/"
        "gpu=1,mem=100M,node=1|20|hansa-x-1");
}

TEST_CASE("sacct: both versions tell the same story of the same jobs") {
  const std::string version = GENERATE("22.05", "26.05");
  const auto read = [&](std::string_view name) {
    const auto text = capture(version, name);
    const auto header = test::split_at(std::string_view(text).substr(0, text.find('\n')), '|');
    return read_history(test::reordered(text, header,
                                        {"JobIDRaw", "Cluster", "User", "Account", "Partition", "Submit", "Start", "End",
                                         "ElapsedRaw", "State", "ExitCode", "AllocTRES", "CPUTimeRAW", "JobName"}));
  };
  auto listing = read("sacct.all-22fields.out");
  // Asked plainly for a window of time, sacct leaves out what was cancelled before it was eligible; asked for the job, it has it.
  std::ranges::move(read("sacct.job-cancelq.out").rows, std::back_inserter(listing.rows));
  CHECK(listing.dropped.empty());
  const auto last = [&](std::string_view name) {
    const auto found =
        std::find_if(listing.rows.rbegin(), listing.rows.rend(), [&](const auto& row) { return row.name == name; });
    INFO(version << " " << name);
    REQUIRE(found != listing.rows.rend());
    return *found;
  };
  INFO(version);
  CHECK(to_status(last("ok")).outcome == Outcome::succeeded);
  CHECK(to_status(last("ok")).exit_code == 0);
  CHECK(last("ok").elapsed == Seconds{2});
  CHECK(last("fromfile").core_seconds.value == last("fromfile").elapsed.count() * 2);

  auto status = to_status(last("sig9"));
  CHECK(status.outcome == Outcome::failed);
  CHECK(status.signal == 9);
  CHECK_FALSE(status.exit_code.has_value());
  CHECK(status.reason.code == "SIGNAL");

  status = to_status(last("cq"));  // cancelled while it waited
  CHECK(status.outcome == Outcome::cancelled);
  CHECK_FALSE(status.started_at.has_value());
  CHECK(status.reason.message == "cancelled at the site by uid 1001, before it started");
  CHECK(to_usage(last("cq"), SiteId("s")).cores == 0);  // 22.05 names the requested count in NCPUS, 26.05 a zero

  status = to_status(last("cr"));  // and while it ran
  CHECK(status.outcome == Outcome::cancelled);
  CHECK(status.started_at.has_value());

  status = to_status(last("nodefail"));
  CHECK(status.outcome == Outcome::failed);
  CHECK(status.reason.code == "NODE_FAIL");

  CHECK(to_status(last("stepfail")).outcome == Outcome::succeeded);

  const auto requeued = last("rq");  // its second run
  CHECK(requeued.run == 1);
  CHECK(to_status(requeued).outcome == Outcome::succeeded);
  const auto first_run = std::ranges::find(listing.rows, "rq", &HistoryRow::name);
  CHECK(to_status(*first_run).phase == Phase::not_seen);  // REQUEUED: another row follows
  CHECK(to_usage(*first_run, SiteId("s")).core_seconds.value == first_run->elapsed.count());

  const auto no_directory =
      std::ranges::find_if(listing.rows, [](const auto& row) { return row.exit && row.exit->signal == 53; });
  REQUIRE(no_directory != listing.rows.end());
  CHECK(to_status(*no_directory).reason.code == "LAUNCH_FAILED");
  CHECK_FALSE(to_status(*no_directory).signal.has_value());
  const auto impossible =
      std::ranges::find_if(listing.rows, [](const auto& row) { return row.state == "FAILED" && row.granted.nodes == 0; });
  REQUIRE(impossible != listing.rows.end());
  CHECK_FALSE(to_status(*impossible).started_at.has_value());  // 22.05 writes a start for it
  CHECK(to_status(*impossible).reason.code == "SITE_FAILED");
}

TEST_CASE("squeue: both versions tell the same story of the same jobs") {
  const std::string version = GENERATE("22.05", "26.05");
  const auto text = capture(version, "squeue.text-all-final.out");
  // '%i|%j|%T|%u|%a|%P|%D|%C|%m|%l|%L|%V|%S|%r|%N'; what it does not have is filled in
  const std::vector<std::string_view> header{"id",     "name",  "state", "user",   "account", "partition", "nodes", "cpus",
                                             "memory", "limit", "left",  "submit", "start",   "reason",    "list"};
  auto rows = test::reordered(text, header,
                              {"id", "id", "user", "user", "partition", "state", "reason", "submit", "submit", "start", "start",
                               "limit", "nodes", "nodes", "id", "nodes", "list", "account", "cpus", "nodes", "name"});
  for (auto& row : rows.rows) {
    row[14] = "0";
    row[15] = "cpu=1,node=1";
  }
  const auto listing = read_queue(rows);
  const auto named = [&](std::string_view name) {
    const auto found = std::ranges::find(listing.rows, name, &QueueRow::name);
    INFO(version << " " << name);
    REQUIRE(found != listing.rows.end());
    return *found;
  };
  CHECK(to_status(named("ok")).outcome == Outcome::succeeded);
  CHECK(to_status(named("cq")).outcome == Outcome::cancelled);
  CHECK_FALSE(to_status(named("cq")).started_at.has_value());
  CHECK(to_status(named("cr")).started_at.has_value());
  CHECK(to_status(named("tmo")).outcome == Outcome::timed_out);
  CHECK(to_status(named("nodefail")).reason.code == "NODE_FAIL");
  CHECK(to_status(named("depnever")).phase == Phase::queued);
  CHECK_FALSE(is_eligible(named("depnever").reason));
  CHECK_FALSE(is_eligible(named("rqh").reason));
  // Rows whose number is no plain number (arrays, components) belong to other people's jobs and are dropped here by their id.
  for (const auto& dropped : listing.dropped) CHECK(dropped.why.contains("the job id"));
}

TEST_CASE("states: every word of both versions has a meaning, any other proves nothing") {
  for (const auto word :
       {"PENDING", "CONFIGURING", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD", "EXPEDITING"}) {
    CHECK(phase_of(word) == Phase::queued);
  }
  for (const auto word : {"RUNNING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING"}) CHECK(phase_of(word) == Phase::running);
  for (const auto word : {"COMPLETING", "STAGE_OUT"}) CHECK(phase_of(word) == Phase::finishing);
  const std::vector<std::pair<std::string_view, Outcome>> ends{
      {"COMPLETED", Outcome::succeeded},     {"FAILED", Outcome::failed},        {"TIMEOUT", Outcome::timed_out},
      {"DEADLINE", Outcome::timed_out},      {"CANCELLED", Outcome::cancelled},  {"CANCELLED by 0", Outcome::cancelled},
      {"NODE_FAIL", Outcome::failed},        {"OUT_OF_MEMORY", Outcome::failed}, {"PREEMPTED", Outcome::failed},
      {"BOOT_FAIL", Outcome::never_started}, {"REVOKED", Outcome::never_started}};
  for (const auto& [word, outcome] : ends) {
    INFO(word);
    CHECK(phase_of(word) == Phase::ended);
    ports::JobStatus status;
    describe_end(status, {.state = word, .reason = "", .had_nodes = true, .exit = ExitCode{0, 0}});
    CHECK(status.outcome == outcome);
  }
  for (const auto word : {"", "REQUEUED", "completed", "FANCY_NEW_STATE", "COMPLETEDX"}) CHECK(phase_of(word) == Phase::not_seen);
  for (const auto reason : {"None", "", "Priority", "Resources"}) CHECK(is_eligible(reason));
  for (const auto reason :
       {"Dependency", "JobHeldUser", "JobHeldAdmin", "BeginTime", "AssocGrpCpuLimit", "QOSMaxJobsPerUserLimit"}) {
    CHECK_FALSE(is_eligible(reason));
  }
}

}  // namespace hansa::connectors::slurm
