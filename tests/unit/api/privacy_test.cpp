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
  const auto told = api.call("auditor", "GET", "/v1/reports/access" + query);
  REQUIRE(told.status == 200);
  for (const auto& one : told.body["rows"]) {
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

TEST_CASE("whoever reads another's job is on record and one's own is nobody's business", "[T27]") {
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
  const auto twice = api.call("auditor", "GET", "/v1/reports/access?person=alice").body["rows"];
  CHECK(std::ranges::count_if(twice, [](const Json& one) { return one["operation"] == "getJob" && one["times"] == 2; }) == 1);
  CHECK(api.call("alice", "GET", "/v1/reports/access").code() == "ROLE_LACKS_RIGHT");
  CHECK(api.call("auditor", "GET", "/v1/reports/access?limit=0").status == 400);
  CHECK(accesses(api, "?limit=1").size() == 1);
  CHECK(api.call("auditor", "GET", "/v1/reports/usage?limit=1").status == 400);
}

TEST_CASE("whoever has everybody's names told is on record", "[T27]") {
  ApiUnderTest api;
  for (const auto* silent : {"/v1/ledger/usage?from=2026-01-01&to=2026-02-01", "/v1/ledger/usage?persons=hidden"})
    api.call("auditor", "GET", silent);
  CHECK(accesses(api).empty());
  const std::pair<const char*, const char*> kTold[] = {{"/v1/ledger/usage?persons=named", "listUsageInForce"},
                                                       {"/v1/ledger/usage?persons=pseudonyms", "listUsageInForce"},
                                                       {"/v1/ledger/adjustments", "listAdjustments"},
                                                       {"/v1/privacy/erasures", "listErasures"}};
  for (const auto& [target, operation] : kTold) {
    CAPTURE(target);
    api.time.advance(std::chrono::minutes{1});
    api.call("auditor", "GET", target);
    api.time.advance(Milliseconds{1'500});
    const auto all = accesses(api);
    REQUIRE_FALSE(all.empty());
    CHECK(all.front() == std::string(operation) + " local:auditor -");
  }
}

TEST_CASE("a person has all that is held of them and others who may say why") {
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
  for (const auto* who : {"auditor", "operator"})
    CHECK(api.call(who, "GET", "/v1/privacy/person?person=alice").fault("?reason") != "");
  const auto theirs = whole(api, api.call("operator", "GET", "/v1/privacy/person?person=alice&reason=request%204711"));
  CHECK(theirs.body["jobs"].size() == 1);
  const auto after = whole(api, api.call("alice", "GET", "/v1/privacy/person"));
  CHECK(accesses(api) == std::vector<std::string>{"exportPerson local:operator local:alice"});
  const auto later = whole(api, api.call("alice", "GET", "/v1/privacy/person"));
  REQUIRE(later.body["accesses"].size() == 1);
  CHECK(later.body["accesses"][0]["reader"] == "operator");
  CHECK(later.body["accesses"][0]["reason"] == "request 4711");
}

TEST_CASE("an erasure takes two operators and nobody is in its way", "[T27]") {
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

TEST_CASE("an erasure waits for a job that came after it was approved") {
  ApiUnderTest api;
  const auto asked = api.call("operator", "POST", "/v1/privacy/erasures", {{"person", "alice"}, {"reason", "request"}});
  REQUIRE(asked.status == 201);
  const auto erasure = api.ask(api.database().rule_erasure(*Ulid::parse(asked.body["id"].get<std::string>()),
                                                           Principal("local:operator-2"), api.time.now_utc(), true));
  REQUIRE(erasure);
  const auto id = api.submit("alice");
  const auto under_way = api.ask(api.protection().erase_approved());
  REQUIRE_FALSE(under_way);
  CHECK(under_way.error().code == "PERSON_ACTIVE");
  CHECK(api.ask(api.database().erasure(erasure->id))->state == ports::Erasure::State::approved);
  REQUIRE(api.call("operator", "POST", "/v1/jobs/" + id + "/cancel").status == 200);
  api.time.advance(std::chrono::days{4});
  REQUIRE(api.ask(api.protection().erase_approved()));
  CHECK(api.ask(api.database().erasure(erasure->id))->state == ports::Erasure::State::done);
  CHECK(api.call("operator", "GET", "/v1/jobs/" + id).body["owner"] == "erased:nobody");
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
  const auto log = api.call("operator", "GET", "/v1/reports/retention").body["rows"];
  REQUIRE(log.size() == 1);
  CHECK(log[0]["kind"] == "expired");
  CHECK(log[0]["holding"] == "payloads");
  CHECK(log[0]["ended"] == 1);
}

TEST_CASE("what a crash has left of the file is gone over on the next day") {
  ApiUnderTest api;
  api.submit("alice", {{"script", kQuick}});
  api.time.advance(std::chrono::hours{2});
  const auto now = api.time.now_utc();
  REQUIRE(api.ask(api.database().expire(domain::Holding::payloads, now, 0, now))->rows == 1);
  CHECK(*api.ask(api.database().wipe_owed()) > 0);
  CHECK(*api.ask(api.protection().expire_all()) == 0);
  CHECK(*api.ask(api.database().wipe_owed()) == 0);
}

TEST_CASE("erased names do not come back from memory") {
  ApiUnderTest api;
  REQUIRE(api.call("operator-2", "POST", "/v1/sites/alpha/drain", {{"reason", "local:operator-2 looks at it"}}).status == 200);
  REQUIRE(api.call("operator-2", "POST", "/v1/revocations",
                   {{"what", "person"}, {"value", "local:mallory"}, {"reason", "local:operator-2 saw it"}})
              .status == 201);
  const ports::Erasure erasure{.id = *Ulid::parse("01ARYZ6S41TSV4RRFFQ69G5FAV"),
                               .of = Principal("local:operator-2"),
                               .reason = "request",
                               .by = Principal("local:operator"),
                               .at = api.time.now_utc()};
  REQUIRE(api.ask(api.database().ask_erasure(erasure)));
  REQUIRE(api.ask(api.database().rule_erasure(erasure.id, Principal("local:third"), api.time.now_utc(), true)));
  REQUIRE(api.ask(api.protection().erase_approved()));
  CHECK_FALSE(api.call("operator", "GET", "/v1/sites/alpha").text.contains("operator-2"));
  REQUIRE(api.call("operator", "POST", "/v1/sites/alpha/doctor").status == 200);  // the site's state is written whole
  const auto states = api.ask(api.database().site_states());
  REQUIRE(states->size() == 1);
  CHECK(states->front().drain_reason == "erased:nobody looks at it");
  const auto shut_out = api.call("operator", "GET", "/v1/revocations").body["revocations"];
  REQUIRE(shut_out.size() == 1);
  CHECK(shut_out[0]["by"] == "erased:nobody");
  CHECK(shut_out[0]["value"] == "local:mallory");
  CHECK_FALSE(shut_out.dump().contains("operator-2"));
}
