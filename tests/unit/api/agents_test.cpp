// SPDX-License-Identifier: Apache-2.0
// Sites' agents, as operators let them in and take them back, and as auditors read what became of them.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

TEST_CASE("an operator makes an enrolment token, which is shown once") {
  ApiUnderTest broker;
  const auto made = broker.call("operator", "POST", "/v1/sites/alpha/agent/enrolment");
  REQUIRE(made.status == 201);
  CHECK(made.header("Cache-Control") == "no-store");
  CHECK(made.body["token"].get<std::string>().starts_with("hansa_enrol_"));
  CHECK(made.body["broker"] == "wss://b1.example:7718");
  CHECK(made.body["pin"] == "sha256:00");
  const auto agent = broker.call("auditor", "GET", "/v1/sites/alpha/agent");
  REQUIRE(agent.status == 200);
  CHECK(agent.body["key"].is_null());
  CHECK(agent.body["connection"].is_null());
  REQUIRE(agent.body["events"].size() == 1);
  CHECK(agent.body["events"][0]["what"] == "invited");
  CHECK(agent.body["events"][0]["by"] == "local:operator");
  CHECK_FALSE(agent.text.contains(made.body["token"].get<std::string>().substr(12)));
  CHECK(broker.call("operator", "GET", "/v1/sites/alpha").body["agent"]["invited_until"] == made.body["expires_at"]);
}

TEST_CASE("only operators let agents in and take them back; users see nothing of them") {
  ApiUnderTest broker;
  for (const auto* who : {"alice", "auditor"}) {
    CHECK(broker.call(who, "POST", "/v1/sites/alpha/agent/enrolment").status == 403);
    CHECK(broker.call(who, "POST", "/v1/sites/alpha/agent/revoke").status == 403);
  }
  CHECK(broker.call("alice", "GET", "/v1/sites/alpha/agent").status == 403);
  CHECK(broker.call("alice", "GET", "/v1/sites/alpha").body["agent"].is_null());
  CHECK(broker.call("", "GET", "/v1/sites/alpha/agent").status == 401);
  for (const auto* path : {"/v1/sites/beta/agent", "/v1/sites/nowhere/agent"})
    CHECK(broker.call("operator", "GET", path).code() == "NO_AGENT_SITE");
  CHECK(broker.call("operator", "POST", "/v1/sites/beta/agent/enrolment").code() == "NO_AGENT_SITE");
}

TEST_CASE("a token's end lies ahead, by a month at most") {
  ApiUnderTest broker;
  for (const auto* time : {"1999-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "soon"}) {
    const auto told = broker.call("operator", "POST", "/v1/sites/alpha/agent/enrolment", {{"expires_at", time}});
    CHECK(told.status == 400);
    CHECK_FALSE(told.fault("/expires_at").empty());
  }
}

TEST_CASE("a revocation is told at once, and stands in the log with its reason") {
  ApiUnderTest broker;
  const auto told = broker.call("operator", "POST", "/v1/sites/alpha/agent/revoke", {{"reason", "stolen"}});
  REQUIRE(told.status == 200);
  CHECK(broker.revoked == std::vector{SiteId("alpha")});
  CHECK(told.body["events"][0]["what"] == "revoked");
  CHECK(told.body["events"][0]["reason"] == "stolen");
  CHECK(broker.call("operator", "POST", "/v1/sites/alpha/agent/revoke", {{"reason", std::string(501, 'x')}}).status == 400);
}

}  // namespace hansa::api::test
