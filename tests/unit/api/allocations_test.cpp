// SPDX-License-Identifier: Apache-2.0
// Allocations over the API: operators grant, revoke and tell, members see their projects'.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {
namespace {

constexpr std::int64_t kUnit = domain::kChargesPerUnit;

domain::Charging by_core() {
  domain::Charging charging;
  charging.rules.push_back({.unit = "core-hours", .per_core = 1'000});
  return charging;
}

class AllocationBroker : public ApiUnderTest {
 public:
  AllocationBroker() : ApiUnderTest(by_core()) {
    engine::Regulations configured;
    configured.projects = {{ProjectId("ai-lab"), {}}, {ProjectId("climate"), {}}};
    regulate(std::move(configured));
  }
  Told grant(const Json& what, const std::string& person = "operator") { return call(person, "POST", "/v1/allocations", what); }
  std::string granted(const std::string& project, const std::string& amount) {
    const auto told = grant({{"project", project}, {"unit", "core-hours"}, {"amount", amount}});
    CAPTURE(told.body.dump());
    REQUIRE(told.status == 201);
    return told.body["id"];
  }
  Told tell(const Json& balances, const std::string& person = "operator") {
    return call(person, "POST", "/v1/allocations/balances", {{"balances", balances}});
  }
  std::vector<std::string> listed(const std::string& person, const std::string& query = "") {
    std::vector<std::string> projects;
    for (const auto& one : call(person, "GET", "/v1/allocations" + query).body["allocations"]) projects.push_back(one["project"]);
    return projects;
  }
};

}  // namespace

TEST_CASE("a grant is shown with what is kept, used and left of it, and gone with its revocation") {
  AllocationBroker broker;
  const auto job = broker.call("alice", "POST", "/v1/jobs", {{"script", kHold}, {"time_limit_s", 3'600}}, {{"Prefer", "wait=5"}});
  REQUIRE(job.status == 201);
  CHECK(job.body["state"] == "held");
  CHECK(job.body["reason"]["code"] == "NOT_GRANTED");
  const auto told = broker.grant({{"project", "ai-lab"},
                                  {"site", "alpha"},
                                  {"unit", "core-hours"},
                                  {"amount", "2.5"},
                                  {"until", "2027-01-01"},
                                  {"reason", "call 7"}});
  REQUIRE(told.status == 201);
  const std::string id = told.body["id"];
  CHECK(told.body["granted"] == 5 * kUnit / 2);
  CHECK(told.body["until"] == "2027-01-01T00:00:00Z");
  CHECK(told.body["by"] == "local:operator");
  broker.time.advance(Milliseconds{5'000});
  const auto shown = broker.call("bob", "GET", "/v1/allocations/" + id);
  REQUIRE(shown.status == 200);
  CHECK(shown.body["allocation"]["reserved"] == kUnit);
  CHECK(shown.body["allocation"]["left"] == 3 * kUnit / 2);
  REQUIRE(shown.body["reservations"].size() == 1);
  CHECK(shown.body["reservations"][0]["job"] == job.body["id"]);
  CHECK(shown.body["events"][0]["name"] == "granted");
  CHECK(shown.body["events"][0]["note"] == "call 7");

  CHECK(broker.call("alice", "POST", "/v1/allocations/" + id + "/revoke").code() == "ROLE_LACKS_RIGHT");
  const auto revoked = broker.call("operator", "POST", "/v1/allocations/" + id + "/revoke", {{"reason", "over"}});
  REQUIRE(revoked.status == 200);
  CHECK_FALSE(revoked.body["revoked_at"].is_null());
  CHECK(broker.call("operator", "POST", "/v1/allocations/" + id + "/revoke").code() == "ALREADY_REVOKED");
  CHECK(broker.call("operator", "POST", "/v1/allocations/nonsense/revoke").status == 404);
}

TEST_CASE("members see their projects' allocations alone, operators and auditors all, and operators alone change them") {
  AllocationBroker broker;
  const auto lab = broker.granted("ai-lab", "10");
  const auto climate = broker.granted("climate", "20");
  using Projects = std::vector<std::string>;
  CHECK(broker.listed("alice") == Projects{"ai-lab"});
  CHECK(broker.listed("bob") == Projects{"ai-lab", "climate"});
  CHECK(broker.listed("carol").empty());
  CHECK(broker.listed("auditor") == Projects{"ai-lab", "climate"});
  CHECK(broker.listed("operator", "?project=climate") == Projects{"climate"});
  CHECK(broker.listed("alice", "?project=climate").empty());
  CHECK(broker.call("alice", "GET", "/v1/allocations/" + lab).status == 200);
  CHECK(broker.call("alice", "GET", "/v1/allocations/" + climate).code() == "ALLOCATION_NOT_FOUND");
  CHECK(broker.call("auditor", "GET", "/v1/allocations/" + climate).status == 200);
  for (const auto* person : {"alice", "auditor"}) {
    CHECK(broker.grant({{"project", "ai-lab"}, {"unit", "core-hours"}, {"amount", "1"}}, person).code() == "ROLE_LACKS_RIGHT");
    CHECK(broker.tell(Json::array(), person).code() == "ROLE_LACKS_RIGHT");
  }
  CHECK(broker.call("", "GET", "/v1/allocations").status == 401);
}

TEST_CASE("operators let go what nothing will settle, by a job or an attempt, and nobody else does") {
  AllocationBroker broker;
  broker.granted("ai-lab", "10");
  const auto job = broker.call("alice", "POST", "/v1/jobs", {{"script", kHold}, {"time_limit_s", 3'600}}, {{"Prefer", "wait=5"}});
  REQUIRE(job.status == 201);
  const std::string id = job.body["id"];
  broker.time.advance(Milliseconds{5'000});
  const auto release = [&](const Json& request, const std::string& person = "operator") {
    return broker.call(person, "POST", "/v1/allocations/release", request);
  };
  CHECK(release({{"job", id}, {"reason", "x"}}, "alice").code() == "ROLE_LACKS_RIGHT");
  CHECK_FALSE(release({{"job", id}}).fault("/reason").empty());
  CHECK_FALSE(release({{"job", "41"}, {"reason", "x"}}).fault("/job").empty());
  CHECK_FALSE(release({{"reason", "x"}}).fault("/job").empty());
  CHECK(release({{"job", id}, {"reason", "x"}}).code() == "RUNS_NOT_OVER");
  CHECK(release({{"job", "hansa-" + id + "-1"}, {"reason", "x"}}).code() == "RUNS_NOT_OVER");
  CHECK(release({{"job", "hansa-" + id + "-2"}, {"reason", "x"}}).code() == "NOTHING_RESERVED");
}

TEST_CASE("what can be no grant says where and what is meant") {
  AllocationBroker broker;
  const auto none = broker.grant(Json::object());
  CHECK(none.status == 400);
  CHECK_FALSE(none.fault("/project").empty());
  CHECK_FALSE(none.fault("/unit").empty());
  CHECK_THAT(none.fault("/amount"), Catch::Contains("is required"));
  const auto wrong = broker.grant({{"project", "ai-lba"}, {"site", "alhpa"}, {"unit", "core-hour"}, {"amount", "1"}});
  CHECK_THAT(wrong.fault("/project"), Catch::Contains("did you mean \"ai-lab\"?"));
  CHECK_THAT(wrong.fault("/site"), Catch::Contains("did you mean \"alpha\"?"));
  CHECK_THAT(broker.grant({{"project", "ai-lab"}, {"unit", "core-hour"}, {"amount", "1"}}).fault("/unit"),
             Catch::Contains("did you mean \"core-hours\"?"));
  CHECK_THAT(broker.grant({{"project", "ai-lab"}, {"site", "beta"}, {"unit", "core-hours"}, {"amount", "1"}}).fault("/site"),
             Catch::Contains("charges nothing"));
  for (const auto& [field, value] : {std::pair<const char*, Json>{"amount", "-1"},
                                     {"amount", "1e9"},
                                     {"amount", 5},
                                     {"amount", "99999999999"},
                                     {"until", "tomorrow"},
                                     {"unit", "a b"},
                                     {"reason", std::string(2'000, 'x')},
                                     {"extra", 1}}) {
    Json request{{"project", "ai-lab"}, {"unit", "core-hours"}, {"amount", "1"}};
    request[field] = value;
    const auto told = broker.grant(request);
    CAPTURE(field, value.dump().substr(0, 40));
    CHECK(told.status == 400);
    CHECK_FALSE(told.fault(std::string("/") + field).empty());
  }
  CHECK(broker.grant({{"project", "ai-lab"}, {"unit", "core-hours"}, {"amount", "1"}, {"until", "2020-01-01"}}).code() ==
        "BAD_GRANT");
  CHECK(broker.call("operator", "POST", "/v1/allocations", "{").code() == "BAD_JSON");
}

TEST_CASE("a balance is told by project or by its account, once, and not before its time") {
  AllocationBroker broker;
  const auto told = broker.tell({{{"account", "proj1"}, {"site", "alpha"}, {"unit", "core-hours"}, {"left", "12.5"}},
                                 {{"project", "climate"}, {"site", "alpha"}, {"unit", "core-hours"}, {"left", "0"}}});
  CAPTURE(told.body.dump());
  REQUIRE(told.status == 200);
  CHECK(told.body == Json{{"taken", 2}, {"older", 0}});
  broker.time.advance(Milliseconds{60'000});
  const auto all = broker.call("alice", "GET", "/v1/allocations").body["allocations"];
  REQUIRE(all.size() == 1);
  CHECK(all[0]["kind"] == "balance");
  CHECK(all[0]["granted"] == 25 * kUnit / 2);
  CHECK(all[0]["age_s"] == 60);
  CHECK(broker.tell({{{"project", "climate"}, {"site", "alpha"}, {"unit", "core-hours"}, {"left", "9"}, {"as_of", "2020-01-01"}}})
            .body == Json{{"taken", 0}, {"older", 1}});
  CHECK(broker.tell({{{"project", "climate"}, {"site", "alpha"}, {"unit", "core-hours"}, {"left", "9"}, {"as_of", "2030-01-01"}}})
            .code() == "BAD_BALANCE");
  const auto faults =
      broker.tell({{{"account", "nobody"}, {"site", "alpha"}, {"unit", "core-hours"}, {"left", "1"}},
                   {{"account", "proj1"}, {"project", "ai-lab"}, {"site", "alpha"}, {"unit", "core-hours"}, {"left", "x"}}});
  CHECK(faults.status == 400);
  CHECK_FALSE(faults.fault("/balances/1/project").empty());
  CHECK_FALSE(faults.fault("/balances/1/left").empty());
  CHECK_THAT(broker.tell({{{"account", "nobody"}, {"site", "alpha"}, {"unit", "core-hours"}, {"left", "1"}}})
                 .fault("/balances/0/account"),
             Catch::Contains("is no project's account"));
  Json many = Json::array();
  for (int i = 0; i < 1'001; ++i) many.push_back({{"project", "ai-lab"}});
  CHECK_THAT(broker.tell(many).fault("/balances"), Catch::Contains("more than 1000"));
  CHECK_FALSE(broker.call("operator", "POST", "/v1/allocations/balances", Json::object()).fault("/balances").empty());
}

}  // namespace hansa::api::test
