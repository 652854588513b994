// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/submission.hpp"

#include "broker/core/canonical_json.hpp"
#include "tests/unit/connectors_slurmrest/recorded.hpp"

#include <catch2/catch.hpp>

namespace hansa::connectors::slurmrest {

namespace {

ports::SubmitRequest request() {
  ports::SubmitRequest request;
  request.tag = Tag("hansa-X-1");
  request.queue = QueueName("main");
  request.spec.time_limit = Seconds{61};
  request.spec.resources = {
      .nodes = 2, .tasks = 3, .cpus_per_task = 4, .memory_per_node = Mebibytes{500}, .gpus_per_node = 2, .gpu_model = "a100"};
  request.scheduler_account = "proj1";
  return request;
}

Json body(const ports::SubmitRequest& request, std::int32_t version) {
  const auto text = submission_body(request, "#!/bin/bash\n\"\\\n", "/home/a", "/home/a/.hansa", ApiVersion{version});
  REQUIRE(text.has_value());
  const auto json = parse_json(*text);
  REQUIRE(json.has_value());
  return *json;
}

}  // namespace

TEST_CASE("a job for slurmrestd: what 0.0.38 takes") {
  const auto sent = body(request(), 38);
  CHECK(sent["script"] == "#!/bin/bash\n\"\\\n");
  const Json wanted{{"name", "hansa-X-1"},
                    {"comment", "hansa"},
                    {"partition", "main"},
                    {"account", "proj1"},
                    {"nodes", {2, 2}},
                    {"tasks", 3},
                    {"tasks_per_node", 2},
                    {"cpus_per_task", 4},
                    {"memory_per_node", 500},
                    {"gres", "gpu:a100:2"},
                    {"time_limit", 2},
                    {"dependency", "singleton"},
                    {"no_requeue", true},
                    {"open_mode", "append"},
                    {"environment", {{"PATH", "/usr/local/bin:/usr/bin:/bin"}}},
                    {"current_working_directory", "/home/a"},
                    {"standard_output", "/home/a/.hansa/output/hansa-X-1.out"},
                    {"standard_error", "/home/a/.hansa/output/hansa-X-1.err"}};
  CHECK(sent["job"] == wanted);
}

TEST_CASE("a job for slurmrestd: what 0.0.42 and later take") {
  auto job = request();
  job.spec.requeue = true;
  job.spec.resources.gpu_model.clear();
  const auto sent = body(job, 45)["job"];
  CHECK(sent["nodes"] == "2");
  CHECK(sent["time_limit"] == Json{{"set", true}, {"infinite", false}, {"number", 2}});
  CHECK(sent["memory_per_node"] == Json{{"set", true}, {"infinite", false}, {"number", 500}});
  CHECK(sent["tres_per_node"] == "gres/gpu:2");
  CHECK(sent["requeue"] == true);
  CHECK(sent["open_mode"] == Json::array({"APPEND"}));
  CHECK(sent["environment"] == Json::array({"PATH=/usr/local/bin:/usr/bin:/bin"}));
  CHECK(body(request(), 42)["job"]["requeue"] == false);
  job.spec.resources = {
      .nodes = 1, .tasks = 1, .cpus_per_task = 1, .memory_per_node = Mebibytes{0}, .gpus_per_node = 0, .gpu_model = ""};
  job.scheduler_account.clear();
  const auto small = body(job, 45)["job"];
  for (const auto* name : {"account", "memory_per_node", "tres_per_node", "tasks_per_node"}) CHECK_FALSE(small.contains(name));
}

TEST_CASE("a job for slurmrestd: nodes of its own, as each version says it") {
  auto job = request();
  for (const auto version : {38, 42, 45}) {
    CHECK_FALSE(body(job, version)["job"].contains("exclusive"));
    CHECK_FALSE(body(job, version)["job"].contains("shared"));
  }
  job.spec.resources.exclusive = true;
  CHECK(body(job, 38)["job"]["exclusive"] == "exclusive");
  for (const auto version : {42, 43, 44, 45}) CHECK(body(job, version)["job"]["shared"] == Json::array({"none"}));
}

TEST_CASE("a job for slurmrestd: what could be more than one value is refused", "[T09]") {
  for (const auto* odd : {"a,b", "a b", "", "a:b"}) {
    auto job = request();
    job.queue = QueueName(odd);
    CHECK(submission_body(job, "", "/h", "/h/w", ApiVersion{45}).error().kind == ErrorKind::invalid_argument);
  }
}

TEST_CASE("an array for slurmrestd: its tasks, an output for each, and no dependency of one on the other") {
  auto job = request();
  job.spec.array = domain::parse_task_array("0-9:3%2").value();
  for (const auto version : {38, 40, 45}) {
    const auto sent = body(job, version)["job"];
    CHECK(sent["array"] == "0-9:3%2");
    CHECK_FALSE(sent.contains("dependency"));
    CHECK(sent["standard_output"] == "/home/a/.hansa/output/hansa-X-1.%a.out");
  }
  CHECK(end_body(SiteJobId("7"), {3, 5, 6}) == R"({"jobs":["7_3","7_5","7_6"],"signal":"SIGKILL"})");
}

TEST_CASE("a job for slurmrestd: 0.0.40 and 0.0.41 take what 0.0.42 takes, as their documents say") {
  auto job = request();
  job.spec.array = domain::parse_task_array("0-9").value();
  std::map<std::string, std::string> types;  // of job_desc_msg's fields
  std::istringstream table(test::file("published.tsv"));
  for (std::string line; std::getline(table, line);) {
    std::istringstream row(line);
    std::string schema, field, older, old, known;
    std::getline(row, schema, '\t'), std::getline(row, field, '\t');
    std::getline(row, older, '\t'), std::getline(row, old, '\t'), std::getline(row, known, '\t');
    CAPTURE(line);
    CHECK(older == known);
    CHECK(old == known);
    if (schema == "job_desc_msg") types.emplace(field, known);
  }
  for (const auto version : {40, 41}) {
    const auto sent = body(job, version);
    CHECK(sent == body(job, 42));
    for (const auto& [name, value] : sent["job"].items()) {
      CAPTURE(name);
      REQUIRE(types.contains(name));
      const auto& type = types.at(name);
      CHECK((type.starts_with("array") || type == "string_array" ? value.is_array()
             : type.ends_with("no_val")                          ? value.is_object()
             : type == "integer"                                 ? value.is_number_integer()
             : type == "boolean"                                 ? value.is_boolean()
                                                                 : value.is_string()));
    }
  }
}

TEST_CASE("holding a job, and taking that back") {
  CHECK(hold_body(true) == R"({"hold":true})");
  CHECK(hold_body(false) == R"({"hold":false})");
}

}  // namespace hansa::connectors::slurmrest
