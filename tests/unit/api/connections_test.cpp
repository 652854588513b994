// SPDX-License-Identifier: Apache-2.0
// People's own agents: a token for one's own, who is connected, and an end to it.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

TEST_CASE("a person makes a token for an agent of their own and is told where it goes") {
  ApiUnderTest broker;
  const auto made = broker.call("alice", "POST", "/v1/sites/alpha/connections", {{"for_s", 3600}});
  REQUIRE(made.status == 201);
  CHECK(made.header("Cache-Control") == "no-store");
  CHECK(made.body["token"].get<std::string>().starts_with("hansa_berth_"));
  CHECK(made.body["person"] == "local:alice");
  CHECK(made.body["broker"] == "wss://b1.example:7718");
  CHECK(made.body["pin"] == "sha256:00");
  CHECK(made.body["login"] == "login.alpha.example");
  CHECK(made.body["agent"].is_null());
  CHECK(made.body["terms"] == "allowed");
  const auto site = broker.call("alice", "GET", "/v1/sites/alpha");
  CHECK(site.body["people"]["connected"] == 0);
  CHECK(site.body["people"]["you"]["connected"] == false);
  CHECK_FALSE(site.text.contains(made.body["token"].get<std::string>().substr(12)));
}

TEST_CASE("who may not have an agent there is told why") {
  ApiUnderTest broker;
  CHECK(broker.call("carol", "POST", "/v1/sites/alpha/connections").code() == "NO_ACCOUNT");
  CHECK(broker.call("auditor", "POST", "/v1/sites/alpha/connections").status == 403);
  CHECK(broker.call("", "POST", "/v1/sites/alpha/connections").status == 401);
  CHECK(broker.call("alice", "POST", "/v1/sites/beta/connections").code() == "NO_PERSON_AGENTS");
  CHECK(broker.call("alice", "GET", "/v1/sites/beta/connections").code() == "NO_PERSON_AGENTS");
  CHECK(broker.call("alice", "POST", "/v1/sites/alpha/connections", {{"for_s", 43'201}}).code() == "SESSION_TOO_LONG");
  for (const auto& wrong : {Json("12h"), Json(0), Json(-5), Json(1.5), Json(std::uint64_t{1} << 63)}) {
    const auto told = broker.call("alice", "POST", "/v1/sites/alpha/connections", {{"for_s", wrong}});
    CHECK(told.status == 400);
    CHECK_FALSE(told.fault("/for_s").empty());
  }
  CHECK(broker.call("alice", "POST", "/v1/sites/alpha/connections", {{"person", "local:bob"}}).status == 400);
}

TEST_CASE("a person sees and ends their own sessions and an operator everybody's") {
  ApiUnderTest broker;
  const auto enter = [&](const std::string& who) {
    const auto made = broker.call(who, "POST", "/v1/sites/alpha/connections");
    REQUIRE(made.status == 201);
    REQUIRE(broker.enter(SiteId("alpha"), "key of " + who, made.body["token"]));
  };
  enter("alice");
  enter("bob");
  const auto seen = [&](const char* who) { return broker.call(who, "GET", "/v1/sites/alpha/connections").body["connections"]; };
  REQUIRE(seen("alice").size() == 1);
  CHECK(seen("alice")[0]["person"] == "local:alice");
  CHECK(seen("auditor").size() == 2);
  CHECK(seen("operator").size() == 2);
  CHECK(seen("carol").empty());
  CHECK(broker.call("alice", "POST", "/v1/sites/alpha/connections/end", {{"person", "bob"}}).code() == "NOT_FOUND");
  CHECK(broker.call("auditor", "POST", "/v1/sites/alpha/connections/end", {{"person", "bob"}}).status == 403);
  CHECK(broker.cut_off.empty());
  CHECK(broker.call("alice", "POST", "/v1/sites/alpha/connections/end").body["ended"] == 1);
  CHECK(broker.call("operator", "POST", "/v1/sites/alpha/connections/end", {{"person", "bob"}, {"reason", "x"}}).status == 200);
  CHECK(broker.cut_off == std::vector<std::string>{"alpha local:alice", "alpha local:bob"});
  CHECK(seen("operator").empty());
  CHECK(broker.call("alice", "POST", "/v1/sites/alpha/connections/end").body["ended"] == 0);
  CHECK(broker.call("alice", "POST", "/v1/sites/alpha/connections/end", {{"reason", std::string(501, 'x')}}).status == 400);
}

}  // namespace hansa::api::test
