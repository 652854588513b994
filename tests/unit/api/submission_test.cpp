// SPDX-License-Identifier: Apache-2.0
// What a submission is answered, and when.
#include "broker/api/answers.hpp"
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

namespace {

Json too_large() { return {{"script", kHold}, {"resources", {{"cpus_per_task", 64}}}}; }

}  // namespace

TEST_CASE("how long a client would wait") {
  const struct {
    std::vector<const char*> fields;
    std::optional<int> wait;
  } kTable[] = {
      {{}, std::nullopt},
      {{"wait=3"}, 3},
      {{"wait=0"}, 0},
      {{"wait=5"}, 5},
      {{"wait=600"}, 5},
      {{"wait=99999999999999999999"}, 5},
      {{"respond-async, wait=2"}, 2},
      {{"respond-async", "WAIT = \"2\""}, 2},
      {{"wait=2;x=y, wait=4"}, 2},
      {{"wait=x, wait=4"}, std::nullopt},
      {{"wait"}, std::nullopt},
      {{"wait="}, std::nullopt},
      {{"wait=-1"}, std::nullopt},
      {{"wait=-99999999999999999999"}, std::nullopt},
      {{"wait=1.5"}, std::nullopt},
      {{"await=3"}, std::nullopt},
      {{",,;=,"}, std::nullopt},
  };
  for (const auto& [fields, wait] : kTable) {
    http::Headers headers;
    headers.add("Accept", "wait=1");
    for (const auto* field : fields) headers.add("prefer", field);
    CAPTURE(fields.empty() ? "" : fields.front());
    const auto found = preferred_wait(headers, Seconds{5});
    CHECK(found.has_value() == wait.has_value());
    if (found && wait) CHECK(found->count() == *wait);
  }
}

