// SPDX-License-Identifier: Apache-2.0
// hansa data: what is sent, what is said, and the exit status.
#include "broker/core/canonical_json.hpp"
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {
namespace {

const std::string kHash(64, 'a');

std::string outcome(const std::string& state, const std::string& more = "") {
  return R"({"dataset":{"id":"d1"},"changes":[{"id":")" + std::string(kId) +
         R"(","dataset":"d1","change":"relabelled","state":")" + state +
         R"(","by":"local:alice","at":"2026-11-22T10:00:00Z","details":{"before":["personal"],"after":["open"]},"ruling":null)" +
         more + "}]}\n";
}

Json sent(const std::string& request) {
  const auto body = parse_json(body_of(request));
  return body ? *body : Json();
}

}  // namespace

TEST_CASE("a dataset is registered with what the command line says of it", "[data]") {
  Call call;
  ScriptedServer server({reply(201, outcome("applied"), "")});
  CHECK(call.run(server, {"data", "add", "d1", "--label", "personal", "--label=health", "--size", "4096", "--files", "2",
                          "--sha256", kHash.c_str(), "--project", "ai-lab", "--owner", "bob", "--reason", "cohort"}) == 0);
  const auto requests = server.requests();
  REQUIRE(requests.size() == 1);
  CHECK(line_of(requests[0]) == "POST /v1/datasets HTTP/1.1");
  CHECK(sent(requests[0]) == Json{{"id", "d1"},
                                  {"labels", {"personal", "health"}},
                                  {"size_bytes", 4096},
                                  {"files", 2},
                                  {"sha256", kHash},
                                  {"project", "ai-lab"},
                                  {"owner", "bob"},
                                  {"reason", "cohort"}});
  CHECK(call.out.contains(kId));
  CHECK(call.err.empty());

  for (const auto* wrong : {"4k", "-1", "", "1e3", "99999999999999999999"}) {
    CAPTURE(wrong);
    Call bad;
    CHECK(bad.run({"data", "add", "d1", "--size", wrong}) == 2);
    CHECK(bad.err.contains("--size must be a whole number"));
  }
}

TEST_CASE("the broker's faults are told in the words of the command line", "[data]") {
  Call call;
  ScriptedServer server({problem(400, "BAD_REQUEST",
                                 R"(,"errors":[{"pointer":"/labels","detail":"is required"},)"
                                 R"({"pointer":"/size_bytes","detail":"is required too"}])")});
  CHECK(call.run(server, {"data", "add", "d1"}) == 2);
  CHECK(call.err.contains("2 things are wrong:\n  --label: is required\n  --size: is required too\n"));
  CHECK(call.out.empty());
}

TEST_CASE("what waits for a second person is done as far as one person can, and is said", "[data]") {
  Call call;
  ScriptedServer server({reply(200, outcome("pending"), "")});
  CHECK(call.run(server, {"data", "label", "d/1", "open", "--reason", "published"}) == 0);
  const auto requests = server.requests();
  CHECK(line_of(requests[0]) == "PATCH /v1/datasets/d%2F1 HTTP/1.1");
  CHECK(sent(requests[0]) == Json{{"labels", Json::array({"open"})}, {"reason", "published"}});
  CHECK(call.out.contains("pending"));
  CHECK(call.out.contains("labels: personal -> open"));
  CHECK(call.err == "hansa: waits for a second person, an operator: hansa data approve " + std::string(kId) + "\n");

  Call json;
  CHECK(json.run(ScriptedServer({reply(200, outcome("pending"), "")}), {"data", "label", "d1", "open", "--json"}) == 0);
  CHECK(json.out == outcome("pending"));

  Call nothing;
  CHECK(nothing.run(ScriptedServer({reply(200, R"({"dataset":{},"changes":[]})", "")}), {"data", "label", "d1", "open"}) == 0);
  CHECK(nothing.out.empty());
  CHECK(nothing.err == "hansa: nothing to change: it is so already\n");
}

TEST_CASE("replicas, owner and rulings: each its request", "[data]") {
  const struct {
    std::vector<const char*> arguments;
    const char* line;
    Json body;
  } kTable[] = {
      {{"data", "owner", "d1", "bob"}, "PATCH /v1/datasets/d1 HTTP/1.1", {{"owner", "bob"}}},
      {{"data", "terms", "d1", "--permit", "FI-0143", "--until", "2028-03-31", "--reviewed", "false"},
       "PATCH /v1/datasets/d1 HTTP/1.1",
       {{"permit", {{"id", "FI-0143"}, {"until", "2028-03-31T00:00:00Z"}}}, {"reviewed", false}}},
      {{"data", "terms", "d1", "--no-permit", "--transfer-basis", "none"},
       "PATCH /v1/datasets/d1 HTTP/1.1",
       {{"permit", nullptr}, {"transfer_basis", "none"}}},
      {{"data", "replica", "add", "d1", "alpha", "--root", "r", "--path", "p/q"},
       "POST /v1/datasets/d1/replicas HTTP/1.1",
       {{"site", "alpha"}, {"root", "r"}, {"path", "p/q"}}},
      {{"data", "replica", "remove", "d1", "a b"}, "DELETE /v1/datasets/d1/replicas/a%20b HTTP/1.1", Json()},
      {{"data", "replica", "verify", "d1", "alpha", "--sha256", "ab", "--expires", "90d", "--at", "2h"},
       "POST /v1/datasets/d1/replicas/alpha/verify HTTP/1.1",
       {{"sha256", "ab"}, {"expires_at", "2027-02-20T10:00:00Z"}, {"verified_at", "2026-11-22T08:00:00Z"}}},
      {{"data", "approve", kId}, "POST /v1/changes/01JDA0XJ2GQ4M8T6V9ZK3N5R7W/approve HTTP/1.1", Json::object()},
      {{"data", "reject", kId, "--reason", "no"},
       "POST /v1/changes/01JDA0XJ2GQ4M8T6V9ZK3N5R7W/reject HTTP/1.1",
       {{"reason", "no"}}},
  };
  for (const auto& [arguments, line, body] : kTable) {
    CAPTURE(line);
    Call call;
    ScriptedServer server({reply(200, outcome("applied"), "")});
    CHECK(call.run(server, arguments) == 0);
    const auto requests = server.requests();
    REQUIRE(requests.size() == 1);
    CHECK(line_of(requests[0]) == line);
    CHECK(sent(requests[0]) == body);
  }
  for (const auto& arguments : {std::vector<const char*>{"data", "terms", "d1"},
                                {"data", "terms", "d1", "--permit", "FI-0143"},
                                {"data", "terms", "d1", "--no-permit", "--permit", "FI-0143", "--until", "90d"},
                                {"data", "terms", "d1", "--reviewed", "yes"}}) {
    CHECK(Call().run(arguments) == 2);
  }
  Call wrong;
  CHECK(wrong.run({"data", "replica", "verify", "d1", "alpha", "--expires", "soon"}) == 2);
  CHECK(wrong.err.contains("--expires: \"soon\" is no time"));
}

