// SPDX-License-Identifier: Apache-2.0
// `hansa allocation`: what it asks of the broker, how it tells the answer, and the files that it takes balances from.
#include "broker/cli/balance_files.hpp"
#include "broker/core/canonical_json.hpp"
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {
namespace {

constexpr std::int64_t kUnit = 3'600'000;

Json row(const std::string& project, const std::string& left, const std::string& as_of = "") {
  Json row{{"project", project}, {"site", "alpha"}, {"unit", "BU"}, {"left", left}};
  if (!as_of.empty()) row["as_of"] = as_of;
  return row;
}

Result<Json> read(const std::string& text, const BalanceOptions& options = {}) { return balances_in(text, options); }

Json allocation(const std::string& kind) {
  return {{"id", kId},
          {"kind", kind},
          {"project", "ai-lab"},
          {"site", kind == "grant" ? Json() : Json("alpha")},
          {"unit", "BU"},
          {"granted", 10 * kUnit},
          {"reserved", kUnit / 2},
          {"used", kUnit},
          {"left", 17 * kUnit / 2},
          {"from", "2026-11-01T00:00:00Z"},
          {"until", kind == "grant" ? Json("2027-01-01T00:00:00Z") : Json()},
          {"age_s", kind == "grant" ? Json() : Json(90)},
          {"revoked_at", nullptr},
          {"by", "local:op"},
          {"at", "2026-11-01T00:00:00Z"},
          {"note", "call \x1b[31m7"},
          {"forecast", {{"per_day", kUnit / 4}, {"spent_at", "2027-02-01T00:00:00Z"}, {"left_at_end", kUnit}}}};
}

}  // namespace

TEST_CASE("balances are read from CSV, quotes, carriage returns and empty lines included", "[allocation]") {
  const auto list = read("project,site,unit,left,as_of\r\nlab,alpha,BU,5,2026-11-01\r\n\r\n\"a\"\"b\n\",alpha,BU,\"0.5\",\n");
  REQUIRE(list);
  CHECK(*list == Json::array({row("lab", "5", "2026-11-01"), row("a\"b\n", "0.5")}));
  CHECK(read("\xEF\xBB\xBFproject,unit,left\nlab,BU,5\n", {.site = "alpha", .components = {}}).value() ==
        Json::array({row("lab", "5")}));
  CHECK(read("project,unit,left").value().empty());
}

TEST_CASE("a file that cannot be read says where and why", "[allocation]") {
  const struct {
    const char* text;
    const char* where;
  } kTable[] = {
      {"", "line 1: the file is empty"},
      {"projetc,left\n", "line 1: \"projetc\" is no column (did you mean \"project\"?)"},
      {"project,left\nlab\n", "line 2: has 1 fields, and the first line 2"},
      {"project,left\nlab,\"5\n", "line 2: a quote is not closed"},
      {"project,left\nlab,\"5\"x\n", "line 2: after a quoted field"},
      {"{\"rows\": []}", "the file: is neither a list"},
      {"[1,", "JSON"},
      {"[{\"backend_id\": \"p\", \"limits\": {}}]", "the file: holds Waldur's resources"},
  };
  for (const auto& [text, where] : kTable) {
    CAPTURE(text);
    const auto list = read(text);
    REQUIRE_FALSE(list);
    CHECK_THAT(list.error().message, Catch::Contains(where));
  }
}

TEST_CASE("balances are read from JSON, and what is left of Waldur's resources is reckoned", "[allocation]") {
  CHECK(read(R"([{"project":"lab","unit":"BU","left":"5"}])", {.site = "alpha", .components = {}}).value() ==
        Json::array({row("lab", "5")}));
  CHECK(read(R"({"balances":[{"project":"lab","site":"alpha","unit":"BU","left":5.25}]})").value() ==
        Json::array({row("lab", "5.250")}));
  const BalanceOptions options{.site = "alpha", .components = {{"gpu", "GPU-hours"}, {"cpu", "BU"}}};
  const auto list = read(
      R"([{"backend_id":"proj1","limits":{"gpu":100,"ram":7},"current_usages":{"gpu":0.0004},"last_sync":"2026-11-01T10:00:00Z"},
          {"backend_id":"","limits":{"gpu":1}}, {"backend_id":"proj2","limits":{"cpu":3,"gpu":1},"current_usages":{"cpu":9}}])",
      options);
  REQUIRE(list);
  CHECK(*list == Json::array({{{"account", "proj1"},
                               {"site", "alpha"},
                               {"unit", "GPU-hours"},
                               {"left", "99.999"},
                               {"as_of", "2026-11-01T10:00:00Z"}},
                              {{"account", "proj2"}, {"site", "alpha"}, {"unit", "GPU-hours"}, {"left", "1.000"}},
                              {{"account", "proj2"}, {"site", "alpha"}, {"unit", "BU"}, {"left", "0.000"}}}));
  CHECK_FALSE(read(R"([{"backend_id":"p","limits":{}}, 7])", options));
}