TEST_CASE("a submission is acknowledged at once, or once it is decided about, as its client prefers") {
  ApiUnderTest broker;
  const auto at_once = broker.call("alice", "POST", "/v1/jobs", too_large());
  CHECK(at_once.status == 201);
  CHECK(at_once.body["state"] == "accepted");
  CHECK(at_once.header("Preference-Applied").empty());

  const auto before = broker.time.now_monotonic();
  const auto rejected = broker.call("alice", "POST", "/v1/jobs", too_large(), {{"Prefer", "wait=60"}, {"Idempotency-Key", "k"}});
  CHECK(rejected.status == 201);
  CHECK(rejected.body["state"] == "rejected");
  CHECK(rejected.header("Preference-Applied") == "wait=5");
  CHECK(rejected.header("Location") == "/v1/jobs/" + rejected.body["id"].get<std::string>());
  CHECK((broker.time.now_monotonic() - before).count() < 1'000);  // no longer than the decision takes

  const auto again = broker.call("alice", "POST", "/v1/jobs", too_large(), {{"Prefer", "wait=5"}, {"Idempotency-Key", "k"}});
  CHECK(again.status == 200);
  CHECK(again.body == rejected.body);

  const auto placed = broker.call("alice", "POST", "/v1/jobs", {{"script", kHold}}, {{"Prefer", "wait=5"}});
  CHECK(placed.body["state"] != "accepted");
  CHECK(placed.body["site"] == "alpha");
}

TEST_CASE("jobs in bulk are answered once all are decided about") {
  ApiUnderTest broker;
  const Json request{{"jobs", {{{"script", kHold}}, too_large(), {{"script", kHold}, {"placement", {{"countries", {"SE"}}}}}}}};
  const auto told = broker.call("alice", "POST", "/v1/jobs/bulk", request, {{"Prefer", "wait=5"}});
  CHECK(told.status == 201);
  CHECK(told.header("Preference-Applied") == "wait=5");
  REQUIRE(told.body["jobs"].size() == 3);
  CHECK(told.body["jobs"][0]["site"] == "alpha");
  CHECK(told.body["jobs"][1]["state"] == "rejected");
  CHECK(told.body["jobs"][2]["state"] == "rejected");
  CHECK(broker.call("alice", "POST", "/v1/jobs/bulk", request).body["jobs"][1]["state"] == "accepted");
}

TEST_CASE("a job that comes after others says what it waits for, and nobody else's jobs are told from none") {
  ApiUnderTest broker;
  const auto first = broker.submit("alice");
  const auto foreign = broker.submit("bob", {{"script", kHold}, {"project", "ai-lab"}});
  const std::string none = "01ARYZ6S41TSV4RRFFQ69G5FAV";
  const auto after = [](const Json& ids) { return Json{{"script", kHold}, {"after", ids}}; };
  std::vector<std::string> told;
  for (const auto& id : {foreign, none}) {
    const auto refused = broker.call("alice", "POST", "/v1/jobs", after({first, id}));
    CHECK(refused.status == 400);
    CHECK(refused.code() == "NO_SUCH_JOB");
    CHECK(refused.fault("/after") == "you have no job " + id + "; see: hansa jobs");
    CHECK(broker.call("alice", "POST", "/v1/jobs?dry_run=true", after({id})).status == 400);
    CHECK_FALSE(
        broker.call("alice", "POST", "/v1/jobs/bulk", {{"jobs", Json::array({after({id})})}}).fault("/jobs/0/after").empty());
    const auto second = broker.call("alice", "POST", "/v1/jobs/bulk", {{"jobs", {after({first}), after({first, id})}}});
    CHECK(second.body["errors"].size() == 1);
    CHECK_FALSE(second.fault("/jobs/1/after").empty());
  }
  CHECK(broker.call("alice", "POST", "/v1/jobs?dry_run=true", after({first})).status == 200);

  const auto held = broker.call("alice", "POST", "/v1/jobs", after({first}), {{"Prefer", "wait=5"}});
  CHECK(held.status == 201);
  CHECK(held.body["state"] == "held");
  CHECK(held.body["reason"]["code"] == "DEPENDENCY");
  const std::string path = "/v1/jobs/" + held.body["id"].get<std::string>();
  broker.time.advance(std::chrono::seconds{30});  // the first is seen to run
  const auto shown = broker.call("alice", "GET", path);
  REQUIRE(shown.body["after"].size() == 1);
  CHECK(shown.body["after"][0] == Json{{"id", first}, {"state", "running"}});
  const auto explained = broker.call("alice", "GET", path + "/explain");
  CHECK(explained.status == 200);
  CHECK(explained.body["site"].is_null());
  CHECK(explained.body["reason"]["code"] == "DEPENDENCY");
  CHECK(explained.body["verdicts"].size() == 1);
  const auto released = broker.call("alice", "POST", path + "/release");
  CHECK(released.code() == "NOT_HELD");
  CHECK_THAT(released.body["detail"].get<std::string>(), Catch::Contains(first));

  REQUIRE(broker.call("alice", "POST", "/v1/jobs/" + first + "/cancel").status == 200);
  broker.time.advance(std::chrono::minutes{5});
  const auto over = broker.call("alice", "GET", path);
  CHECK(over.body["state"] == "cancelled");
  CHECK(over.body["reason"]["code"] == "DEPENDENCY_NEVER_SATISFIED");
  CHECK_THAT(over.body["reason"]["message"].get<std::string>(), Catch::Contains(first) && Catch::Contains("cancelled"));
  CHECK(over.body["after"][0]["state"] == "cancelled");
}

TEST_CASE("what a script's directives come to is told with the answer, and stored") {
  ApiUnderTest broker;
  const std::string script = "#!/bin/bash\n#SBATCH -n 2 -c 1 --time=30:00 -J mine\n#SBATCH -p gpu\nsleep 100\n";
  const auto dry = broker.call("alice", "POST", "/v1/jobs?dry_run=true", {{"script", script}});
  REQUIRE(dry.status == 200);
  CHECK(dry.body["submission"]["resources"] == Json{{"nodes", 1}, {"tasks", 2}, {"cpus_per_task", 1}, {"gpus_per_node", 0}});
  CHECK(dry.body["submission"]["time_limit_s"] == 1'800);
  REQUIRE(dry.body["notes"].size() == 2);

  const auto job = broker.call("alice", "POST", "/v1/jobs", {{"script", script}}, {{"Idempotency-Key", "k"}});
  REQUIRE(job.status == 201);
  CHECK(job.body["notes"] == dry.body["notes"]);
  CHECK(job.body["name"] == "mine");
  const auto details = broker.call("alice", "GET", "/v1/jobs/" + job.body["id"].get<std::string>()).body;
  CHECK(details["resources"] == dry.body["submission"]["resources"]);
  CHECK(details["time_limit_s"] == 1'800);
  CHECK_FALSE(details.contains("notes"));
  CHECK(broker.call("alice", "POST", "/v1/jobs", {{"script", script}}, {{"Idempotency-Key", "k"}}).body["notes"] ==
        dry.body["notes"]);

  const auto bulk = broker.call("alice", "POST", "/v1/jobs/bulk", {{"jobs", {{{"script", kHold}}, {{"script", script}}}}});
  REQUIRE(bulk.status == 201);
  CHECK_FALSE(bulk.body["jobs"][0].contains("notes"));
  CHECK(bulk.body["jobs"][1]["notes"] == dry.body["notes"]);

  const auto refused = broker.call("alice", "POST", "/v1/jobs", {{"script", "#!/bin/bash\n#SBATCH --uid=0\n"}});
  CHECK(refused.status == 400);
  CHECK(refused.fault("/script").starts_with("line 2, \"#SBATCH --uid=0\": "));
  const auto account = broker.call("alice", "POST", "/v1/jobs", {{"script", "#!/bin/bash\n#SBATCH -A root\n"}});
  CHECK(account.status == 403);
  CHECK(account.code() == "NOT_A_MEMBER");
}

}  // namespace hansa::api::test
