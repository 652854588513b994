// SPDX-License-Identifier: Apache-2.0
// Who may have what of people's data, what is on record of it, and that an erasure takes two and what stands in its way away
// first.
#include "api_under_test.hpp"

using namespace hansa;
using namespace hansa::api::test;

namespace {

constexpr const char* kQuick = "#!/bin/sh\n#model run=10s\n";

/// The operation, reader and person of each access, newest first.
std::vector<std::string> accesses(ApiUnderTest& api, const std::string& query = "") {
  std::vector<std::string> all;
  const auto told = api.call("auditor", "GET", "/v1/privacy/accesses" + query);
  REQUIRE(told.status == 200);
  for (const auto& one : told.body["accesses"]) {
    all.push_back(one["operation"].get<std::string>() + " " + one["reader"].get<std::string>() + " " +
                  (one["person"].is_null() ? "-" : one["person"].get<std::string>()));
  }
  return all;
}

Told whole(ApiUnderTest& api, Told told) {
  while (told.next) {
    auto piece = api.ask(told.next());
    REQUIRE(piece);
    if (!*piece) break;
    told.text += **piece;
  }
  told.body = Json::parse(told.text, nullptr, false);
  return told;
}

}  // namespace

TEST_CASE("whoever reads another's job is on record and one's own is nobody's business") {
  ApiUnderTest api;
  const auto id = api.submit("alice");
  REQUIRE(api.call("alice", "GET", "/v1/jobs/" + id).status == 200);
  REQUIRE(api.call("bob", "GET", "/v1/jobs/" + id).status == 404);
  CHECK(accesses(api).empty());
  REQUIRE(api.call("operator", "GET", "/v1/jobs/" + id).status == 200);
  REQUIRE(api.call("operator", "GET", "/v1/jobs/" + id).status == 200);
  REQUIRE(api.call("auditor", "GET", "/v1/jobs").status == 200);
  REQUIRE(api.call("alice", "GET", "/v1/jobs").status == 200);
  REQUIRE(api.call("operator", "GET", "/v1/facts?subject=person:alice").status == 200);
  REQUIRE(api.call("auditor", "GET", "/v1/reports/usage?by=project").status == 200);
  REQUIRE(api.call("auditor", "GET", "/v1/reports/usage?by=person").status == 200);
  auto all = accesses(api);
  std::ranges::sort(all);
  CHECK(all == std::vector<std::string>{"getFacts local:operator local:alice", "getJob local:operator local:alice",
                                        "getReport local:auditor -", "listJobs local:auditor -"});
  CHECK(accesses(api, "?person=alice").size() == 2);
  CHECK(accesses(api, "?person=bob").empty());
  const auto twice = api.call("auditor", "GET", "/v1/privacy/accesses?person=alice").body["accesses"];
  CHECK(std::ranges::count_if(twice, [](const Json& one) { return one["operation"] == "getJob" && one["times"] == 2; }) == 1);
  CHECK(api.call("alice", "GET", "/v1/privacy/accesses").code() == "ROLE_LACKS_RIGHT");
  CHECK(api.call("auditor", "GET", "/v1/privacy/accesses?limit=0").status == 400);
}

TEST_CASE("a person has all that is held of them and an operator says why") {
  ApiUnderTest api;
  const auto id = api.submit("alice", {{"script", kHold}, {"environment", {{"K", "v"}}}});
  const auto own = whole(api, api.call("alice", "GET", "/v1/privacy/person"));
  REQUIRE(own.status == 200);
  CHECK(own.body["person"] == "local:alice");
  REQUIRE(own.body["jobs"].size() == 1);
  CHECK(own.body["jobs"][0]["id"] == id);
  CHECK(own.body["jobs"][0]["environment"] == Json({"K", "v"}));
  CHECK(own.body["tokens"].size() == 1);
  CHECK(own.body["accesses"].empty());
  CHECK(api.call("bob", "GET", "/v1/privacy/person?person=alice").status == 404);
  CHECK(api.call("auditor", "GET", "/v1/privacy/person?person=alice").status == 404);
  CHECK(api.call("operator", "GET", "/v1/privacy/person?person=alice").fault("?reason") != "");
  const auto theirs = whole(api, api.call("operator", "GET", "/v1/privacy/person?person=alice&reason=request%204711"));
  CHECK(theirs.body["jobs"].size() == 1);
  const auto after = whole(api, api.call("alice", "GET", "/v1/privacy/person"));
  CHECK(accesses(api) == std::vector<std::string>{"exportPerson local:operator local:alice"});
  const auto later = whole(api, api.call("alice", "GET", "/v1/privacy/person"));
  REQUIRE(later.body["accesses"].size() == 1);
  CHECK(later.body["accesses"][0]["reader"] == "operator");
  CHECK(later.body["accesses"][0]["reason"] == "request 4711");
}

