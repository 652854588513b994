// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/views.hpp"

#include "broker/domain/transition.hpp"
#include "broker/wire/job_text.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace hansa;
using namespace hansa::wire;
using namespace hansa::domain;

namespace {

constexpr UtcTime at(std::int64_t s) { return from_unix_seconds(1'795'341'600 + s); }  // 2026-11-22T10:00:00Z
const JobId kId = *JobId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV");

Job bare_job() {
  return new_job(kId, 1, at(0),
                 {.owner = Principal("local:alice"), .broker_id = "b1", .spec = {.name = "", .project = ProjectId("p")}});
}

Job full_job() {
  auto job = bare_job();
  job.spec.name = "run";
  job.spec.resources = {
      .nodes = 2, .tasks = 4, .cpus_per_task = 3, .memory_per_node = {512}, .gpus_per_node = 1, .gpu_model = "a100"};
  job.spec.placement = {{SiteId("alpha")}, {"FI"}};
  const EventBody kHistory[] = {
      AttemptIntended{1, SiteId("alpha"), QueueName("main"), LocalAccount("alice"), "acc"},
      AttemptBound{1, SiteJobId("4711"), false},
      RunStarted{1, 0, 0, at(60)},
      CancelRequested{Principal("local:bob")},
      CancelResolved{CancelOutcome::stopped},
      AttemptUnknown{1, {"SILENT", "no word"}},
  };
  for (const auto& event : kHistory) REQUIRE(apply(job, {at(job.version), event}));
  return job;
}

}  // namespace

TEST_CASE("a job's view has every field, null where there is no value") {
  CHECK(job_view(bare_job()) == Json{{"id", kId.str()},
                                     {"name", nullptr},
                                     {"state", "accepted"},
                                     {"owner", "local:alice"},
                                     {"project", "p"},
                                     {"site", nullptr},
                                     {"queue", nullptr},
                                     {"site_job_id", nullptr},
                                     {"account", nullptr},
                                     {"exit_code", nullptr},
                                     {"signal", nullptr},
                                     {"reason", nullptr},
                                     {"unknown_since", nullptr},
                                     {"accepted_at", "2026-11-22T10:00:00Z"},
                                     {"started_at", nullptr},
                                     {"ended_at", nullptr},
                                     {"version", 1},
                                     {"cancel", nullptr}});
  CHECK(job_view(full_job()) == Json{{"id", kId.str()},
                                     {"name", "run"},
                                     {"state", "running"},
                                     {"owner", "local:alice"},
                                     {"project", "p"},
                                     {"site", "alpha"},
                                     {"queue", "main"},
                                     {"site_job_id", "4711"},
                                     {"account", "alice"},
                                     {"exit_code", nullptr},
                                     {"signal", nullptr},
                                     {"reason", nullptr},
                                     {"unknown_since", "2026-11-22T10:00:06Z"},
                                     {"accepted_at", "2026-11-22T10:00:00Z"},
                                     {"started_at", "2026-11-22T10:01:00Z"},
                                     {"ended_at", nullptr},
                                     {"version", 7},
                                     {"cancel", {{"by", "local:bob"}, {"at", "2026-11-22T10:00:04Z"}, {"outcome", "stopped"}}}});
}

TEST_CASE("a job's text is canonical, alone and in a list") {
  auto odd = bare_job();
  odd.spec.name = "a \"b\"\n";
  odd.reason = {"HELD", "\xC3\xA4"};
  odd.cancel = CancelIntent{Principal("local:bob"), at(1), std::nullopt};
  odd.exit_code = -1;
  const std::vector<Job> jobs{bare_job(), full_job(), odd};
  Json list = Json::array();
  for (const auto& job : jobs) {
    CHECK(job_text(job) == canonical_json(job_view(job)));
    list.push_back(job_view(job));
  }
  CHECK(list[2]["cancel"] == Json{{"by", "local:bob"}, {"at", "2026-11-22T10:00:01Z"}, {"outcome", nullptr}});
  CHECK(list[2]["name"] == odd.spec.name);
  CHECK(list[2]["exit_code"] == -1);
  CHECK(job_texts(jobs) == canonical_json(list));
  CHECK(job_texts({}) == "[]");
}

TEST_CASE("a job that came back from a site is at none; its attempt is still told") {
  auto job = bare_job();
  REQUIRE(apply(job, {at(1), AttemptIntended{1, SiteId("alpha"), QueueName("main"), LocalAccount(), ""}}));
  CHECK(job_view(job)["site"] == "alpha");
  CHECK(job_view(job)["account"].is_null());
  REQUIRE(apply(job, {at(2), AttemptEnded{.attempt = 1, .outcome = Outcome::never_started, .reason = {"REFUSED", "no"}}}));
  const auto view = job_details_view(job);
  CHECK(view["site"].is_null());
  CHECK(view["queue"].is_null());
  CHECK(view["state"] == "waiting");
  CHECK(view["reason"] == Json{{"code", "REFUSED"}, {"message", "no"}});
  CHECK(view["attempts"][0]["site"] == "alpha");
  CHECK(view["attempts"][0]["outcome"] == "never_started");
}

TEST_CASE("a job that is over shows how its run ended") {
  auto job = full_job();
  REQUIRE(apply(job, {at(90), AttemptEnded{.attempt = 1,
                                           .outcome = Outcome::failed,
                                           .ended_at = at(80),
                                           .exit_code = 137,
                                           .signal = 9,
                                           .reason = {"KILLED", "k"}}}));
  const auto view = job_details_view(job);
  CHECK(view["state"] == "failed");
  CHECK(view["exit_code"] == 137);
  CHECK(view["signal"] == 9);
  CHECK(view["ended_at"] == "2026-11-22T10:01:20Z");
  CHECK(view["unknown_since"].is_null());
  CHECK(view["attempts"][0]["runs"] == Json::array({{{"task_index", 0},
                                                     {"number", 0},
                                                     {"started_at", "2026-11-22T10:01:00Z"},
                                                     {"ended_at", "2026-11-22T10:01:20Z"},
                                                     {"exit_code", 137},
                                                     {"signal", 9},
                                                     {"outcome", "failed"}}}));
}

TEST_CASE("a job's details: the view, what was asked for, attempts and runs") {
  auto job = full_job();
  auto expected = job_view(job);
  expected.update({{"broker_id", "b1"},
                   {"resources",
                    {{"nodes", 2},
                     {"tasks", 4},
                     {"cpus_per_task", 3},
                     {"gpus_per_node", 1},
                     {"memory_per_node_mib", 512},
                     {"gpu_model", "a100"}}},
                   {"time_limit_s", 3600},
                   {"requeue", false},
                   {"exclusive", false},
                   {"placement", {{"sites", {"alpha"}}, {"countries", {"FI"}}}},
                   {"datasets", Json::array()},
                   {"labels", Json::array()},
                   {"outputs", Json::object()},
                   {"secrets", Json::array()},
                   {"code", nullptr},
                   {"container", nullptr},
                   {"modules", Json::array()},
                   {"network", "any"},
                   {"variants", Json::array()},
                   {"array", nullptr},
                   {"tasks", nullptr},
                   {"cancelled_tasks", nullptr},
                   {"after", Json::array()},
                   {"transfers", Json::array()},
                   {"attempts", Json::array({{{"number", 1},
                                              {"site", "alpha"},
                                              {"queue", "main"},
                                              {"tag", "hansa-" + kId.str() + "-1"},
                                              {"state", "bound"},
                                              {"account", "alice"},
                                              {"scheduler_account", "acc"},
                                              {"variant", nullptr},
                                              {"site_job_id", "4711"},
                                              {"intended_at", "2026-11-22T10:00:01Z"},
                                              {"sends", 1},
                                              {"sealed", false},
                                              {"unknown_since", "2026-11-22T10:00:06Z"},
                                              {"outcome", nullptr},
                                              {"reason", {{"code", "SILENT"}, {"message", "no word"}}},
                                              {"granted", nullptr},
                                              {"granted_otherwise", nullptr},
                                              {"move", nullptr},
                                              {"runs", Json::array({{{"task_index", 0},
                                                                     {"number", 0},
                                                                     {"started_at", "2026-11-22T10:01:00Z"},
                                                                     {"ended_at", nullptr},
                                                                     {"exit_code", nullptr},
                                                                     {"signal", nullptr},
                                                                     {"outcome", nullptr}}})}}})}});
  CHECK(job_details_view(job) == expected);
  job.spec.array = domain::parse_task_array("0-4:2,7%2").value();
  job.attempts[0].runs[0].outcome = domain::Outcome::failed;
  job.attempts[0].runs.push_back({.task_index = 4, .started_at = job.started_at});
  const auto view = job_details_view(job);
  CHECK(view["array"] == "0-4:2,7%2");
  CHECK(view["tasks"] == Json{{"failed", {{"count", 1}, {"tasks", "0"}}},
                              {"running", {{"count", 1}, {"tasks", "4"}}},
                              {"waiting", {{"count", 2}, {"tasks", "2,7"}}}});

  job.attempts[0].granted =
      domain::Grant{.cores = 12, .time_limit = Seconds{600}, .queue = QueueName("main"), .exclusive = false};
  const auto attempt = job_details_view(job)["attempts"][0];
  CHECK(attempt["granted"] == Json{{"cores", 12}, {"time_limit_s", 600}, {"queue", "main"}, {"exclusive", false}});
  CHECK(attempt["granted_otherwise"]["code"] == "GRANTED_LESS");
  CHECK(attempt["granted_otherwise"]["message"] ==
        "site alpha has changed what was asked for: it gives a time limit of 10m, not 1h");

  const auto bare = job_details_view(bare_job());
  CHECK(bare["resources"] == Json{{"nodes", 1}, {"tasks", 1}, {"cpus_per_task", 1}, {"gpus_per_node", 0}});
  CHECK(bare["placement"] == Json{{"sites", Json::array()}, {"countries", Json::array()}});
  CHECK(bare["attempts"] == Json::array());
}

TEST_CASE("a decision's view: a verdict for every site, with what it rests on") {
  const Decision decision{.at = at(0),
                          .chosen = SiteId("alpha"),
                          .queue = QueueName("main"),
                          .verdicts = {{.site = SiteId("alpha"),
                                        .obstacle = Obstacle::none,
                                        .code = "OK",
                                        .message = "fits",
                                        .source = "snapshot",
                                        .age = Seconds{5},
                                        .queue = QueueName("main"),
                                        .wait = Seconds{0},
                                        .method = "queue played forward (EASY)",
                                        .snapshot_hash = "abc",
                                        .rules = RuleVerdict{.code = "PERMITTED", .rules = {"P"}, .obligations = {"o"}}},
                                       {.site = SiteId("beta"),
                                        .obstacle = Obstacle::permanent,
                                        .code = "TOO_FEW_CORES",
                                        .message = "small",
                                        .source = "configuration"}},
                          .reason = {"EARLIEST", "starts first"},
                          .policy_hash = "def"};
  CHECK(decision_view(decision) == Json{{"at", "2026-11-22T10:00:00Z"},
                                        {"site", "alpha"},
                                        {"queue", "main"},
                                        {"reason", {{"code", "EARLIEST"}, {"message", "starts first"}}},
                                        {"policy_hash", "def"},
                                        {"verdicts",
                                         {{{"site", "alpha"},
                                           {"possible", true},
                                           {"obstacle", "none"},
                                           {"code", "OK"},
                                           {"message", "fits"},
                                           {"source", "snapshot"},
                                           {"age_s", 5},
                                           {"queue", "main"},
                                           {"wait_s", 0},
                                           {"method", "queue played forward (EASY)"},
                                           {"snapshot_hash", "abc"},
                                           {"rules", {{"code", "PERMITTED"}, {"rules", {"P"}}, {"obligations", {"o"}}}}},
                                          {{"site", "beta"},
                                           {"possible", false},
                                           {"obstacle", "permanent"},
                                           {"code", "TOO_FEW_CORES"},
                                           {"message", "small"},
                                           {"source", "configuration"}}}}});
  CHECK(decision_view({.at = at(0)}) == Json{{"at", "2026-11-22T10:00:00Z"},
                                             {"site", nullptr},
                                             {"queue", nullptr},
                                             {"reason", nullptr},
                                             {"policy_hash", nullptr},
                                             {"verdicts", Json::array()}});
}

TEST_CASE("an event's view and a usage record's") {
  CHECK(event_view({at(0), AttemptBound{2, SiteJobId("12_3"), true}}, 5) ==
        Json{{"version", 5},
             {"at", "2026-11-22T10:00:00Z"},
             {"event", "attempt_bound"},
             {"details", {{"attempt", 2}, {"site_job_id", "12_3"}, {"adopted", true}}}});

  UsageRecord record{.site = SiteId("alpha"),
                     .cluster = "c1",
                     .site_job_id = SiteJobId("7"),
                     .tag = make_tag(kId, 1),
                     .account = LocalAccount("alice"),
                     .scheduler_account = "acc",
                     .queue = QueueName("main"),
                     .submitted_at = at(0),
                     .started_at = at(10),
                     .ended_at = at(20),
                     .site_state = "COMPLETED",
                     .exit_code = 0,
                     .elapsed = Seconds{10},
                     .nodes = 2,
                     .cores = 8,
                     .gpus = 1,
                     .core_seconds = {80},
                     .gpu_seconds = {10},
                     .node_seconds = {20},
                     .source_line = "internal"};
  Json expected{{"site", "alpha"},
                {"cluster", "c1"},
                {"site_job_id", "7"},
                {"account", "alice"},
                {"scheduler_account", "acc"},
                {"queue", "main"},
                {"submitted_at", "2026-11-22T10:00:00Z"},
                {"started_at", "2026-11-22T10:00:10Z"},
                {"ended_at", "2026-11-22T10:00:20Z"},
                {"site_state", "COMPLETED"},
                {"exit_code", 0},
                {"elapsed_s", 10},
                {"nodes", 2},
                {"cores", 8},
                {"gpus", 1},
                {"core_seconds", 80},
                {"gpu_seconds", 10},
                {"node_seconds", 20}};
  CHECK(usage_record_view(record) == expected);
  record.account = {};
  record.scheduler_account = {};
  record.queue = {};
  record.started_at.reset();
  record.exit_code.reset();
  for (const auto* field : {"account", "scheduler_account", "queue", "started_at", "exit_code"}) expected[field] = nullptr;
  CHECK(usage_record_view(record) == expected);
}

TEST_CASE("kinds of errors and their status") {
  const std::pair<ErrorKind, int> kTable[] = {
      {ErrorKind::invalid_argument, 400}, {ErrorKind::unauthenticated, 401}, {ErrorKind::permission_denied, 403},
      {ErrorKind::not_found, 404},        {ErrorKind::conflict, 409},        {ErrorKind::too_large, 413},
      {ErrorKind::rate_limited, 429},     {ErrorKind::unavailable, 503},     {ErrorKind::deadline_exceeded, 504},
      {ErrorKind::cancelled, 503},        {ErrorKind::unknown_outcome, 502}, {ErrorKind::storage_full, 507},
      {ErrorKind::internal, 500}};
  CHECK(std::size(kTable) == static_cast<std::size_t>(ErrorKind::internal) + 1);
  for (const auto& [kind, status] : kTable) {
    CAPTURE(to_string(kind));
    CHECK(http_status(kind) == status);

    Error error = fail(kind, "A_CODE", "what \"was\" wrong", "for the log alone").error();
    error.faults = {{"/resources/nodes", "too many"}, {"", "all of it"}};
    const auto problem = problem_view(error, status, "req-1");
    CHECK(problem.dump().find("log alone") == std::string::npos);
    CHECK(problem["type"] == "about:blank");
    CHECK(problem["title"].get<std::string>() != "");
    CHECK(problem["status"] == status);
    CHECK(problem["request_id"] == "req-1");
    const auto again = error_from_problem(status, problem);
    CHECK(again.kind ==
          (kind == ErrorKind::cancelled ? ErrorKind::unavailable : kind));  // the broker stops: to its client it is away
    CHECK(again.code == error.code);
    CHECK(again.message == error.message);
    CHECK(again.faults == error.faults);
    CHECK(again.retryable == (error.retryable || kind == ErrorKind::cancelled));
  }
}

TEST_CASE("a problem without faults or request has no such fields") {
  const auto problem = problem_view(fail(ErrorKind::not_found, "JOB_NOT_FOUND", "no job").error(), 404, "");
  CHECK(problem ==
        Json{{"type", "about:blank"}, {"title", "Not found"}, {"status", 404}, {"detail", "no job"}, {"code", "JOB_NOT_FOUND"}});
}

TEST_CASE("an answer that is no problem document is still an error that says something") {
  const Json kAnswers[] = {nullptr,
                           "Bad Gateway",
                           7,
                           Json::array(),
                           Json::object(),
                           {{"code", 7}, {"detail", nullptr}, {"errors", "x"}},
                           {{"errors", {1, "x", nullptr}}}};
  for (const auto& answer : kAnswers) {
    CAPTURE(answer.dump());
    const auto error = error_from_problem(502, answer);
    CHECK(error.kind == ErrorKind::unknown_outcome);
    CHECK(error.code == "HTTP_502");
    CHECK(error.message == "the broker answered with status 502");
    CHECK(error.faults.empty());
  }
  CHECK(error_from_problem(418, {}).kind == ErrorKind::internal);
  CHECK_FALSE(error_from_problem(418, {}).retryable);
  CHECK(error_from_problem(400, {{"errors", {{{"pointer", 1}}, {{"detail", "d"}}}}}).faults ==
        std::vector<Fault>{{"", ""}, {"", "d"}});
}
