// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/submission.hpp"

#include "broker/cli/commands.hpp"
#include "broker/core/time_text.hpp"
#include "broker/wire/job_request.hpp"
#include "tests/unit/cli/outside_under_test.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <fstream>

namespace hansa::cli {
namespace {

using namespace std::literals;

constexpr std::string_view kScript = "#!/bin/sh\necho $1\n";

Invocation invocation(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "submit");
  const auto call = parse_command_line(commands(), arguments);
  REQUIRE(call);
  return *call;
}

Result<domain::Submission> submission(const Invocation& call, std::string in) {
  OutsideUnderTest test;
  test.in = std::move(in);
  auto outside = test.surroundings();
  return submission_from(call, outside);
}
Result<domain::Submission> submission(std::vector<const char*> arguments, std::string in = std::string(kScript)) {
  return submission(invocation(std::move(arguments)), std::move(in));
}

/// What is sent of a script with directives, and what the server makes of it.
std::pair<Json, domain::Submission> sent(std::vector<const char*> arguments, const std::string& script) {
  const auto call = invocation(std::move(arguments));
  const auto made = submission(call, script);
  REQUIRE(made);
  auto json = request_of(*made, call);
  auto read = wire::job_from_json(json);
  REQUIRE(read);
  return {std::move(json), std::move(*read)};
}

Json request(std::vector<const char*> arguments) {
  const auto call = invocation(std::move(arguments));
  const auto made = submission(call, std::string(kScript));
  REQUIRE(made);
  const auto json = request_of(*made, call);
  const auto back = wire::job_from_json(json);  // the server reads what we say
  REQUIRE(back);
  CHECK(*back == *made);
  return json;
}

std::vector<std::string> faults(std::vector<const char*> arguments, std::string in = std::string(kScript)) {
  const auto made = submission(std::move(arguments), std::move(in));
  REQUIRE_FALSE(made);
  CHECK(made.error().kind == ErrorKind::invalid_argument);
  std::vector<std::string> texts;
  for (const auto& fault : made.error().faults) texts.push_back(fault.where + ": " + fault.message);
  return texts;
}

std::string script_fault(std::string_view text) {
  const auto good = check_script("job.sh", text);
  return good ? "" : good.error().message;
}

struct ScriptFolder : tests::TemporaryFolder {
  [[nodiscard]] std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return *this / name;
  }
};

}  // namespace

TEST_CASE("the broker's faults of a job are told by their options", "[submission]") {
  auto error = fail(ErrorKind::invalid_argument, "BAD_JOB", "x").error();
  error.faults = {{"/placement/sites", "a"}, {"/environment/1X", "b"}, {"/resources/gpu_model", "c"}, {"/new", "d"}, {"", "e"}};
  const std::vector<Fault> expected{{"--site", "a"}, {"--env 1X", "b"}, {"--gpus-per-node", "c"}, {"/new", "d"}, {"", "e"}};
  CHECK(in_options(error).faults == expected);
  error.faults = {{"/project", "name one of: a, b"}};
  CHECK(in_options(error).message == "--project: name one of: a, b");
  CHECK(in_options(fail(ErrorKind::conflict, "C", "as it was").error()).message == "as it was");
}

