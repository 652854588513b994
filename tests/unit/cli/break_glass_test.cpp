// SPDX-License-Identifier: Apache-2.0
// `hansa break-glass`, `hansa script`: what they ask of the broker, and how they tell the answer.
#include "broker/cli/commands.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/domain/two_persons.hpp"
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace hansa::cli {
namespace {

Json glass(const std::string& state) {
  return {{"id", kId},
          {"scope", "person:local:alice"},
          {"person", "local:alice"},
          {"reason", "incident \x1b[31m7"},
          {"state", state},
          {"by", "local:op"},
          {"at", "2026-11-01T00:00:00Z"},
          {"lasts_s", 3600},
          {"ruled_by", state == "pending" ? Json() : Json("local:op-2")},
          {"ruled_at", state == "pending" ? Json() : Json("2026-11-01T00:05:00Z")},
          {"until", state == "pending" ? Json() : Json("2026-11-01T01:05:00Z")},
          {"ended_by", nullptr},
          {"ended_at", state == "ended" ? Json("2026-11-01T01:05:00Z") : Json()},
          {"why", state == "ended" ? "TIME_OVER" : ""},
          {"uses", 2}};
}

}  // namespace

TEST_CASE("break-glass is asked for with its scope, its time and its reason", "[break-glass]") {
  ScriptedServer server({reply(201, glass("pending").dump())});
  Call call;
  REQUIRE(call.run(server, {"break-glass", "request", "--scope", "person:alice", "--for", "1h30m", "--reason", "incident 7"}) ==
          0);
  CHECK(line_of(server.requests().at(0)) == "POST /v1/break-glass HTTP/1.1");
  CHECK(Json::parse(body_of(server.requests().at(0))) ==
        Json{{"scope", "person:alice"}, {"lasts_s", 5400}, {"reason", "incident 7"}});
  CHECK(call.out.contains("hansa break-glass approve " + std::string(kId)));

  Call without;
  CHECK(without.run({"break-glass", "request", "--for", "soon"}) == 2);
  for (const auto* option : {"--scope", "--reason", "--for"}) CHECK(without.err.contains(option));
}

TEST_CASE("each step of break-glass is one request", "[break-glass]") {
  for (const auto* step : {"approve", "reject", "end"}) {
    CAPTURE(step);
    ScriptedServer server({reply(200, glass(std::string(step) == "approve" ? "open" : "ended").dump())});
    Call call;
    REQUIRE(call.run(server, {"break-glass", step, kId}) == 0);
    CHECK(line_of(server.requests().at(0)) == "POST /v1/break-glass/" + std::string(kId) + "/" + step + " HTTP/1.1");
    CHECK(call.out.contains(std::string(step) == "approve" ? "until 2026-11-01T01:05:00Z" : "TIME_OVER"));
  }
  ScriptedServer refusing({problem(403, "SECOND_PERSON")});
  Call call;
  CHECK(call.run(refusing, {"break-glass", "approve", kId}) == 4);
}

TEST_CASE("break-glass is shown with its uses and records, and nothing of it moves the cursor", "[break-glass]") {
  auto details = glass("ended");
  details["used"] = {{{"job", nullptr}, {"operation", "exportPerson"}, {"first_at", "a"}, {"last_at", "b"}, {"times", 2}}};
  details["steps"] = {{{"record", 17}, {"event", "requested"}, {"at", "a"}, {"salt", "00"}, {"personal", "{}"}}};
  ScriptedServer server({reply(200, details.dump()), reply(200, Json{{"break_glass", {glass("open")}}}.dump())});
  Call call;
  REQUIRE(call.run(server, {"break-glass", "show", kId}) == 0);
  for (const auto* part : {"exportPerson", "17", "requested", "approved by local:op-2", "all"}) CHECK(call.out.contains(part));
  CHECK_FALSE(call.out.contains("\x1b"));
  REQUIRE(call.run(server, {"break-glass", "list", "--state", "open"}) == 0);
  CHECK(line_of(server.requests().at(1)) == "GET /v1/break-glass?state=open HTTP/1.1");
  CHECK(call.out.contains("person:local:alice"));
}

TEST_CASE("a script goes into a file as it was", "[break-glass]") {
  const Json given{{"script", "#!/bin/sh\necho \x1b[2J\n"}, {"arguments", Json::array()}, {"environment", Json::object()}};
  ScriptedServer server({reply(200, given.dump())});
  Call call;
  REQUIRE(call.run(server, {"script", kId}) == 0);
  CHECK(line_of(server.requests().at(0)) == "GET /v1/jobs/" + std::string(kId) + "/script HTTP/1.1");
  CHECK(call.out == given["script"].get<std::string>());
}

TEST_CASE("docs/identity.md shows all that takes two people, and their commands are there", "[documents]") {
  std::ifstream in(HANSA_SOURCE_DIR "/docs/identity.md");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const auto known = [](std::string_view command) {
    return std::ranges::any_of(commands().commands, [&](const auto& one) { return command == "hansa " + std::string(one.name); });
  };
  for (const auto& rule : domain::two_person_rules()) {
    CAPTURE(rule.what);
    CHECK(text.contains("| " + std::string(rule.what) + " | `" + std::string(rule.ask.substr(0, rule.ask.find(','))) + "`"));
    CHECK(text.contains("| `" + std::string(rule.approve) + "` |"));
    CHECK(known(rule.ask.substr(0, rule.ask.find(','))));
    CHECK(known(rule.approve));
  }
}

}  // namespace hansa::cli
