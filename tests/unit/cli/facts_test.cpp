// SPDX-License-Identifier: Apache-2.0
// `hansa facts`: what it asks of the broker, and how it tells the answer.
#include "broker/core/canonical_json.hpp"
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {
namespace {

std::string fact_outcome(const std::string& state) {
  return R"({"subject":"site:alpha","attribute":"site.labels","changes":[{"id":")" + std::string(kId) +
         R"(","subject":"site:alpha","attribute":"site.labels","change":"fact_stated","state":")" + state +
         R"(","by":"local:op","at":"2026-11-22T10:00:00Z","reason":"","details":{"before":null,"made_from":null,)"
         R"("after":{"value":["c5"],"as_of":"2026-11-22T10:00:00Z","until":null,"evidence":"no. 4711"}},"ruling":null}]})"
         "\n";
}

Json asked(const std::string& request) {
  const auto body = parse_json(body_of(request));
  return body ? *body : Json();
}

}  // namespace

TEST_CASE("each command about facts is its request, with the value as its type has it", "[facts]") {
  const auto stated = [](const char* attribute, Json value) {
    return Json{{"subject", "site:alpha"}, {"attribute", attribute}, {"value", std::move(value)}};
  };
  auto with_times = stated("site.country", "FI");
  with_times["as_of"] = "2026-11-22T08:00:00Z";
  with_times["until"] = "2027-02-20T10:00:00Z";
  with_times["evidence"] = "no. 4711";
  with_times["reason"] = "audit";
  const struct {
    std::vector<const char*> arguments;
    const char* line;
    Json body;
  } kTable[] = {
      {{"facts", "set", "site:alpha", "site.country=FI", "--as-of", "2h", "--until", "90d", "--evidence", "no. 4711", "--reason",
        "audit"},
       "POST /v1/facts HTTP/1.1",
       with_times},
      {{"facts", "set", "site:alpha", "site.labels=c5,iso-27001"},
       "POST /v1/facts HTTP/1.1",
       stated("site.labels", {"c5", "iso-27001"})},
      {{"facts", "set", "site:alpha", "site.labels="}, "POST /v1/facts HTTP/1.1", stated("site.labels", Json::array())},
      {{"facts", "set", "site:alpha", "site.eurohpc=true"}, "POST /v1/facts HTTP/1.1", stated("site.eurohpc", true)},
      {{"facts", "set", "site:alpha", "site.eurohpc=yes"}, "POST /v1/facts HTTP/1.1", stated("site.eurohpc", "yes")},
      {{"facts", "set", "site:alpha", "project.training_petaflop=12"},
       "POST /v1/facts HTTP/1.1",
       stated("project.training_petaflop", 12)},
      {{"facts", "set", "site:alpha", "site.nonsense=a=b"}, "POST /v1/facts HTTP/1.1", stated("site.nonsense", "a=b")},
      {{"facts", "withdraw", "site:alpha", "site.country"}, "POST /v1/facts HTTP/1.1", stated("site.country", nullptr)},
      {{"facts", "approve", kId}, "POST /v1/changes/01JDA0XJ2GQ4M8T6V9ZK3N5R7W/approve HTTP/1.1", Json::object()},
      {{"facts", "reject", kId, "--reason", "no"},
       "POST /v1/changes/01JDA0XJ2GQ4M8T6V9ZK3N5R7W/reject HTTP/1.1",
       {{"reason", "no"}}},
  };
  for (const auto& [arguments, line, body] : kTable) {
    Call call;
    ScriptedServer server({reply(200, fact_outcome("applied"), "")});
    CHECK(call.run(server, arguments) == 0);
    const auto requests = server.requests();
    REQUIRE(requests.size() == 1);
    CHECK(line_of(requests[0]) == line);
    CHECK(asked(requests[0]) == body);
    CHECK(call.out.contains("site.labels: unknown -> c5, as of 2026-11-22T10:00:00Z (no. 4711)"));
  }
  for (const auto& wrong : {std::vector<const char*>{"facts", "set", "site:alpha", "site.country"},
                            {"facts", "set", "site:alpha", "=FI"},
                            {"facts", "set", "site:alpha", "site.country=FI", "--until", "soon"},
                            {"facts", "withdraw", "site:alpha"},
                            {"facts"}}) {
    CHECK(Call().run(wrong) == 2);
  }
}