TEST_CASE("options become the API's request", "[submission]") {
  CHECK(request({"-"}) == Json{{"script", kScript}});
  CHECK(request({"--nodes",
                 "2",
                 "--ntasks",
                 "8",
                 "--cpus-per-task",
                 "8",
                 "--gpus-per-node",
                 "4:a100",
                 "--mem",
                 "250G",
                 "--time",
                 "2h",
                 "--site",
                 "a",
                 "--site",
                 "b",
                 "--country",
                 "FI",
                 "--name",
                 "train 'x'",
                 "--env",
                 "EMPTY=",
                 "--env",
                 "K=v=1",
                 "--requeue",
                 "--exclusive",
                 "-",
                 "--epochs",
                 "$(id)",
                 "",
                 "ü\n"}) == Json{{"script", kScript},
                                 {"name", "train 'x'"},
                                 {"arguments", {"--epochs", "$(id)", "", "ü\n"}},
                                 {"environment", {{"K", "v=1"}, {"EMPTY", ""}}},
                                 {"resources",
                                  {{"nodes", 2},
                                   {"tasks", 8},
                                   {"cpus_per_task", 8},
                                   {"gpus_per_node", 4},
                                   {"gpu_model", "a100"},
                                   {"memory_per_node_mib", 256'000}}},
                                 {"time_limit_s", 7200},
                                 {"placement", {{"sites", {"a", "b"}}, {"countries", {"FI"}}}},
                                 {"exclusive", true},
                                 {"requeue", true}});
  CHECK(request({"--output", "m ö.pt=out/m.pt", "--output", "log", "--output", "a=b=c", "-"}).at("outputs") ==
        Json{{"m ö.pt", "out/m.pt"}, {"log", "log"}, {"a", "b=c"}});
  CHECK(faults({"--output", "results/m.pt", "--output", "a", "--output", "a=b", "--output", "x=/etc/passwd", "--output", "y=../z",
                "--output", "=x", "-"}) ==
        std::vector<std::string>{
            "--output: results/m.pt is a path: give it a name to be fetched by, as in --output m.pt=results/m.pt",
            "--output: a is given twice",
            "--output x: must be a path beneath the job's working folder, as in \"results/model.pt\"; have the job write or copy "
            "the file there",
            "--output y: must not hold \"..\": only what is beneath the job's working folder is fetched",
            "--output : the name of an output must be that of a file, as in \"model.pt\""});
  CHECK(request({"--nodes", "3", "-"}).at("resources") == Json{{"nodes", 3}});  // a task a node
  CHECK(request({"--network", "outbound", "-"}).at("network") == "outbound");
  CHECK_FALSE(request({"--network", "any", "-"}).contains("network"));
  CHECK(faults({"--network", "inbound", "-"}) == std::vector<std::string>{"--network: must be outbound or any"});
  const auto with_image = sent({"--image", "data:torch/x.sif", "-"}, std::string(kScript));
  CHECK(with_image.first.at("container") == Json{{"image", "data:torch/x.sif"}});
  CHECK(with_image.second.spec.datasets == std::vector{DatasetId("torch")});  // which the broker adds
  CHECK(request({"--array", "0,4,8,12%2", "-"}).at("array") == "0-12:4%2");
  CHECK(faults({"--array", "3-1", "-"}) ==
        std::vector<std::string>{"--array: \"3-1\" runs backwards: the smaller index comes first"});
  constexpr const char *kOne = "01ARYZ6S41TSV4RRFFQ69G5FAV", *kTwo = "01ARYZ6S41TSV4RRFFQ69G5FAW";
  CHECK(request({"--after", "01ARYZ6S41TSV4RRFFQ69G5FAV,01ARYZ6S41TSV4RRFFQ69G5FAW", "-"}).at("after") == Json{kOne, kTwo});
  CHECK(request({"--after", kOne, "--after", kTwo, "-"}).at("after") == Json{kOne, kTwo});
  CHECK(faults({"--after", "", "-"}) == std::vector<std::string>{"--after: names no job; see: hansa jobs"});
  CHECK(faults({"--after", "01ARYZ6S41TSV4RRFFQ69G5FAV,,1234,#0", "-"}) ==
        std::vector<std::string>{"--after: \"\" is no job id; see: hansa jobs", "--after: \"1234\" is no job id; see: hansa jobs",
                                 "--after: \"#0\" is no job id; see: hansa jobs"});
}

TEST_CASE("what the command line leaves open is for the script's directives to say", "[submission]") {
  const std::string script =
      "#!/bin/sh\n#SBATCH -N 4 -n 8 -c 2 --mem=8G --gres=gpu:a100:2 --time=2:00:00 --requeue -J mine --export=A=1,B=2\n";
  const auto [open, all] = sent({"-"}, script);
  CHECK(open == Json{{"script", script}});
  CHECK(all.spec.resources == domain::Resources{4, 8, 2, {8192}, 2, "a100"});
  CHECK(all.spec.time_limit == Seconds{7'200});
  CHECK(all.spec.name == "mine");
  CHECK(all.spec.requeue);
  CHECK(all.payload.environment == std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", "2"}});

  // Also what is the default without a script's word.
  const auto mine = sent({"--nodes", "1", "--ntasks", "1", "--cpus-per-task", "1", "--mem", "1G", "--gpus-per-node", "1",
                          "--time", "1h", "--name", "x", "--env", "A=z", "-"},
                         script)
                        .second;
  CHECK(mine.spec.resources == domain::Resources{1, 1, 1, {1024}, 1, ""});
  CHECK(mine.spec.time_limit == Seconds{3'600});
  CHECK(mine.spec.name == "x");
  CHECK(mine.payload.environment == std::vector<std::pair<std::string, std::string>>{{"A", "z"}, {"B", "2"}});

  const auto none = sent({"--ignore-directives", "-"}, script).second;
  CHECK(none.spec.resources == domain::Resources{});
  CHECK(none.spec.time_limit == Seconds{3'600});
  CHECK(none.payload.script == script);
}

TEST_CASE("a script's file name is its name where it is fit for one", "[submission]") {
  const ScriptFolder folder;
  CHECK(request({folder.write("train.sh", kScript).c_str()}).at("name") == "train.sh");
  CHECK_FALSE(request({folder.write("a\nb", kScript).c_str()}).contains("name"));
  CHECK_FALSE(request({folder.write("\xff", kScript).c_str()}).contains("name"));
  CHECK(request({"--name", "mine", folder.write("other.sh", kScript).c_str()}).at("name") == "mine");
  const auto says = folder.write("says.sh", "#!/bin/sh\n#PBS -N its-own\n");
  CHECK(sent({says.c_str()}, "").second.spec.name == "its-own");
  CHECK(sent({"--ignore-directives", says.c_str()}, "").second.spec.name == "says.sh");
}

TEST_CASE("all faults of a command line are told at once, each with its option", "[submission]") {
  const auto found = faults({"--nodes", "0", "--ntasks", "x",   "--mem", "4Q",  "--time", "soon", "--gpus-per-node", "a100:4",
                             "--env",   "K", "--env",    "A=1", "--env", "A=2", "--name", "\xff", "/does/not/exist", "\xfe"});
  REQUIRE(found.size() == 10);
  CHECK(found[0] == "--nodes: must be a whole number of at least 1");
  CHECK(found[1] == "--ntasks: must be a whole number of at least 1");
  CHECK(found[2].starts_with("--mem: \"4Q\" is no size"));
  CHECK(found[3].ends_with("(did you mean \"4:a100\"?)"));
  CHECK(found[4].starts_with("--time: \"soon\" is no duration"));
  CHECK(found[5] == "--env: must be NAME=VALUE");
  CHECK(found[6] == "--env: A is given twice");
  CHECK(found[7].starts_with("SCRIPT: cannot read /does/not/exist: No such file or directory"));
  CHECK(found[8].starts_with("argument 1 of the script: is not UTF-8"));
  CHECK(found[9].starts_with("--name: is not UTF-8"));
  CHECK(faults({"--nodes", "4", "--ntasks", "2", "-"}) == std::vector<std::string>{"--ntasks: must be at least --nodes, 4"});
}

TEST_CASE("a script is looked at before it is sent", "[submission]") {
  CHECK(script_fault(kScript).empty());
  CHECK(script_fault("#!/bin/sh").empty());
  CHECK(script_fault("").contains("is empty"));
  CHECK(script_fault("echo hi\n").contains("does not begin with \"#!\"; put the interpreter"));
  CHECK(script_fault("\x7f"
                     "ELF\x02")
            .contains("is a program"));
  CHECK(script_fault("\xEF\xBB\xBF#!/bin/sh\n").contains("byte order mark"));
  CHECK(script_fault("#!/bin/sh\n\0x"sv).contains("NUL character at byte 10"));
  CHECK(script_fault("#!/bin/sh\n# \xe9\n").contains("is not UTF-8"));
  CHECK(script_fault("#!/bin/bash\r\necho\r\n").contains("Windows line ends"));
  CHECK(script_fault("#!/bin/bash\nprintf 'a\r'\n").empty());
  CHECK(script_fault("#!" + std::string(wire::kMaxScriptBytes, 'x')).contains("is longer than"));
  CHECK(script_fault("#!" + std::string(wire::kMaxScriptBytes - 2, 'x')).empty());
}

TEST_CASE("a script's file is read whole, or said why not", "[submission]") {
  const ScriptFolder folder;
  const auto of = [](const std::string& file) { return faults({file.c_str()}).at(0); };
  CHECK(of(folder.path.string()).ends_with("is a folder; name a file in it"));
  CHECK(of(folder.write("large", "#!" + std::string(wire::kMaxScriptBytes, 'x'))).contains("is longer than"));
  CHECK(faults({"-"}, "#!" + std::string(wire::kMaxScriptBytes, 'x')).at(0).starts_with("SCRIPT: standard input is longer than"));
  const auto most = "#!" + std::string(wire::kMaxScriptBytes - 2, 'x');
  const auto made = submission({folder.write("most", most).c_str()});
  REQUIRE(made);
  CHECK(made->payload.script == most);
}

TEST_CASE("memory sizes", "[submission]") {
  const auto mib = [](std::string_view text) {
    const auto memory = parse_memory(text);
    return memory ? memory->value : -1;
  };
  CHECK(mib("512") == 512);
  CHECK(mib("512M") == 512);
  CHECK(mib("4g") == 4096);
  CHECK(mib("1T") == 1'048'576);
  CHECK(mib("1025K") == 2);
  CHECK(mib("4GB") == 4096);
  for (const auto text :
       {"", "G", "0", "0G", "-1", "+1", " 1", "1 G", "1.5G", "4GX", "4Q", "9223372036854775807", "9999999999999999T"}) {
    CAPTURE(text);
    CHECK(mib(text) == -1);
  }
}

TEST_CASE("GPU requests", "[submission]") {
  const auto gpus = parse_gpus("4:a100");
  REQUIRE(gpus);
  CHECK(gpus->count == 4);
  CHECK(gpus->model == "a100");
  CHECK(parse_gpus("1")->model.empty());
  for (const auto* text : {"", "0", "-1", "4:", ":a100", "a100", "x:y", "99999999999"}) CHECK_FALSE(parse_gpus(text));
}

TEST_CASE("moments are times, or durations from now", "[submission]") {
  const auto now = OutsideUnderTest().utc;
  CHECK(parse_moment("--from", "2026-11-01", now, Direction::back).value() == parse_utc("2026-11-01T00:00:00Z").value());
  CHECK(parse_moment("--from", "2h", now, Direction::back).value() == now - std::chrono::hours{2});
  CHECK(parse_moment("--from", "90d", now, Direction::forward).value() == now + std::chrono::days{90});
  CHECK(parse_moment("--since", "yesterday", now, Direction::back).error().message ==
        "--since: \"yesterday\" is no time: write 2026-11-22, 2026-11-22T10:00:00Z, or how long ago: 90m, 12h, 7d");
}

}  // namespace hansa::cli
