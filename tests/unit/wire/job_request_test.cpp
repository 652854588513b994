// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/job_request.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <map>
#include <string>

using namespace hansa;
using namespace hansa::wire;
using domain::Submission;

namespace {

const std::string kScript = "#!/bin/bash\nhostname\n";

/// The smallest job, with fields put into it or ("resources": ...) replaced.
Json job_with(const Json& fields = Json::object()) {
  Json job{{"script", kScript}};
  job.update(fields);
  return job;
}
Json resources(Json fields) { return job_with({{"resources", std::move(fields)}}); }
Json placement(Json fields) { return job_with({{"placement", std::move(fields)}}); }
Json outputs(Json fields) { return job_with({{"outputs", std::move(fields)}}); }
Json many_outputs(int count) {
  Json fields = Json::object();
  for (int i = 0; i < count; ++i) fields["o" + std::to_string(i)] = "x";
  return fields;
}
Json environment(Json fields) { return job_with({{"environment", std::move(fields)}}); }

std::vector<Fault> faults_of(const Json& json) {
  const auto read = job_from_json(json);
  if (read) return {};
  CHECK(read.error().kind == ErrorKind::invalid_argument);
  CHECK(read.error().code == "BAD_JOB");
  CHECK_FALSE(read.error().retryable);
  return read.error().faults;
}

std::string text_of(std::size_t length, char c = 'x') { return std::string(length, c); }

struct Row {
  Json job;
  std::string where;
  std::string message;  // a piece of it
};

}  // namespace