TEST_CASE("an erasure takes two operators and nobody is in its way") {
  ApiUnderTest api;
  const auto id = api.submit("alice");
  const Json wanted{{"person", "alice"}, {"reason", "as local:alice asked"}};
  CHECK(api.call("alice", "POST", "/v1/privacy/erasures", wanted).code() == "ROLE_LACKS_RIGHT");
  CHECK(api.call("operator", "POST", "/v1/privacy/erasures", {{"person", "alice"}}).fault("/reason") != "");
  const auto active = api.call("operator", "POST", "/v1/privacy/erasures", wanted);
  CHECK(active.code() == "PERSON_ACTIVE");
  CHECK(active.text.contains(id));
  REQUIRE(api.call("alice", "POST", "/v1/jobs/" + id + "/cancel").status == 200);
  api.time.advance(std::chrono::days{4});
  const auto asked = api.call("operator", "POST", "/v1/privacy/erasures", wanted);
  REQUIRE(asked.status == 201);
  const auto path = "/v1/privacy/erasures/" + asked.body["id"].get<std::string>();
  CHECK(api.call("operator", "POST", "/v1/privacy/erasures", wanted).code() == "ERASURE_UNDER_WAY");
  CHECK(api.call("operator", "POST", path + "/approve").code() == "SECOND_PERSON");
  CHECK(api.call("auditor", "POST", path + "/approve").code() == "ROLE_LACKS_RIGHT");
  REQUIRE(api.call("operator-2", "POST", path + "/approve").status == 200);
  api.time.advance(std::chrono::minutes{5});
  CHECK(api.call("operator", "POST", path + "/reject").code() == "NOT_PENDING");
  const auto list = api.call("auditor", "GET", "/v1/privacy/erasures");
  REQUIRE(list.body["erasures"].size() == 1);
  CHECK(list.body["erasures"][0]["state"] == "done");
  CHECK(list.body["erasures"][0]["person"].is_null());
  CHECK_FALSE(list.text.contains("alice"));
  CHECK(api.call("alice", "GET", "/v1/jobs").code() == "BAD_TOKEN");
  const auto job = api.call("operator", "GET", "/v1/jobs/" + id);
  CHECK(job.body["owner"] == "erased:nobody");
  CHECK_FALSE(api.call("operator", "GET", "/v1/tokens").text.contains("alice"));
  CHECK_FALSE(api.call("operator", "GET", "/v1/jobs/" + id + "/events").text.contains("alice"));
}

TEST_CASE("the record of processing names what nobody has said") {
  ApiUnderTest api;
  const auto told = api.call("auditor", "GET", "/v1/privacy/record");
  REQUIRE(told.status == 200);
  CHECK(told.body["responsible"]["controller"] == "Centre");
  CHECK(told.body["responsible"]["contact"].is_null());
  CHECK(told.body["sites"][0]["third_country"] == true);
  CHECK(told.body["missing"] ==
        Json({"privacy.contact", "privacy.legal_basis", "site alpha: controller", "site alpha: contact"}));
  CHECK(told.body["holdings"].size() == domain::retention_table().size());
  CHECK(told.body["activities"].size() == 4);
  CHECK(told.body["activities"][1]["holdings"] == Json::array({"usage_persons"}));
  CHECK(api.call("bob", "GET", "/v1/privacy/record").code() == "ROLE_LACKS_RIGHT");
}

TEST_CASE("what is old enough ends by itself and its end is told") {
  ApiUnderTest api;
  const auto id = api.submit("alice", {{"script", kQuick}});
  api.time.advance(std::chrono::days{2});
  REQUIRE(api.call("alice", "GET", "/v1/jobs/" + id).body["state"] == "succeeded");
  auto held = [&] {
    const auto told = api.call("operator", "GET", "/v1/privacy/retention");
    REQUIRE(told.status == 200);
    return told.body["holdings"][0];
  };
  CHECK(held()["holding"] == "payloads");
  CHECK(held()["held"] == 1);
  CHECK(held()["days"] == 30);
  CHECK_FALSE(held()["next_end"].is_null());
  api.time.advance(std::chrono::days{31});
  CHECK(held()["held"] == 0);
  const auto log = api.call("operator", "GET", "/v1/privacy/expired").body["expired"];
  REQUIRE(log.size() == 1);
  CHECK(log[0]["holding"] == "payloads");
  CHECK(log[0]["rows"] == 1);
}
