// SPDX-License-Identifier: Apache-2.0
// Whole calls against a server that does what a real one cannot be asked to do.
#include "broker/core/canonical_json.hpp"
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace hansa::cli {

TEST_CASE("a submission is one request, with the token and a random key, answered once it is decided about", "[calls]") {
  Call call;
  ScriptedServer server({reply(201, job("submitting", 2), "")});
  CHECK(call.run(server, {"submit", "-"}) == 0);
  CHECK(call.out == std::string(kId) + "\n");
  CHECK(call.err.empty());
  const auto requests = server.requests();
  REQUIRE(requests.size() == 1);
  CHECK(line_of(requests[0]) == "POST /v1/jobs HTTP/1.1");
  CHECK(header_of(requests[0], "Authorization") == "Bearer secret-token");
  CHECK(header_of(requests[0], "Idempotency-Key") == "0102030405060708090a0b0c0d0e0f10");
  CHECK(header_of(requests[0], "Content-Type") == "application/json");
  CHECK(header_of(requests[0], "Prefer") == "wait=5");
  CHECK(call.farewell ==
        "stopped; the job may have been accepted: submit the same again with --idempotency-key "
        "0102030405060708090a0b0c0d0e0f10 to learn its id; it is not doubled");
}

TEST_CASE("a submission whose answer was lost is repeated with the same key and body", "[calls]") {
  Call call;
  ScriptedServer server({"", "HTTP/1.1 201 X\r\nContent-Le", problem(503, "STOPPING"), reply(200, job("running"), "")});
  CHECK(call.run(server, {"submit", "-", "one"}) == 0);
  CHECK(call.out == std::string(kId) + "\n");
  const auto requests = server.requests();
  REQUIRE(requests.size() == 4);
  for (const auto& request : requests) {
    CHECK(header_of(request, "Idempotency-Key") == header_of(requests[0], "Idempotency-Key"));
    CHECK(body_of(request) == body_of(requests[0]));
  }
  CHECK(call.pauses.size() == 3);
}

TEST_CASE("a submission that stays unanswered ends, and says with which key to find out", "[calls]") {
  Call call;
  ScriptedServer server(std::vector<std::string>(20, ""));
  CHECK(call.run(server, {"submit", "--idempotency-key", "mine", "-"}) == 5);
  CHECK(call.out.empty());
  CHECK(call.err.contains("submit the same again with --idempotency-key mine"));
  CHECK(server.requests().size() == 7);
}

TEST_CASE("a broker that is asked too often is asked again when it says", "[calls]") {
  const auto too_many = [](const std::string& fields) {
    return reply(429, R"({"status":429,"code":"TOO_MANY_REQUESTS","detail":"you ask too often"})", fields);
  };
  SECTION("and answers then") {
    Call call;
    ScriptedServer server({too_many("Retry-After: 7\r\n"), too_many("Retry-After: soon\r\n"), reply(200, job("running"), "")});
    CHECK(call.run(server, {"show", kId}) == 0);
    REQUIRE(call.pauses.size() == 2);
    CHECK((call.pauses[0] >= Seconds{7} && call.pauses[0] < Milliseconds{8'750}));
    CHECK((call.pauses[1] >= Seconds{1} && call.pauses[1] < Milliseconds{1'250}));
    CHECK(call.err.contains("it is asked again in 7"));
  }
  SECTION("for a minute at most") {
    Call call;
    ScriptedServer server(std::vector<std::string>(20, too_many("Retry-After: 9\r\n")));
    CHECK(call.run(server, {"show", kId}) == 8);
    CHECK(call.monotonic.since_origin <= Seconds{60});
    CHECK(call.err.contains("you ask too often"));
  }
  SECTION("but not if that is too far off") {
    Call call;
    ScriptedServer server({too_many("Retry-After: 3600\r\n")});
    CHECK(call.run(server, {"show", kId}) == 8);
    CHECK(call.pauses.empty());
  }
}

TEST_CASE("an error of the broker's own has the id under which its log has more", "[calls]") {
  Call call;
  ScriptedServer server(
      {problem(500, "INTERNAL", R"(,"request_id":"7f3a-12")"), problem(500, "INTERNAL", R"(,"request_id":"a b\u001b")")});
  CHECK(call.run(server, {"show", kId}) == 5);
  CHECK(call.err.contains("told so (request 7f3a-12)"));
  call.err.clear();
  CHECK(call.run(server, {"show", kId}) == 5);
  CHECK_FALSE(call.err.contains("(request"));
}

TEST_CASE("a submission that was refused is not repeated", "[calls]") {
  Call call;
  ScriptedServer server({problem(429, "TOO_MANY_JOBS"), reply(201, job("accepted"), "")});
  CHECK(call.run(server, {"submit", "-"}) == 8);
  CHECK(server.requests().size() == 1);
}

TEST_CASE("held, rejected and undecided are said on standard error, by the exit status as well", "[calls]") {
  const std::string why = R"(,"reason":{"code":"NO_SITE","message":"no \u001b[2J site"})";
  const struct {
    const char *state, *told;
    int status;
  } kTable[] = {{"held", "is held: no \\x1b[2J site", 0},
                {"rejected", "is rejected: no \\x1b[2J site", 6},
                {"accepted", "is accepted; where it goes is not decided yet: hansa explain 01JDA0XJ2GQ4M8T6V9ZK3N5R7W", 0}};
  for (const auto& [state, told, status] : kTable) {
    CAPTURE(state);
    Call call;
    ScriptedServer server({reply(201, job(state, 2, why), "")});
    CHECK(call.run(server, {"submit", "-"}) == status);
    CHECK(call.out == std::string(kId) + "\n");
    CHECK(call.err == "hansa: job " + std::string(kId) + " " + told + "\n");
    CHECK(server.requests().size() == 1);
  }
}

TEST_CASE("with --wait the job's end is the exit status, and JSON is one document", "[calls]") {
  Call call;
  const auto end = job("failed", 7, R"(,"exit_code":3)");
  ScriptedServer server({reply(201, job("accepted", 1), ""),
                         reply(200, job("held", 2, R"(,"reason":{"code":"X","message":"full"})"), ""),
                         reply(200, job("running", 4), ""), reply(200, end, "")});
  CHECK(call.run(server, {"submit", "--wait", "--json", "-"}) == 1);
  CHECK(call.out == end);
  CHECK(call.err ==
        "hansa: job " + std::string(kId) + " is held: full\nhansa: job " + std::string(kId) + " failed, exit code 3\n");
  const auto requests = server.requests();
  REQUIRE(requests.size() == 4);
  CHECK(line_of(requests[3]) == "GET /v1/jobs/" + std::string(kId) + "?wait_s=50&version=4 HTTP/1.1");
}

TEST_CASE("waiting goes on while the broker restarts", "[calls]") {
  Call call;
  ScriptedServer server({reply(200, job("running", 4), ""), "", problem(503, "NOT_READY"), reply(200, job("succeeded", 6), "")});
  CHECK(call.run(server, {"wait", kId}) == 0);
  CHECK(call.out == std::string(kId) + " succeeded\n");
  CHECK(call.pauses == std::vector<Milliseconds>{Milliseconds{200}, Milliseconds{400}});
  CHECK(call.err.starts_with("hansa: no answer from the broker"));
}

TEST_CASE("waiting gives up on a broker that does not come back", "[calls]") {
  Call call;
  ScriptedServer server({reply(200, job("running", 4), "")});
  CHECK(call.run(server, {"wait", kId}) == 5);
  CHECK(call.monotonic > MonotonicTime{std::chrono::minutes{29}});
  CHECK(call.monotonic < MonotonicTime{std::chrono::minutes{31}});
}

TEST_CASE("waiting ends with its time-out, the broker there or not", "[calls]") {
  Call call;
  ScriptedServer server({reply(200, job("running", 4), "")});
  CHECK(call.run(server, {"wait", "--timeout", "2s", kId}) == 7);
  CHECK(call.out == std::string(kId) + " running\n");
  CHECK(call.err.ends_with("hansa: the time is up; the job goes on. Wait for it again with: hansa wait " + std::string(kId) +
                           "\n"));
  CHECK(call.monotonic == MonotonicTime{Milliseconds{2'000}});
}

TEST_CASE("several ids are all tried, and the worst counts", "[calls]") {
  Call call;
  ScriptedServer server({problem(409, "JOB_OVER"), reply(200, job("cancelled"), ""), problem(404, "JOB_NOT_FOUND")});
  CHECK(call.run(server, {"cancel", "A", "B", "C/../D", "--json"}) == 8);
  CHECK(call.out == "{\"jobs\":[" + job("cancelled").substr(0, job("cancelled").size() - 1) + "]}\n");
  CHECK(call.err == "hansa: told so\nhansa: told so\n");
  CHECK(line_of(server.requests().at(2)) == "POST /v1/jobs/C%2F..%2FD/cancel HTTP/1.1");
}

TEST_CASE("tasks of one array are cancelled alone", "[calls]") {
  Call call;
  auto answer = job("running");
  answer.insert(answer.rfind('}'), R"(,"cancelled_tasks":"3,5-7")");
  ScriptedServer server({reply(200, answer, "")});
  CHECK(call.run(server, {"cancel", kId, "--task", "3,5-7"}) == 0);
  CHECK_THAT(call.out, Catch::Contains("tasks cancelled, or being cancelled: 3,5-7"));
  CHECK(server.requests().at(0).ends_with(R"({"tasks":"3,5-7"})"));
  Call two;
  ScriptedServer nobody({});
  CHECK(two.run(nobody, {"cancel", "A", "B", "--task", "3"}) == 2);
  CHECK_THAT(two.err, Catch::Contains("give one ID with it"));
}

TEST_CASE("every fault of a problem is told with its pointer, and none reaches the terminal raw", "[calls]") {
  Call call;
  ScriptedServer server(
      {problem(400, "BAD_JOB", R"(,"errors":[{"pointer":"/name","detail":"a\u001b[2J"},{"pointer":"/x","detail":"b"}])")});
  CHECK(call.run(server, {"submit", "-"}) == 2);
  CHECK(call.err == "hansa: the broker does not take the job; 2 things are wrong:\n  --name: a\\x1b[2J\n  /x: b\n");
}

TEST_CASE("output comes byte for byte, piece by piece, until the job is over and all is read", "[calls]") {
  const auto piece = [](const std::string& bytes, int next, const std::string& state) {
    return reply(200, bytes, "Hansa-Next-Offset: " + std::to_string(next) + "\r\nHansa-Job-State: " + state + "\r\n");
  };
  Call call;
  const std::string raw("\x1b[1m\0\xff\n", 7);
  ScriptedServer server({problem(404, "NO_OUTPUT"), reply(200, job("running", 3), ""), piece(raw, 7, "running"),
                         piece("", 7, "running"), reply(200, job("succeeded", 5), ""), piece("end", 10, "succeeded"),
                         piece("", 10, "succeeded")});
  CHECK(call.run(server, {"logs", "-f", kId}) == 0);
  CHECK(call.out == raw + "end");
  const auto requests = server.requests();
  REQUIRE(requests.size() == 7);
  CHECK(line_of(requests[3]) == "GET /v1/jobs/" + std::string(kId) + "/output?stream=out&offset=7 HTTP/1.1");
}

TEST_CASE("output of a job that never was at a site", "[calls]") {
  Call call;
  ScriptedServer server({problem(404, "NO_OUTPUT"), reply(200, job("rejected", 3), "")});
  CHECK(call.run(server, {"logs", "-f", kId}) == 3);
  CHECK(call.err == "hansa: told so\n");
}

TEST_CASE("all pages of a list make one document", "[calls]") {
  Call call;
  ScriptedServer server({reply(200, R"({"jobs":[{"id":"B"}],"next_cursor":"B"})", ""),
                         reply(200, R"({"jobs":[{"id":"A"}],"next_cursor":null})", "")});
  CHECK(call.run(server, {"jobs", "--all", "--json", "--state", "running", "--state", "held,queued", "--since", "2h"}) == 0);
  CHECK(call.out == "{\"jobs\":[{\"id\":\"B\"},{\"id\":\"A\"}],\"next_cursor\":null}\n");
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(line_of(requests[1]) ==
        "GET /v1/jobs?state=running%2Cheld%2Cqueued&since=2026-11-22T08%3A00%3A00Z&limit=1000&cursor=B HTTP/1.1");
}

TEST_CASE("a broker that is not there is named, with the remedy", "[calls]") {
  Call call;
  std::string url;
  {
    ScriptedServer gone({});
    url = gone.url();
  }
  CHECK(call.run({"--url", url.c_str(), "sites"}) == 5);
  CHECK(call.err.contains("cannot reach the broker at " + url));
  CHECK(call.err.contains("is hansad running there?"));
}

TEST_CASE("what answers but is no broker is told from one, by every command", "[calls]") {
  const std::vector<std::vector<const char*>> kCalls = {
      {"submit", "-"},
      {"submit", "--dry-run", "-"},
      {"jobs"},
      {"show", kId},
      {"explain", kId},
      {"wait", kId},
      {"logs", kId},
      {"cancel", kId},
      {"resolve", kId, "--as", "lost", "--reason", "x"},
      {"sites"},
      {"site", "show", "a"},
      {"site", "doctor", "a"},
      {"report", "usage"},
      {"report", "estimates"},
      {"data", "add", "a"},
      {"data", "list"},
      {"data", "show", "a"},
      {"data", "label", "a", "open"},
      {"data", "replica", "remove", "a", "b"},
      {"data", "changes"},
      {"data", "approve", "a"},
      {"token", "create", "--user", "a"},
      {"token", "list"},
      {"token", "revoke", "a"},
  };
  for (const auto& arguments : kCalls) {
    CAPTURE(arguments[0], arguments.size() > 1 ? arguments[1] : "");
    Call page;
    CHECK(page.run(ScriptedServer({reply(200, "<html>hello</html>", "")}), arguments) == 5);
    CHECK(page.err.contains("check the address"));
    // A web server's 404 and a proxy's 401 tell nothing of a job or a token of ours.
    for (const int status : {404, 401, 302}) {
      Call other;
      CHECK(other.run(ScriptedServer({reply(status, "<html>no</html>", "")}), arguments) == 5);
      CHECK(other.err.contains("with status " + std::to_string(status) + ", is no Hansa broker"));
      CHECK(other.out.empty());
    }
  }
}

TEST_CASE("a token's sites are an operator's, and are shown with its role", "[calls]") {
  Call wrong;
  CHECK(wrong.run(ScriptedServer({}), {"token", "create", "--user", "a", "--site", "alpha"}) == 2);
  CHECK(wrong.err.contains("--role operator"));
  Call list;
  CHECK(list.run(ScriptedServer({reply(200,
                                       R"({"tokens": [{"id": "tok_1", "principal": "local:a", "role": "operator",
                                           "sites": ["alpha", "beta"], "created_at": "2026-11-22T10:00:00Z"}]})",
                                       "")}),
                 {"token", "list"}) == 0);
  CHECK(list.out.contains("operator of alpha, beta"));
  Call me;
  CHECK(me.run(ScriptedServer({reply(200, R"({"principal": "local:a", "role": "operator", "sites": ["alpha"],
                                              "projects": ["p", "q"], "leads": ["q"]})",
                                     "")}),
               {"whoami"}) == 0);
  CHECK(me.out.contains("local:a (operator of alpha), of the projects: p, q; leads: q"));
}

TEST_CASE("who is interrupted is told how to go on", "[calls]") {
  const std::string id = kId;
  Call wait;
  CHECK(wait.run(ScriptedServer({reply(200, job("succeeded"), "")}), {"wait", kId}) == 0);
  CHECK(wait.farewell == "stopped waiting; the job goes on. Wait for it again with: hansa wait " + id);
  Call several;
  CHECK(several.run(ScriptedServer({reply(200, job("succeeded"), ""), reply(200, job("succeeded"), "")}), {"wait", kId, kId}) ==
        0);
  CHECK(several.farewell == "stopped waiting; the jobs go on. Wait for them again with the same command");
  Call logs;
  CHECK(logs.run(ScriptedServer({problem(404, "JOB_NOT_FOUND")}), {"logs", "-f", kId}) == 3);
  CHECK(logs.farewell == "stopped following; the job goes on. Follow it again with: hansa logs -f " + id);
  Call submit;
  CHECK(submit.run(ScriptedServer({reply(201, job("submitting"), ""), reply(200, job("succeeded"), "")}),
                   {"submit", "--wait", "-"}) == 0);
  CHECK(submit.farewell == "stopped waiting; the job goes on. Wait for it with: hansa wait " + id);
}

TEST_CASE("what needs no broker answers in JSON as well", "[calls]") {
  Call version;
  CHECK(version.run({"version", "--json"}) == 0);
  CHECK(parse_json(version.out)->at("version").is_string());
  Call good;
  CHECK(good.run({"config", "check", "--json", HANSA_SOURCE_DIR "/config/examples/minimal.toml"}) == 0);
  CHECK(parse_json(good.out)->at("valid") == true);
  CHECK(parse_json(good.out)->at("sites") == 1);
  CHECK(parse_json(good.out)->at("rules") == 0);
  const auto with_packs = [](const std::string& packs) {
    static const std::string kFile = "/tmp/hansa-cli-config." + std::to_string(::getpid()) + ".toml";
    std::ifstream minimal(HANSA_SOURCE_DIR "/config/examples/minimal.toml");
    std::ofstream(kFile) << std::string(std::istreambuf_iterator<char>(minimal), {})
                         << "\n[rules]\npack_dir = \"" HANSA_SOURCE_DIR "/policies/packs\"\npacks = [" << packs << "]\n";
    return kFile.c_str();
  };
  Call packs;
  CHECK(packs.run({"config", "check", with_packs("\"gdpr-eea\", \"open-science\"")}) == 0);
  CHECK_FALSE(packs.out.contains("rules: 0"));
  Call absent;
  CHECK(absent.run({"config", "check", with_packs("\"gdpr-eea\", \"no-such\"")}) == 2);
  CHECK(absent.err.contains("no-such.toml"));
  Call wrong;
  CHECK(wrong.run({"config", "check", "--json", with_packs("\"" HANSA_SOURCE_DIR "/config/examples/minimal.toml\"")}) == 2);
  CHECK_FALSE(parse_json(wrong.out)->at("errors").empty());
  std::filesystem::remove(with_packs(""));
  Call missing;
  CHECK(missing.run({"config", "check", "--json", "/does/not/exist"}) == 2);
  CHECK(parse_json(missing.out)->at("valid") == false);
  CHECK(parse_json(missing.out)->at("errors")[0]["place"] == "/does/not/exist");
}

TEST_CASE("the token: missing, unreadable, empty, seen by others", "[calls]") {
  Call call;
  call.environment.erase("HANSA_TOKEN_FILE");
  CHECK(call.run({"sites"}) == 4);
  CHECK(call.err.contains("no token is set; run hansa login, or give the file with your token by --token-file"));
  call.err.clear();
  CHECK(call.run({"sites", "--token-file", "/does/not/exist"}) == 4);
  CHECK(call.err.contains("cannot read /does/not/exist"));
  call.err.clear();
  CHECK(call.run({"sites", "--token-file", "/dev/null"}) == 4);
  CHECK(call.err.contains("/dev/null is empty"));
  call.err.clear();
  ::chmod(call.token().c_str(), 0644);
  ScriptedServer server({problem(401, "BAD_TOKEN")});
  CHECK(call.run(server, {"sites", "--token-file", call.token().c_str()}) == 4);
  CHECK(call.err.contains("warning: others can read your token; run: chmod 600 " + call.token()));
  CHECK(call.err.contains("told so; the token came from " + call.token()));
}

}  // namespace hansa::cli