TEST_CASE("refusals have their exit status", "[data]") {
  const struct {
    int status;
    int exit;
  } kTable[] = {{403, 4}, {404, 3}, {409, 8}, {400, 2}, {503, 5}};
  for (const auto& [status, exit] : kTable) {
    Call call;
    CHECK(call.run(ScriptedServer({problem(status, "NO")}), {"data", "approve", kId}) == exit);
    CHECK(call.err == "hansa: told so\n");
  }
}

TEST_CASE("all pages of datasets and of changes, filtered, as one document or a table", "[data]") {
  Call call;
  ScriptedServer server({reply(200, R"({"datasets":[{"id":"a"}],"next_cursor":"a"})", ""),
                         reply(200, R"({"datasets":[{"id":"b"}],"next_cursor":null})", "")});
  CHECK(call.run(server, {"data", "list", "--all", "--json", "--label", "health", "--project", "p", "--owner", "local:bob"}) ==
        0);
  CHECK(call.out == "{\"datasets\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"next_cursor\":null}\n");
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(line_of(requests[1]) == "GET /v1/datasets?label=health&project=p&owner=local%3Abob&limit=1000&cursor=a HTTP/1.1");

  Call table;
  CHECK(
      table.run(ScriptedServer({reply(200,
                                      R"({"datasets":[{"id":"d\u001b[2J","labels":["open"],"size_bytes":155000000000,"files":7,)"
                                      R"("replicas":[{"site":"alpha","state":"verified"},{"site":"beta","state":"expired"}]}]})",
                                      "")}),
                {"data", "list"}) == 0);
  CHECK(table.out.contains("d\\x1b[2J"));
  CHECK(table.out.contains("144 GiB"));
  CHECK(table.out.contains("alpha"));
  CHECK_FALSE(table.out.contains("beta"));  // it does not count

  Call changes;
  ScriptedServer log({reply(200, R"({"changes":[],"next_cursor":null})", "")});
  CHECK(changes.run(log, {"data", "changes", "d1", "--state", "pending"}) == 0);
  CHECK(changes.err == "hansa: no changes like that\n");
  CHECK(line_of(log.requests()[0]) == "GET /v1/changes?register=datasets&dataset=d1&state=pending&limit=100 HTTP/1.1");
}

TEST_CASE("a dataset is shown with its replicas and what waits", "[data]") {
  Call call;
  const auto dataset =
      R"({"id":"d1","labels":["personal"],"owner":"local:alice","project":"ai-lab","size_bytes":4096,"files":2,"sha256":")" +
      kHash + R"(","replicas":[{"site":"alpha","state":"unverified","root":"r","path":"p"}]})";
  const auto pending = outcome("pending");
  const auto list = R"({"changes":)" + parse_json(pending)->at("changes").dump() + R"(,"next_cursor":null})";
  const std::string moving =
      R"({"transfers":[{"id":"t","dataset":"d1","from":"alpha","to":"beta","root":"stage","path":"d1","phase":"copying",)"
      R"("bytes":1024,"size_bytes":4096,"files_done":1,"files":2,"verified_bytes":0,"bytes_per_second":77,)"
      R"("begun_at":"2026-11-22T10:00:00Z"}]})";
  ScriptedServer server({reply(200, dataset, ""), reply(200, list, ""), reply(200, moving, "")});
  CHECK(call.run(server, {"data", "show", "d1"}) == 0);
  for (const auto* shown : {"personal", "local:alice", "4096 bytes in 2 files", "alpha", "unverified", kId, "pending",
                            "ON ITS WAY", "beta", "copying", "1024", "1/2", "77"}) {
    CAPTURE(shown);
    CHECK(call.out.contains(shown));
  }
  CHECK(line_of(server.requests()[1]) == "GET /v1/changes?dataset=d1&state=pending&limit=100 HTTP/1.1");
  CHECK(line_of(server.requests()[2]) == "GET /v1/datasets/d1/transfers HTTP/1.1");
  Call at_rest;
  CHECK(at_rest.run(ScriptedServer({reply(200, dataset, ""), reply(200, list, ""), reply(200, R"({"transfers":[]})", "")}),
                    {"data", "show", "d1"}) == 0);
  CHECK_FALSE(at_rest.out.contains("ON ITS WAY"));
  Call json;
  CHECK(json.run(ScriptedServer({reply(200, dataset, "")}), {"data", "show", "d1", "--json"}) == 0);
  CHECK(json.out == dataset);
}

}  // namespace hansa::cli