TEST_CASE("what sshare prints is read, account by account", "[allocation]") {
  const BalanceOptions options{.site = "alpha", .components = {{"cpu", "core-hours"}, {"gres/gpu", "GPU-hours"}}};
  const auto list = read(
      "Account|User|GrpTRESMins|GrpTRESRaw\n"
      "root|||cpu=70,mem=9,gres/gpu=0\n"
      " proj1||cpu=600,gres/gpu=100|cpu=61,mem=100,gres/gpu=130\n"
      "  proj1|alice||cpu=61\n"
      " proj2|||cpu=9\n",
      options);
  REQUIRE(list);
  CHECK(*list == Json::array({{{"account", "proj1"}, {"site", "alpha"}, {"unit", "core-hours"}, {"left", "8.983"}},
                              {{"account", "proj1"}, {"site", "alpha"}, {"unit", "GPU-hours"}, {"left", "0.000"}}}));
  const std::string head = "Account|User|GrpTRESMins|GrpTRESRaw\n";
  CHECK_THAT(read(head + "p||cpu=?|cpu=1\n", options).error().message, Catch::Contains("line 2: does not say"));
  CHECK(read(head + "p||mem=?,cpu=60|cpu=0,mem=1\n", options).value().size() == 1);  // nobody asked about memory
  CHECK_THAT(read("Account|User\nproj1|\n", options).error().message, Catch::Contains("sshare -P -o"));
  CHECK_THAT(read("Account|User|GrpTRESMins|GrpTRESRaw\nproj1|\n", options).error().message, Catch::Contains("line 2: has 2"));
  CHECK_THAT(read("Account|User|GrpTRESMins|GrpTRESRaw\n").error().message, Catch::Contains("--component"));
}

TEST_CASE("allocations are listed in units, with what is left and by when it is spent", "[allocation]") {
  ScriptedServer server({reply(200, Json{{"allocations", {allocation("grant"), allocation("balance")}}}.dump())});
  Call call;
  REQUIRE(call.run(server, {"allocation", "list", "--project", "ai-lab"}) == 0);
  CHECK(server.requests().at(0).starts_with("GET /v1/allocations?project=ai-lab HTTP/1.1"));
  for (const auto* word : {"10.000", "0.500", "8.500", "0.250", "2027-02-01", "told 1m30s ago", "until 2027-01-01", "any"}) {
    CAPTURE(word);
    CHECK(call.out.contains(word));
  }
}

TEST_CASE("a grant is asked for as it stands in the call and its id printed", "[allocation]") {
  ScriptedServer server({reply(201, allocation("grant").dump())});
  Call call;
  REQUIRE(call.run(server,
                   {"allocation", "grant", "ai-lab", "10", "--unit", "BU", "--until", "2027-01-01", "--reason", "call 7"}) == 0);
  CHECK(call.out == std::string(kId) + "\n");
  CHECK(call.err.contains("granted to ai-lab: 10.000 BU at any site"));
  CHECK(parse_json(body_of(server.requests().at(0))).value() ==
        Json{{"project", "ai-lab"}, {"amount", "10"}, {"unit", "BU"}, {"until", "2027-01-01T00:00:00Z"}, {"reason", "call 7"}});
  Call without;
  CHECK(without.run(server, {"allocation", "grant", "ai-lab", "10"}) == 2);
}

TEST_CASE("a release says what it let go, and why is asked for", "[allocation]") {
  const Json released{
      {"released", {{{"job", kId}, {"attempt", 2}, {"site", "alpha"}, {"unit", "BU"}, {"reserved", kUnit / 2}, {"used", 0}}}}};
  ScriptedServer server({reply(200, released.dump())});
  Call call;
  REQUIRE(call.run(server, {"allocation", "release", kId, "--reason", "lost"}) == 0);
  CHECK(call.out == "attempt 2 at alpha: 0.500 BU let go\n");
  CHECK(line_of(server.requests().at(0)).starts_with("POST /v1/allocations/release "));
  CHECK(parse_json(body_of(server.requests().at(0))).value() == Json{{"job", kId}, {"reason", "lost"}});
  Call without;
  CHECK(without.run(server, {"allocation", "release", kId}) == 2);
}

TEST_CASE("an allocation is shown with what is kept of it, harmless to a terminal", "[allocation]") {
  const Json details{
      {"allocation", allocation("grant")},
      {"reservations",
       {{{"job", kId}, {"attempt", 1}, {"site", "alpha"}, {"reserved", kUnit / 2}, {"used", 0}, {"at", "2026-11-02T00:00:00Z"}}}},
      {"events",
       {{{"name", "granted"}, {"by", "local:op"}, {"at", "2026-11-01T00:00:00Z"}, {"amount", 10 * kUnit}, {"note", ""}}}}};
  ScriptedServer server({reply(200, details.dump())});
  Call call;
  REQUIRE(call.run(server, {"allocation", "show", kId}) == 0);
  CHECK(call.out.contains("left at its end"));
  CHECK(call.out.contains("granted"));
  CHECK_FALSE(call.out.contains("\x1b"));
}

TEST_CASE("balances are imported from standard input, so many at a time", "[allocation]") {
  ScriptedServer server({reply(200, R"({"taken":500,"older":0})"), reply(200, R"({"taken":1,"older":1})")});
  Call call;
  call.in = "project,unit,left\n";
  for (int i = 0; i < 502; ++i) call.in += "lab,BU,5\n";
  REQUIRE(call.run(server, {"allocation", "import", "-", "--site", "alpha", "--reason", "sshare"}) == 0);
  CHECK(call.out == "501 balances taken, 1 left out: something younger is known\n");
  const auto last = parse_json(body_of(server.requests().at(1))).value();
  CHECK(last["balances"].size() == 2);
  CHECK(last["balances"][0] == row("lab", "5"));
  CHECK(last["reason"] == "sshare");
  Call wrong;
  CHECK(wrong.run(server, {"allocation", "import", "-", "--component", "gpu"}) == 2);
  CHECK(wrong.run(server, {"allocation", "import", "/nonexistent/file"}) == 2);
}

}  // namespace hansa::cli
