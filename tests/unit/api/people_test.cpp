// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/api_under_test.hpp"

using namespace hansa;
using namespace hansa::api::test;

TEST_CASE("everybody may know which issuers there are, and who they are themselves") {
  ApiUnderTest broker;
  const auto issuers = broker.call("", "GET", "/v1/issuers");
  CHECK(issuers.status == 200);
  CHECK(issuers.body == Json{{"issuers", Json::array()}});
  CHECK(broker.call("", "GET", "/v1/me").code() == "NO_TOKEN");
  CHECK(broker.call("alice", "GET", "/v1/me").body == Json{{"principal", "local:alice"},
                                                           {"role", "user"},
                                                           {"sites", Json::array()},
                                                           {"projects", {"ai-lab"}},
                                                           {"leads", Json::array()}});
  broker.add_token("lena", "lena", ports::Role::operator_, {SiteId("alpha")});
  CHECK(broker.call("lena", "GET", "/v1/me").body == Json{{"principal", "local:lena"},
                                                          {"role", "operator"},
                                                          {"sites", {"alpha"}},
                                                          {"projects", {"ai-lab"}},
                                                          {"leads", {"ai-lab"}}});
  CHECK(broker.call("carol", "GET", "/v1/me").body["projects"] == Json::array());
  CHECK(broker.call("auditor", "GET", "/v1/me").body["role"] == "auditor");
}

TEST_CASE("whom an operator shuts out has no token that counts, until they are let in again") {
  ApiUnderTest broker;
  for (const auto* who : {"alice", "auditor"}) {
    CHECK(broker.call(who, "GET", "/v1/revocations").status == (who == std::string("auditor") ? 200 : 403));
    CHECK(broker.call(who, "POST", "/v1/revocations", {{"what", "person"}, {"value", "local:bob"}}).code() == "ROLE_LACKS_RIGHT");
    CHECK(broker.call(who, "DELETE", "/v1/revocations/1").code() == "ROLE_LACKS_RIGHT");
  }
  const auto revoked =
      broker.call("operator", "POST", "/v1/revocations", {{"what", "person"}, {"value", "local:bob"}, {"reason", "left"}});
  REQUIRE(revoked.status == 201);
  CHECK(revoked.body["by"] == "local:operator");
  CHECK(revoked.body["lifted_at"].is_null());
  CHECK(broker.cut_off == std::vector<std::string>{"alpha local:bob"});  // their own agent
  CHECK(broker.call("bob", "GET", "/v1/jobs").code() == "PERSON_REVOKED");
  CHECK(broker.call("bob", "GET", "/v1/jobs").status == 401);
  CHECK(broker.refuse_body("bob", "POST", "/v1/jobs") == 401);
  CHECK(broker.call("alice", "GET", "/v1/jobs").status == 200);
  // Again the same is the same.
  CHECK(broker.call("operator-2", "POST", "/v1/revocations", {{"what", "person"}, {"value", "local:bob"}}).body["number"] ==
        revoked.body["number"]);
  CHECK(broker.call("operator", "GET", "/v1/revocations").body["revocations"].size() == 1);
  const auto number = std::to_string(revoked.body["number"].get<int>());
  const auto lifted = broker.call("operator-2", "DELETE", "/v1/revocations/" + number);
  CHECK(lifted.status == 200);
  CHECK(lifted.body["lifted_by"] == "local:operator-2");
  CHECK(broker.call("bob", "GET", "/v1/jobs").status == 200);
  for (const auto* none : {"1", "99", "x", "-1", "99999999999999999999"})
    CHECK(broker.call("operator", "DELETE", std::string("/v1/revocations/") + none).code() == "NOT_REVOKED");
}

TEST_CASE("what is to be shut out is named as what it is") {
  ApiUnderTest broker;
  const auto fault = [&](const Json& body, const char* place) {
    return broker.call("operator", "POST", "/v1/revocations", body).fault(place);
  };
  CHECK(fault({{"value", "x"}}, "/what").starts_with("is required"));
  CHECK(fault({{"what", "person"}}, "/value").starts_with("is required"));
  CHECK(fault({{"what", "persons"}, {"value", "local:bob"}}, "/what").contains("did you mean \"person\"?"));
  CHECK(fault({{"what", "person"}, {"value", "bob"}}, "/value").contains("a colon"));
  CHECK(fault({{"what", "person"}, {"value", "egi:bob"}}, "/value").contains("no issuer of this broker"));
  CHECK(fault({{"what", "token"}, {"value", "local:jti"}}, "/value").contains("no issuer of this broker"));
  CHECK(fault({{"what", "issuer"}, {"value", "egi:x"}}, "/value").contains("alone"));
  CHECK(fault({{"what", "person"}, {"value", "local:operator"}}, "/value").contains("yourself"));
}

TEST_CASE("an operator makes tokens of every role, and of operators for some sites alone") {
  ApiUnderTest broker;
  const auto make = [&](const Json& body) { return broker.call("operator", "POST", "/v1/tokens", body); };
  for (const auto* role : {"user", "operator", "policy-officer", "auditor"}) {
    const auto made = make({{"user", "sam"}, {"role", role}});
    CHECK(made.status == 201);
    CHECK(made.body["role"] == role);
    CHECK(made.body["sites"] == Json::array());
  }
  const auto made = make({{"user", "sam"}, {"role", "operator"}, {"sites", {"beta", "alpha", "beta"}}});
  REQUIRE(made.status == 201);
  CHECK(made.body["sites"] == Json{"beta", "alpha"});
  broker.add_secret("sam", made.body["token"]);
  CHECK(broker.call("sam", "POST", "/v1/sites/alpha/drain").status == 200);
  CHECK(broker.call("sam", "GET", "/v1/tokens").code() == "ROLE_LACKS_RIGHT");
  CHECK(make({{"user", "sam"}, {"role", "operator"}, {"sites", {"alhpa"}}}).fault("/sites").contains("did you mean \"alpha\"?"));
  CHECK(make({{"user", "sam"}, {"role", "auditor"}, {"sites", {"alpha"}}}).fault("/sites").contains("an operator's"));
  CHECK(make({{"user", "sam"}, {"sites", {"alpha"}}}).status == 400);
  for (const auto& wrong : {Json("alpha"), Json({1}), Json({""}), Json(7)})
    CHECK(make({{"user", "sam"}, {"role", "operator"}, {"sites", wrong}}).fault("/sites").contains("a list of strings"));
  CHECK(make({{"user", "sam"}, {"role", "agent"}}).fault("/role").contains("is no role"));
}