TEST_CASE("a malformed job is refused at the exact place, with what is allowed") {
  const std::string nul("a\0b", 3);
  const Row kTable[] = {
      // The request itself.
      {nullptr, "", "must be an object"},
      {Json::array(), "", "must be an object"},
      {"#!/bin/sh", "", "must be an object"},
      {7, "", "must be an object"},
      {job_with({{"nodes", 2}}), "/nodes", "no such field"},
      {job_with({{"scirpt", "x"}}), "/scirpt", "no such field (did you mean \"script\"?)"},
      {job_with({{"time_limit", 60}}), "/time_limit", "did you mean \"time_limit_s\"?"},
      {job_with({{"a/b~c", 1}}), "/a~1b~0c", "no such field"},
      {job_with({{"", 1}}), "/", "no such field"},
      {job_with({{text_of(100), 1}}), "/" + text_of(64), "no such field"},
      {job_with({{"unknown", nullptr}}), "/unknown", "no such field"},
      // script
      {Json::object(), "/script", "is required"},
      {job_with({{"script", nullptr}}), "/script", "is required"},
      {job_with({{"script", ""}}), "/script", "must not be empty"},
      {job_with({{"script", 1}}), "/script", "must be a string"},
      {job_with({{"script", Json::array({"#!/bin/sh"})}}), "/script", "must be a string"},
      {job_with({{"script", "hostname"}}), "/script", "must begin with \"#!\""},
      {job_with({{"script", " #!/bin/sh"}}), "/script", "must begin with \"#!\""},
      {job_with({{"script", "\xEF\xBB\xBF#!/bin/sh"}}), "/script", "must begin with \"#!\""},
      {job_with({{"script", "#!/bin/sh\n" + nul}}), "/script", "must not hold a NUL character"},
      {job_with({{"script", "#!" + text_of(kMaxScriptBytes - 1)}}), "/script", "is longer than 2621440 bytes"},
      // name, project
      {job_with({{"name", 1}}), "/name", "must be a string"},
      {job_with({{"name", text_of(201)}}), "/name", "is longer than 200 bytes"},
      {job_with({{"name", "two\nlines"}}), "/name", "must not hold control characters"},
      {job_with({{"name", "del\x7F"}}), "/name", "must not hold control characters"},
      {job_with({{"name", "\x1B[31mred"}}), "/name", "must not hold control characters"},
      {job_with({{"project", Json::object()}}), "/project", "must be a string"},
      {job_with({{"project", "a b"}}), "/project", "must be letters, digits"},
      {job_with({{"project", "../etc"}}), "/project", "must be letters, digits"},
      {job_with({{"project", "\xC3\xA5"}}), "/project", "must be letters, digits"},
      // arguments
      {job_with({{"arguments", "one"}}), "/arguments", "must be a list of strings"},
      {job_with({{"arguments", Json::object()}}), "/arguments", "must be a list of strings"},
      {job_with({{"arguments", {"a", 2}}}), "/arguments/1", "must be a string"},
      {job_with({{"arguments", {"a", "b", nullptr}}}), "/arguments/2", "must be a string"},
      {job_with({{"arguments", {nul}}}), "/arguments/0", "must not hold a NUL character"},
      {job_with({{"arguments", std::vector<std::string>(4097, "")}}), "/arguments", "has more than 4096 entries"},
      {job_with({{"arguments", {text_of(kMaxArgumentBytes)}}}), "/arguments", "together are longer than 131072 bytes"},
      // environment
      {environment("A=1"), "/environment", "must be an object of strings"},
      {environment(Json::array({"A"})), "/environment", "must be an object of strings"},
      {environment({{"A", 1}}), "/environment/A", "must be a string"},
      {environment({{"A", nullptr}}), "/environment/A", "must be a string"},
      {environment({{"A", nul}}), "/environment/A", "must not hold a NUL character"},
      {environment({{"", "x"}}), "/environment/", "the name of a variable"},
      {environment({{"1A", "x"}}), "/environment/1A", "the name of a variable"},
      {environment({{"A-B", "x"}}), "/environment/A-B", "the name of a variable"},
      {environment({{"A.B", "x"}}), "/environment/A.B", "the name of a variable"},
      {environment({{"A B", "x"}}), "/environment/A B", "the name of a variable"},
      {environment({{"A=B", "x"}}), "/environment/A=B", "the name of a variable"},
      {environment({{"A/B", "x"}}), "/environment/A~1B", "the name of a variable"},
      {environment({{"HANSA_JOB_ID", "x"}}), "/environment/HANSA_JOB_ID", "are set by Hansa"},
      {environment({{"A", text_of(kMaxArgumentBytes)}}), "/arguments", "arguments and environment together"},
      // resources
      {job_with({{"resources", 4}}), "/resources", "must be an object"},
      {job_with({{"resources", Json::array()}}), "/resources", "must be an object"},
      {resources({{"cores", 4}}), "/resources/cores", "no such field"},
      {resources({{"node", 4}}), "/resources/node", "did you mean \"nodes\"?"},
      {resources({{"nodes", 0}}), "/resources/nodes", "must be a whole number from 1 to 1000000"},
      {resources({{"nodes", -1}}), "/resources/nodes", "must be a whole number"},
      {resources({{"nodes", 1'000'001}}), "/resources/nodes", "must be a whole number"},
      {resources({{"nodes", 18446744073709551615ULL}}), "/resources/nodes", "must be a whole number"},
      {resources({{"nodes", 9223372036854775808ULL}}), "/resources/nodes", "must be a whole number"},
      {resources({{"nodes", 2.0}}), "/resources/nodes", "must be a whole number"},
      {resources({{"nodes", 1e300}}), "/resources/nodes", "must be a whole number"},
      {resources({{"nodes", "2"}}), "/resources/nodes", "must be a whole number"},
      {resources({{"nodes", true}}), "/resources/nodes", "must be a whole number"},
      {resources({{"tasks", 0}}), "/resources/tasks", "must be a whole number from 1"},
      {resources({{"nodes", 4}, {"tasks", 3}}), "/resources/tasks", "must be at least the number of nodes, 4"},
      {resources({{"cpus_per_task", 0}}), "/resources/cpus_per_task", "must be a whole number from 1"},
      {resources({{"tasks", 1'000'000}, {"cpus_per_task", 2148}}), "/resources/cpus_per_task",
       "tasks times cpus_per_task is too large"},
      {resources({{"memory_per_node_mib", -1}}), "/resources/memory_per_node_mib",
       "must be a whole number from 0 to 1099511627776"},
      {resources({{"memory_per_node_mib", 1099511627777}}), "/resources/memory_per_node_mib", "must be a whole number"},
      {resources({{"memory_per_node_mib", "4G"}}), "/resources/memory_per_node_mib", "must be a whole number"},
      {resources({{"gpus_per_node", -1}}), "/resources/gpus_per_node", "must be a whole number from 0"},
      {resources({{"gpu_model", "a100"}}), "/resources/gpu_model", "needs gpus_per_node of at least 1"},
      {resources({{"gpus_per_node", 1}, {"gpu_model", "a100:2,x"}}), "/resources/gpu_model", "must be letters, digits"},
      {resources({{"gpus_per_node", 1}, {"gpu_model", 100}}), "/resources/gpu_model", "must be a string"},
      // time, placement, requeue
      {job_with({{"time_limit_s", 0}}), "/time_limit_s", "must be a whole number from 1 to 31622400"},
      {job_with({{"time_limit_s", 31'622'401}}), "/time_limit_s", "must be a whole number"},
      {job_with({{"time_limit_s", "1:00:00"}}), "/time_limit_s", "must be a whole number"},
      {job_with({{"requeue", 1}}), "/requeue", "must be true or false"},
      {job_with({{"requeue", "no"}}), "/requeue", "must be true or false"},
      {job_with({{"exclusive", "user"}}), "/exclusive", "must be true or false"},
      {job_with({{"placement", "alpha"}}), "/placement", "must be an object"},
      {placement({{"site", "alpha"}}), "/placement/site", "did you mean \"sites\"?"},
      {placement({{"sites", "alpha"}}), "/placement/sites", "must be a list of strings"},
      {placement({{"sites", {1}}}), "/placement/sites/0", "must be a string"},
      {placement({{"sites", {"alpha", "be ta"}}}), "/placement/sites", "\"be ta\" is no site id"},
      {placement({{"sites", {""}}}), "/placement/sites", "\"\" is no site id"},
      {placement({{"sites", {text_of(33)}}}), "/placement/sites", "is no site id"},
      {placement({{"sites", std::vector<std::string>(101, "a")}}), "/placement/sites", "has more than 100 entries"},
      {placement({{"countries", {"fi"}}}), "/placement/countries",
       "\"fi\" is no country of ISO 3166-1 alpha-2 (did you mean \"FI\"?)"},
      {placement({{"countries", {"UK"}}}), "/placement/countries", "did you mean \"GB\"?"},
      {placement({{"countries", {"FIN"}}}), "/placement/countries", "alpha-2, as \"FI\""},
      {placement({{"countries", {false}}}), "/placement/countries/0", "must be a string"},
      // What this broker does not serve.
      {job_with({{"datasets", {"d 1"}}}), "/datasets", "\"d 1\" is no dataset"},
      {job_with({{"datasets", {"d1", "d1"}}}), "/datasets", "names d1 twice"},
      {job_with({{"datasets", std::vector<std::string>(101, "d")}}), "/datasets", "has more than 100 entries"},
      {job_with({{"labels", {"per sonal"}}}), "/labels", "\"per sonal\" is no label"},
      {job_with({{"code", "git:x"}}), "/code", "64 hex digits"},
      // outputs
      {job_with({{"outputs", {"o"}}}), "/outputs", "must be an object of paths"},
      {outputs({{"", "x"}}), "/outputs/", "must be that of a file"},
      {outputs({{"..", "x"}}), "/outputs/..", "must be that of a file"},
      {outputs({{"a/b", "x"}}), "/outputs/a~1b", "must not hold '/'; give the path beside it"},
      {outputs({{"a\nb", "x"}}), "/outputs/a\nb", "must not hold control characters"},
      {outputs({{text_of(129), "x"}}), "/outputs/" + text_of(64), "is longer than 128 bytes"},
      {outputs({{"o", 1}}), "/outputs/o", "must be a string"},
      {outputs({{"o", nullptr}}), "/outputs/o", "must be a string"},
      {outputs({{"o", ""}}), "/outputs/o", "must be the path of a file"},
      {outputs({{"o", "results/"}}), "/outputs/o", "have the job make an archive"},
      {outputs({{"o", "a//b"}}), "/outputs/o", "must be the path of a file"},
      {outputs({{"o", "./a"}}), "/outputs/o", "must be the path of a file"},
      {outputs({{"o", "/etc/passwd"}}), "/outputs/o", "must be a path beneath the job's working folder"},
      {outputs({{"o", "~/x"}}), "/outputs/o", "must be a path beneath the job's working folder"},
      {outputs({{"o", "../x"}}), "/outputs/o", "must not hold \"..\""},
      {outputs({{"o", "a/../../x"}}), "/outputs/o", "must not hold \"..\""},
      {outputs({{"o", "a/.."}}), "/outputs/o", "must not hold \"..\""},
      {outputs({{"o", nul}}), "/outputs/o", "must not hold control characters"},
      {outputs({{"o", text_of(256)}}), "/outputs/o", "holds a name that is longer than 255 bytes"},
      {outputs({{"o", text_of(256, 'a') + "/" + text_of(256)}}), "/outputs/o", "is longer than 512 bytes"},
      {outputs({{"o", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"}}), "/outputs/o", "has more than 16 steps"},
      {outputs(many_outputs(33)), "/outputs", "has more than 32 entries; have the job pack them"},
      {job_with({{"secrets", {"../s"}}}), "/secrets", "is named by 1 to 64 letters"},
      {job_with({{"secrets", {"s=a/b"}}}), "/secrets", "without a folder"},
      {job_with({{"secrets", {"s", "t=s"}}}), "/secrets", "two secrets in the file s"},
      {job_with({{"secrets", std::vector<std::string>(17, "s")}}), "/secrets", "more than 16"},
      {job_with({{"array", 9}}), "/array", "must be a string"},
      {job_with({{"array", "0-9,x"}}), "/array", "is no set of tasks"},
      {job_with({{"array", "0-1000"}}), "/array", "more than 1000 tasks"},
      {job_with({{"array", "0-9%0"}}), "/array", "1 or more"},
      {job_with({{"array", text_of(16'385)}}), "/array", "is longer than 16384 bytes"},
      {job_with({{"array", "0-9"}, {"outputs", {{"m", "m.pt"}}}}), "/outputs", "of a job array none can be named"},
      // after
      {job_with({{"after", "01ARYZ6S41TSV4RRFFQ69G5FAV"}}), "/after", "must be a list of strings"},
      {job_with({{"after", {1}}}), "/after/0", "must be a string"},
      {job_with({{"after", {"01aryz6s41tsv4rrffq69g5fav"}}}), "/after", "is no job id"},
      {job_with({{"after", {""}}}), "/after", "is no job id"},
      {job_with({{"after", {"01ARYZ6S41TSV4RRFFQ69G5FA"}}}), "/after", "is no job id"},
      {job_with({{"after", {"01ARYZ6S41TSV4RRFFQ69G5FAV_3"}}}), "/after", "is no job id"},
      {job_with({{"after", {"01ARYZ6S41TSV4RRFFQ69G5FAV", "01ARYZ6S41TSV4RRFFQ69G5FAV"}}}), "/after", "twice"},
      {job_with({{"after", {"#0"}}}), "/after", "only jobs of a bulk request"},
      {job_with({{"after", std::vector<std::string>(101, "x")}}), "/after", "has more than 100 entries"},
      {job_with({{"datasets", 0}}), "/datasets", "must be a list of strings"},
  };
  CHECK(std::size(kTable) >= 60);
  for (const auto& [job, where, message] : kTable) {
    CAPTURE(job.dump().substr(0, 200));
    const auto faults = faults_of(job);
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].where == where);
    CHECK_THAT(faults[0].message, Catch::Contains(message));
    CHECK(job_from_json(job).error().message == (where.empty() ? "" : where + ": ") + faults[0].message);
  }
}

TEST_CASE("all faults of a job are found at once") {
  const auto faults = faults_of({{"name", "a\tb"},
                                 {"project", "a b"},
                                 {"arguments", {1, "ok", 2}},
                                 {"environment", {{"1", "x"}, {"B", 3}}},
                                 {"resources", {{"nodes", 0}, {"tasks", "many"}, {"gpu_model", "a100"}, {"core", 1}}},
                                 {"time_limit_s", -1},
                                 {"placement", {{"sites", {"x y", 1}}, {"countries", {"Finland"}}}},
                                 {"requeue", "maybe"},
                                 {"array", "0-"},
                                 {"wall", 1}});
  std::vector<std::string> places;
  for (const auto& fault : faults) places.push_back(fault.where);
  std::ranges::sort(places);
  CHECK(places == std::vector<std::string>{"/arguments/0", "/arguments/2", "/array", "/environment/1", "/environment/B", "/name",
                                           "/placement/countries", "/placement/sites", "/placement/sites/1", "/project",
                                           "/requeue", "/resources/core", "/resources/gpu_model", "/resources/nodes",
                                           "/resources/tasks", "/script", "/time_limit_s", "/wall"});
  const auto read = job_from_json(Json::object({{"nodes", 1}}));
  CHECK_THAT(read.error().message, Catch::StartsWith("/script: is required") && Catch::EndsWith("(and 1 more)"));
}

TEST_CASE("a script's directives say what the request leaves open") {
  const std::string script =
      "#!/bin/bash\n#SBATCH -N2 -n 8 --mem=4G -t 2:00 -J mine -A ai-lab --requeue --exclusive\n#SBATCH --export=A=1 "
      "--mail-type=END\nhostname\n";
  Notes notes;
  const auto read = job_from_text(canonical_json({{"script", script}, {"environment", {{"B", "2"}}}}), {}, &notes);
  REQUIRE(read);
  CHECK(read->spec.resources == domain::Resources{2, 8, 1, {4096}, 0, "", true});
  CHECK(read->spec.time_limit == Seconds{120});
  CHECK(read->spec.name == "mine");
  CHECK(read->spec.project.str() == "ai-lab");
  CHECK(read->spec.requeue);
  CHECK(read->payload.script == script);
  CHECK(read->payload.environment == std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", "2"}});
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], Catch::StartsWith("line 3, \"#SBATCH --mail-type=END\": not used"));
  CHECK(job_from_json(to_json(*read)) == *read);  // settled: the directives are not asked again
  CHECK(to_json(*read)["directives"] == "ignore");

  const auto stated = job_from_json({{"script", script},
                                     {"resources", {{"nodes", 1}, {"memory_per_node_mib", 0}}},
                                     {"time_limit_s", 60},
                                     {"name", ""},
                                     {"project", "other"},
                                     {"requeue", false},
                                     {"exclusive", false},
                                     {"environment", {{"A", "x"}}}});
  REQUIRE(stated);
  CHECK(stated->spec.resources == domain::Resources{1, 8, 1, {0}, 0, ""});
  CHECK(stated->spec.time_limit == Seconds{60});
  CHECK(stated->spec.name.empty());
  CHECK(stated->spec.project.str() == "other");
  CHECK_FALSE(stated->spec.requeue);
  CHECK(stated->payload.environment == std::vector<std::pair<std::string, std::string>>{{"A", "x"}});

  const auto ignored = job_from_json({{"script", script}, {"directives", "ignore"}});
  REQUIRE(ignored);
  CHECK(ignored->spec.resources == domain::Resources{});
  CHECK(ignored->spec.name.empty());
  CHECK(job_from_json({{"script", script}, {"directives", "read"}}) == *job_from_json({{"script", script}}));
}

TEST_CASE("an array of the directives, unless the request names one") {
  const std::string script = "#!/bin/bash\n#SBATCH --array=0-9%2\n";
  CHECK(to_text(job_from_json({{"script", script}})->spec.array) == "0-9%2");
  CHECK(to_text(job_from_json({{"script", script}, {"array", "7"}})->spec.array) == "7");
  CHECK(job_from_json({{"script", script}, {"directives", "ignore"}})->spec.array.empty());
}

TEST_CASE("a directive that cannot be taken is a fault of the script with its line") {
  const auto with = [](const std::string& directive) { return job_with({{"script", "#!/bin/bash\n" + directive + "\n"}}); };
  const std::pair<std::string, std::string> kTable[] = {
      {"#SBATCH --uid=0", "line 2, \"#SBATCH --uid=0\": is a privilege"},
      {"#SBATCH -N2\n#PBS -W depend=afterok:1", "line 3, \"#PBS -W depend=afterok:1\": names jobs of one site"},
      {"#SBATCH --array=0-2000", "its directives: the array: "},
      {"#SBATCH --time=400-0", "the time limit is more than"},
      {"#SBATCH -J " + text_of(201), "the name is longer"},
      {"#SBATCH -J 'a\tb'", "control characters"},
      {"#SBATCH -A a/b", "the project must be"},
      {"#SBATCH --export=HANSA_SITE=x", "HANSA_ are set by Hansa"},
      {"#SBATCH --export=1=x", "the name of a variable"},
      {"#SBATCH --gres=gpu:a/b:1", "gpu_model must be letters"},
      {"#SBATCH -n 1000000 -c 1000000", "too large"},
  };
  for (const auto& [directive, message] : kTable) {
    CAPTURE(directive);
    const auto faults = faults_of(with(directive));
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].where == "/script");
    CHECK_THAT(faults[0].message, Catch::Contains(message));
  }
  const auto odd = faults_of(job_with({{"directives", "maybe"}}));
  REQUIRE(odd.size() == 1);
  CHECK(odd[0].where == "/directives");
  const auto read = jobs_from_json({{"jobs", {job_with(), with("#SBATCH --gid=0")}}});
  REQUIRE_FALSE(read);
  CHECK(read.error().faults.at(0).where == "/jobs/1/script");
  std::vector<Notes> notes;
  REQUIRE(jobs_from_text(canonical_json({{"jobs", {job_with(), with("#SBATCH -Q")}}}), {}, &notes));
  REQUIRE(notes.size() == 2);
  CHECK(notes[0].empty());
  CHECK(notes[1].size() == 1);
}

TEST_CASE("pointers begin where the job lies in its document") {
  const Json bad{{"script", "x"}, {"resources", {{"nodes", 0}}}, {"environment", {{"-", ""}}}, {"arguments", {1}}};
  const auto read = jobs_from_json({{"jobs", Json::array({job_with(), bad, 1})}});
  REQUIRE_FALSE(read);
  REQUIRE(read.error().faults.size() == 5);
  for (std::size_t i = 0; i < 4; ++i) CHECK_THAT(read.error().faults[i].where, Catch::StartsWith("/jobs/1/"));
  CHECK(read.error().faults[4].where == "/jobs/2");
}

TEST_CASE("a request nested deeper than sixteen levels is refused whole, and one of many jobs two levels further in", "[T24]") {
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  const auto job = [&](std::size_t levels) { return R"({"script":"#!/bin/sh\n","x":)" + nested(levels - 1) + "}"; };
  const auto code = [](const auto& read) { return read.error().code; };
  CHECK(code(job_from_text(job(kMaxDepth), {})) == "BAD_JOB");  // read, and "x" is told as unknown
  CHECK(code(job_from_text(job(kMaxDepth + 1), {})) == "BAD_JSON");
  const auto bulk = [&](std::size_t levels) { return R"({"jobs":[)" + job(levels) + "]}"; };
  CHECK(code(jobs_from_text(bulk(kMaxDepth), {})) == "BAD_JOB");
  CHECK(code(jobs_from_text(bulk(kMaxDepth + 1), {})) == "BAD_JSON");
}

TEST_CASE("where the sites are known, a job for another is a fault with what may be meant") {
  constexpr std::string_view kTwoSites[] = {"alpha", "beta"};
  const auto job = job_with({{"placement", {{"sites", {"beta", "alhpa", "gamma", "a b"}}}}});
  const auto read = job_from_json(job, {.sites = kTwoSites});
  REQUIRE_FALSE(read);
  const std::vector<Fault> expected{{"/placement/sites", "there is no site \"alhpa\" (did you mean \"alpha\"?)"},
                                    {"/placement/sites", "there is no site \"gamma\""},
                                    {"/placement/sites", "\"a b\" is no site id"}};
  CHECK(read.error().faults == expected);
  CHECK(job_from_json(job_with({{"placement", {{"sites", {"beta"}}}}}), {.sites = kTwoSites}));
}

TEST_CASE("a request of nothing but faults is answered with so many and no more", "[T24]") {
  Json fields = job_with(), variables = Json::object();
  for (int i = 0; i < 100'000; ++i) {
    fields["field" + std::to_string(i)] = 1;
    variables["-" + std::to_string(i)] = "";
  }
  CHECK(faults_of(fields).size() == 1'000);
  CHECK(faults_of(environment(variables)).size() == 1'000);
}

TEST_CASE("a job with nothing but a script has the defaults") {
  for (const auto& json : {job_with(),
                           job_with({{"name", nullptr},
                                     {"project", nullptr},
                                     {"arguments", nullptr},
                                     {"environment", nullptr},
                                     {"resources", nullptr},
                                     {"time_limit_s", nullptr},
                                     {"placement", nullptr},
                                     {"requeue", nullptr},
                                     {"datasets", nullptr}}),
                           job_with({{"datasets", Json::array()},
                                     {"code", ""},
                                     {"outputs", Json::object()},
                                     {"secrets", Json::array()},
                                     {"array", ""},
                                     {"after", Json::array()}}),
                           resources(Json::object()), placement({{"sites", Json::array()}})}) {
    const auto read = job_from_json(json);
    REQUIRE(read);
    Submission expected;
    expected.payload.script = kScript;
    CHECK(*read == expected);
  }
}

TEST_CASE("every field of a job arrives") {
  const auto read = job_from_json({{"name", "\xC3\x84tna run"},
                                   {"project", "p-1"},
                                   {"script", "#!/usr/bin/python3\nprint(1)"},
                                   {"arguments", {"-n", "two words", "", "\xE2\x82\xAC\n"}},
                                   {"environment", {{"A", ""}, {"_b2", "x=y"}}},
                                   {"resources",
                                    {{"nodes", 2},
                                     {"tasks", 5},
                                     {"cpus_per_task", 3},
                                     {"memory_per_node_mib", 4096},
                                     {"gpus_per_node", 4},
                                     {"gpu_model", "a100"}}},
                                   {"time_limit_s", 60},
                                   {"placement", {{"sites", {"alpha", "beta"}}, {"countries", {"FI"}}}},
                                   {"outputs", {{"m\xC3\xB6 del=1", "a b/..c/\xC3\xB6"}, {"log", "log"}}},
                                   {"code", "sha256:" + std::string(64, 'e')},
                                   {"requeue", true}});
  REQUIRE(read);
  const auto& [spec, payload, after_earlier] = *read;
  CHECK(spec.name == "\xC3\x84tna run");
  CHECK(spec.code == CodeId("sha256:" + std::string(64, 'e')));
  CHECK(to_json(*read)["code"] == spec.code.str());
  CHECK(spec.project.str() == "p-1");
  CHECK(spec.resources ==
        domain::Resources{
            .nodes = 2, .tasks = 5, .cpus_per_task = 3, .memory_per_node = {4096}, .gpus_per_node = 4, .gpu_model = "a100"});
  CHECK(spec.time_limit == Seconds{60});
  CHECK(spec.placement == domain::Placement{{SiteId("alpha"), SiteId("beta")}, {"FI"}});
  CHECK(spec.outputs == std::map<std::string, std::string>{{"m\xC3\xB6 del=1", "a b/..c/\xC3\xB6"}, {"log", "log"}});
  CHECK(spec.requeue);
  CHECK(payload.script == "#!/usr/bin/python3\nprint(1)");
  CHECK(payload.arguments == std::vector<std::string>{"-n", "two words", "", "\xE2\x82\xAC\n"});
  CHECK(payload.environment == std::vector<std::pair<std::string, std::string>>{{"A", ""}, {"_b2", "x=y"}});
  CHECK(job_from_json(resources({{"nodes", 7}}))->spec.resources.tasks == 7);  // tasks are the nodes unless said
}

TEST_CASE("at its limit a job is taken") {
  const Json kAllowed[] = {
      job_with({{"script", "#!" + text_of(kMaxScriptBytes - 2)}}),
      job_with({{"name", text_of(kMaxNameBytes)}}),
      job_with({{"project", text_of(64)}}),
      job_with({{"arguments", std::vector<std::string>(kMaxArguments, "")}}),
      job_with({{"arguments", {text_of(kMaxArgumentBytes - 1)}}}),
      environment({{"A", text_of(kMaxArgumentBytes - 3)}}),
      environment({{text_of(255, 'V'), ""}}),
      environment({{"HANSA", "x"}, {"hansa_x", "y"}, {"LD_LIBRARY_PATH", "/x"}}),
      resources({{"nodes", 1'000'000}}),
      resources({{"tasks", 1'000'000}, {"cpus_per_task", 2147}}),
      resources({{"memory_per_node_mib", 1099511627776}}),
      resources({{"gpus_per_node", 1}, {"gpu_model", text_of(64)}}),
      job_with({{"time_limit_s", 1}}),
      job_with({{"time_limit_s", 31'622'400}}),
      placement({{"sites", std::vector<std::string>(100, text_of(32))}}),
      placement({{"countries", std::vector<std::string>(100, "FI")}}),
      job_with({{"script", "#!"}}),
      outputs(many_outputs(32)),
      outputs({{text_of(128), text_of(255, 'a') + "/" + text_of(254, 'b') + "/c"},
               {"...", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/..."}}),
  };
  for (const auto& job : kAllowed) {
    CAPTURE(job.dump().substr(0, 200));
    CHECK(faults_of(job).empty());
  }
  CHECK(faults_of(environment({{text_of(256, 'V'), ""}})).size() == 1);
  CHECK(faults_of(environment({{"A", text_of(kMaxArgumentBytes - 2)}})).size() == 1);
}

TEST_CASE("jobs in bulk: one to a thousand, all faults of all of them") {
  const auto bulk = [](std::size_t count) { return Json{{"jobs", std::vector<Json>(count, job_with())}}; };
  CHECK(jobs_from_json(bulk(1))->size() == 1);
  CHECK(jobs_from_json(bulk(kMaxBulkJobs))->size() == kMaxBulkJobs);

  const std::pair<Json, const char*> kBad[] = {{bulk(kMaxBulkJobs + 1), "has 1001 jobs; at most 1000 in one request"},
                                               {bulk(0), "is required: a list of 1 to 1000 jobs"},
                                               {Json::object(), "is required"},
                                               {{{"jobs", nullptr}}, "is required"},
                                               {{{"jobs", job_with()}}, "is required"},
                                               {{{"jobs", "x"}}, "is required"}};
  for (const auto& [json, message] : kBad) {
    const auto read = jobs_from_json(json);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "BAD_JOB");
    REQUIRE(read.error().faults.size() == 1);
    CHECK(read.error().faults[0].where == "/jobs");
    CHECK_THAT(read.error().faults[0].message, Catch::Contains(message));
  }
  CHECK_FALSE(jobs_from_json(Json::array({job_with()})));

  const auto read =
      jobs_from_json({{"jobs", {job_with({{"name", "first"}}), Json::object(), 7, resources({{"nodes", 0}})}}, {"job", 1}});
  REQUIRE_FALSE(read);
  const std::vector<Fault> expected{{"/jobs/1/script", "is required: the text of the script, beginning with \"#!\""},
                                    {"/jobs/2", "must be an object"},
                                    {"/jobs/3/resources/nodes", "must be a whole number from 1 to 1000000"},
                                    {"/job", "no such field (did you mean \"jobs\"?)"}};
  CHECK(read.error().faults == expected);

  const auto two = jobs_from_json({{"jobs", {job_with({{"name", "first"}}), job_with({{"name", "second"}})}}});
  REQUIRE(two);
  CHECK(two->at(0).spec.name == "first");
  CHECK(two->at(1).spec.name == "second");
}

TEST_CASE("a job of a bulk request comes after an earlier one of it by its place") {
  const auto second = [](const char* place) {
    return jobs_from_json({{"jobs", {job_with(), job_with({{"after", {place, "01ARYZ6S41TSV4RRFFQ69G5FAV"}}})}}});
  };
  const auto read = second("#0");
  REQUIRE(read);
  CHECK(read->at(1).after_earlier == std::vector<std::size_t>{0});
  CHECK(read->at(1).spec.after == std::vector{*JobId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV")});
  for (const auto* place : {"#1", "#2", "#", "#00", "#-1", "#+0", "#0x", "# 0", "#99999999999999999999"}) {
    const auto refused = second(place);
    REQUIRE_FALSE(refused);
    INFO(place);
    CHECK(refused.error().faults.at(0).where == "/jobs/1/after");
  }
}

TEST_CASE("a submission that is written is read back the same") {
  using rc::gen::element;
  using rc::gen::inRange;
  rc::prop("job_from_json(to_json(s)) == s", [] {
    const auto text = [] {
      return *element<std::string>("", "a", "two words", "\"\\/", "\xC3\xA5\xE2\x82\xAC\xF0\x9F\x9A\x80", std::string(100, 'x'));
    };
    const auto word = [] {
      return *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::elementOf(std::string("abcXYZ019._-"))));
    };
    Submission submission;
    auto& [spec, payload, after_earlier] = submission;
    spec.name = text();
    if (*rc::gen::arbitrary<bool>()) spec.project = ProjectId{word().substr(0, 64)};
    auto& r = spec.resources;
    r.nodes = *inRange(1, 5);
    r.tasks = r.nodes + *inRange(0, 4);
    r.cpus_per_task = *inRange(1, 4);
    r.memory_per_node = {*element<std::int64_t>(0, 1, 4096, std::int64_t{1} << 40)};
    r.gpus_per_node = *inRange(0, 3);
    if (r.gpus_per_node > 0 && *rc::gen::arbitrary<bool>()) r.gpu_model = word().substr(0, 64);
    spec.time_limit = Seconds{*element<std::int64_t>(1, 3'599, 3'600, 31'622'400)};
    for (int i = *inRange(0, 3); i > 0; --i) spec.placement.sites.emplace_back(word().substr(0, 32));
    for (int i = *inRange(0, 3); i > 0; --i) spec.placement.countries.push_back(*element<std::string>("FI", "EE"));
    if (*rc::gen::arbitrary<bool>()) spec.datasets = {DatasetId("imagenet-1k"), DatasetId("d@2:x")};
    if (*rc::gen::arbitrary<bool>()) spec.labels = {domain::Label("health"), domain::Label("personal")};
    spec.requeue = *rc::gen::arbitrary<bool>();
    spec.software.outbound = *rc::gen::arbitrary<bool>();
    r.exclusive = *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) spec.array = domain::parse_task_array("0-8:4,20%3").value();
    if (*rc::gen::arbitrary<bool>()) spec.after = {*JobId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV"), JobId()};
    payload.script =
        "#!" + text() + "\n" + *element<std::string>("", "\t", "#SBATCH -N3 --uid=0\n", "#PBS -l nodes=2\n") + text();
    for (int i = *inRange(0, 4); i > 0; --i) payload.arguments.push_back(text() + "\n");
    std::map<std::string, std::string> variables;
    for (int i = *inRange(0, 4); i > 0; --i) variables["V" + std::to_string(*inRange(0, 9))] = text();
    payload.environment.assign(variables.begin(), variables.end());

    const auto read = job_from_json(*parse_json(canonical_json(to_json(submission))));
    RC_ASSERT(read.has_value());
    RC_ASSERT(*read == submission);
    const auto bulk = jobs_from_json({{"jobs", {to_json(submission), to_json(submission)}}});
    RC_ASSERT(bulk.has_value());
    RC_ASSERT(*bulk == std::vector({submission, submission}));
  });
}