TEST_CASE("what waits for a second person is said, with the command that approves it", "[facts]") {
  Call call;
  CHECK(call.run(ScriptedServer({reply(200, fact_outcome("pending"), "")}), {"facts", "set", "site:alpha", "site.labels=c5"}) ==
        0);
  CHECK(call.out.contains("pending"));
  CHECK(call.err == "hansa: waits for a second person, an operator: hansa facts approve " + std::string(kId) + "\n");
  Call json;
  CHECK(json.run(ScriptedServer({reply(200, fact_outcome("pending"), "")}),
                 {"facts", "set", "site:alpha", "site.labels=c5", "--json"}) == 0);
  CHECK(json.out == fact_outcome("pending"));
}

TEST_CASE("the broker's faults about a fact are told in the words of the command line", "[facts]") {
  Call call;
  ScriptedServer server({problem(400, "BAD_FACT", R"(,"errors":[{"pointer":"/value","detail":"is \"x\"; allowed: a, b"}])")});
  CHECK(call.run(server, {"facts", "set", "site:alpha", "site.status=x"}) == 2);
  CHECK(call.err.contains("VALUE: is \"x\"; allowed: a, b"));
}

TEST_CASE("facts are shown with their source, and what waits beside them, if the caller may see it", "[facts]") {
  const std::string facts =
      R"({"subject":"site:alpha","facts":[{"attribute":"site.country","value":"FI","state":"known","source":"site descriptor",)"
      R"("change":null,"as_of":"2026-09-15T00:00:00Z","until":null,"evidence":"report 7"},)"
      R"({"attribute":"site.labels","value":null,"state":"withdrawn","source":"register","change":")" +
      std::string(kId) + R"(","as_of":null,"until":null,"evidence":""}]})";
  const std::string none = R"({"changes":[],"next_cursor":null})";
  Call call;
  ScriptedServer server({reply(200, facts, ""), reply(200, none, "")});
  CHECK(call.run(server, {"facts", "show", "site:alpha"}) == 0);
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(line_of(requests[0]) == "GET /v1/facts?subject=site%3Aalpha HTTP/1.1");
  CHECK(line_of(requests[1]) == "GET /v1/changes?subject=site%3Aalpha&state=pending&limit=100 HTTP/1.1");
  CHECK(call.out.contains("site descriptor"));
  CHECK(call.out.contains("report 7"));
  CHECK(call.out.contains("change " + std::string(kId)));
  CHECK(call.err.empty());
  Call person;
  CHECK(person.run(ScriptedServer({reply(200, facts, ""), problem(403, "ROLE_LACKS_RIGHT")}), {"facts", "show", "site:alpha"}) ==
        0);
  CHECK(person.out.contains("site.country"));
  Call json;
  CHECK(json.run(ScriptedServer({reply(200, facts, "")}), {"facts", "show", "site:alpha", "--json"}) == 0);
  CHECK(json.out == facts);
}

TEST_CASE("changes of facts are listed by subject and state", "[facts]") {
  Call call;
  ScriptedServer server({reply(200, R"({"changes":[],"next_cursor":null})", "")});
  CHECK(call.run(server, {"facts", "changes", "site:alpha", "--state", "pending"}) == 0);
  CHECK(call.err == "hansa: no changes like that\n");
  CHECK(line_of(server.requests()[0]) == "GET /v1/changes?register=facts&subject=site%3Aalpha&state=pending&limit=100 HTTP/1.1");
}

}  // namespace hansa::cli
