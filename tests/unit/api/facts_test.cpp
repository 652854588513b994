// SPDX-License-Identifier: Apache-2.0
// The registers of places, projects and people over the API: who reads and changes what, and what a second person must say.
#include "broker/core/time_text.hpp"
#include "policies/rules/told.hpp"
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {
namespace {

Json stated(const std::string& subject, const std::string& attribute, Json value) {
  return {{"subject", subject}, {"attribute", attribute}, {"value", std::move(value)}, {"reason", "why"}};
}

class FactsBroker : public ApiUnderTest {
 public:
  FactsBroker() {
    engine::Regulations configured;
    configured.sites[SiteId("alpha")] = {
        {rules::Attribute::site_status, std::string("member"), simulation::VirtualScheduler::kStart}};
    configured.projects = {{ProjectId("ai-lab"), {}}, {ProjectId("climate"), {}}};
    regulate(std::move(configured));
  }
  Told state(const std::string& person, const Json& what) { return call(person, "POST", "/v1/facts", what); }
  /// The id of the change that waits.
  std::string waiting(const Json& what, const std::string& person = "operator") {
    const auto told = state(person, what);
    CAPTURE(told.body.dump());
    REQUIRE(told.status == 200);
    REQUIRE(told.body["changes"].size() == 1);
    REQUIRE(told.body["changes"][0]["state"] == "pending");
    return told.body["changes"][0]["id"];
  }
  Told word(const std::string& person, const std::string& id, const std::string& what) {
    return call(person, "POST", "/v1/changes/" + id + "/" + what, what == "reject" ? Json{{"reason", "no"}} : Json());
  }
  Json fact(const std::string& subject, const std::string& attribute, const std::string& person = "operator") {
    for (const auto& fact : call(person, "GET", "/v1/facts?subject=" + subject).body["facts"]) {
      if (fact["attribute"] == attribute) return fact;
    }
    return {};
  }
};

}  // namespace

TEST_CASE("what is said of a subject is told with its source, and what is not said as missing") {
  FactsBroker broker;
  const auto told = broker.call("operator", "GET", "/v1/facts?subject=site:alpha");
  REQUIRE(told.status == 200);
  CHECK(told.body["subject"] == "site:alpha");
  CHECK(told.body["facts"].size() == rules::told_attributes("site.").size());
  CHECK(broker.fact("site:alpha", "site.status") == Json{{"attribute", "site.status"},
                                                         {"value", "member"},
                                                         {"state", "known"},
                                                         {"source", "site descriptor"},
                                                         {"change", nullptr},
                                                         {"as_of", "2026-01-01T00:00:00Z"},
                                                         {"until", nullptr},
                                                         {"evidence", ""}});
  CHECK(broker.fact("site:alpha", "site.country")["state"] == "missing");
  CHECK(broker.call("operator", "GET", "/v1/facts").fault("?subject").starts_with("is required"));
  CHECK(broker.call("operator", "GET", "/v1/facts?subject=alpha").status == 400);
  CHECK(broker.call("operator", "GET", "/v1/facts?subject=site:nowhere").code() == "SUBJECT_NOT_FOUND");
  CHECK(broker.call("operator", "GET", "/v1/facts?subject=project:none").code() == "SUBJECT_NOT_FOUND");
  CHECK(broker.call("operator", "GET", "/v1/facts?subject=broker").status == 200);
}

TEST_CASE("a fact is stated by one operator, approved by another, and withdrawn at once") {
  FactsBroker broker;
  auto what = stated("site:alpha", "site.labels", {"iso-27001", "c5"});
  what["evidence"] = "certificate 4711";
  what["until"] = "2027-06-30";
  const auto id = broker.waiting(what);
  CHECK(broker.fact("site:alpha", "site.labels")["state"] == "missing");
  CHECK(broker.word("operator", id, "approve").code() == "OWN_CHANGE");
  CHECK(broker.word("alice", id, "approve").code() == "ROLE_LACKS_RIGHT");
  CHECK(broker.word("auditor", id, "approve").code() == "ROLE_LACKS_RIGHT");
  const auto approved = broker.word("operator-2", id, "approve");
  REQUIRE(approved.status == 200);
  CHECK(approved.body["subject"] == "site:alpha");
  CHECK(approved.body["changes"][0]["ruling"]["by"] == "local:operator-2");
  CHECK(broker.word("operator-2", id, "approve").code() == "NOT_PENDING");
  const auto fact = broker.fact("site:alpha", "site.labels");
  CHECK(fact["value"] == "c5, iso-27001");
  CHECK(fact["state"] == "known");
  CHECK(fact["source"] == "register");
  CHECK(fact["change"] == id);
  CHECK(fact["until"] == "2027-06-30T00:00:00Z");
  CHECK(fact["evidence"] == "certificate 4711");
  bool shown = false;  // where the site is shown, too
  for (const auto& told : broker.call("alice", "GET", "/v1/sites/alpha").body["facts"]) shown = shown || told == fact;
  CHECK(shown);

  const auto less = broker.state("operator", stated("site:alpha", "site.labels", {"c5"}));
  CHECK(less.body["changes"][0]["state"] == "applied");
  CHECK(less.body["changes"][0]["details"]["made_from"] == id);
  CHECK(less.body["changes"][0]["details"]["before"]["value"] == Json{"c5", "iso-27001"});
  CHECK(broker.fact("site:alpha", "site.labels")["value"] == "c5");

  const auto gone = broker.state("operator", stated("site:alpha", "site.labels", nullptr));
  CHECK(gone.body["changes"][0]["change"] == "fact_withdrawn");
  CHECK(gone.body["changes"][0]["state"] == "applied");
  CHECK(broker.fact("site:alpha", "site.labels")["state"] == "withdrawn");
  CHECK(broker.fact("site:alpha", "site.labels")["value"].is_null());
  CHECK(broker.state("operator", stated("site:alpha", "site.labels", nullptr)).body["changes"].empty());
}

TEST_CASE("an end makes a fact no evidence, and is told so") {
  FactsBroker broker;
  auto what = stated("person:alice", "user.assurance", "high");
  what["until"] = format_utc(broker.time.now_utc() + std::chrono::hours{1});
  REQUIRE(broker.word("operator-2", broker.waiting(what), "approve").status == 200);
  CHECK(broker.fact("person:alice", "user.assurance")["state"] == "known");
  broker.time.advance(std::chrono::hours{2});
  CHECK(broker.fact("person:alice", "user.assurance")["state"] == "ended");
}

TEST_CASE("operators change facts; auditors read all of them, people what is theirs") {
  FactsBroker broker;
  for (const auto* person : {"alice", "auditor"})
    CHECK(broker.state(person, stated("site:alpha", "site.status", "member")).code() == "ROLE_LACKS_RIGHT");
  const auto status = [&](const std::string& person, const std::string& subject) {
    return broker.call(person, "GET", "/v1/facts?subject=" + subject).status;
  };
  for (const auto* subject : {"broker", "site:alpha", "project:ai-lab", "project:climate", "person:alice", "person:bob"}) {
    CAPTURE(subject);
    CHECK(status("auditor", subject) == 200);
    CHECK(status("operator", subject) == 200);
  }
  for (const auto* subject : {"broker", "site:alpha", "project:ai-lab", "person:alice"}) CHECK(status("alice", subject) == 200);
  for (const auto* subject : {"project:climate", "person:bob", "person:nobody", "project:none"})
    CHECK(status("alice", subject) == 404);

  const auto id = broker.waiting(stated("site:alpha", "site.status", "suspended"));
  CHECK(broker.call("auditor", "GET", "/v1/changes").body["changes"].size() == 1);
  CHECK(broker.call("alice", "GET", "/v1/changes").body["changes"].empty());
  CHECK(broker.call("alice", "GET", "/v1/changes?subject=site:alpha").code() == "ROLE_LACKS_RIGHT");
  CHECK(broker.word("alice", id, "reject").code() == "CHANGE_NOT_FOUND");
  CHECK(broker.word("operator", id, "reject").status == 200);  // their own: taken back
}

TEST_CASE("what cannot be said is refused with its place and what can") {
  FactsBroker broker;
  const auto fault = [&](const Json& what, const std::string& place) { return broker.state("operator", what).fault(place); };
  CHECK_THAT(fault(stated("site:alpha", "site.contry", "FI"), "/attribute"), Catch::Contains("did you mean \"site.country\"?"));
  CHECK_THAT(fault(stated("site:alpha", "user.country", "FI"), "/attribute"), Catch::Contains("site.country"));
  CHECK_THAT(fault(stated("site:alpha", "site.kind", "archive"), "/attribute"), Catch::Contains("site.status"));
  CHECK_THAT(fault(stated("person:alice", "project.labels", Json::array()), "/attribute"), Catch::Contains("user.country"));
  CHECK_THAT(fault(stated("site:alpha", "site.status", "membr"), "/value"), Catch::Contains("did you mean \"member\"?"));
  CHECK(fault(stated("dataset:d", "site.status", "member"), "/subject") != "");
  CHECK(broker.state("operator", stated("site:nowhere", "site.status", "member")).code() == "SUBJECT_NOT_FOUND");
  auto late = stated("site:alpha", "site.status", "member");
  late["until"] = "2020-01-01";
  CHECK(fault(late, "/until").starts_with("lies in the past"));
  CHECK(broker.state("operator", Json::array()).status == 400);
  CHECK(broker.state("operator", "no json").status == 400);
  CHECK(broker.call("operator", "GET", "/v1/changes").body["changes"].empty());
}

TEST_CASE("changes of both registers are one list, by page, and each alone") {
  FactsBroker broker;
  const Json dataset{{"id", "d1"},      {"project", "ai-lab"}, {"labels", {"open"}},
                     {"size_bytes", 1}, {"files", 1},          {"sha256", std::string(64, 'a')}};
  const auto first = broker.waiting(stated("site:alpha", "site.status", "suspended"));
  REQUIRE(broker.call("alice", "POST", "/v1/datasets", dataset).status == 201);
  const auto third = broker.waiting(stated("project:ai-lab", "project.purpose", "education"));
  const auto listed = [&](const std::string& query) {
    std::string text;
    for (const auto& change : broker.call("operator", "GET", "/v1/changes" + query).body["changes"])
      text += (text.empty() ? "" : " ") + change.value("subject", change.value("dataset", ""));
    return text;
  };
  CHECK(listed("") == "project:ai-lab d1 site:alpha");
  CHECK(listed("?register=facts") == "project:ai-lab site:alpha");
  CHECK(listed("?register=datasets") == "d1");
  CHECK(listed("?dataset=d1") == "d1");
  CHECK(listed("?subject=site:alpha") == "site:alpha");
  CHECK(listed("?state=pending") == "project:ai-lab site:alpha");
  const auto page = broker.call("operator", "GET", "/v1/changes?limit=2").body;
  CHECK(page["changes"].size() == 2);
  CHECK(listed("?limit=2&cursor=" + page["next_cursor"].get<std::string>()) == "site:alpha");
  const auto fault = [&](const std::string& query, const std::string& place) {
    return broker.call("operator", "GET", "/v1/changes" + query).fault(place);
  };
  CHECK_THAT(fault("?register=fact", "?register"), Catch::Contains("did you mean \"facts\"?"));
  CHECK(fault("?register=facts&dataset=d1", "?register") != "");
  CHECK(fault("?subject=site:alpha&dataset=d1", "?subject") != "");
  CHECK(fault("?subject=alpha", "?subject") != "");
  // Repeating what waits names it.
  const auto twice = broker.state("operator-2", stated("site:alpha", "site.status", "leaving"));
  CHECK(twice.code() == "ALREADY_PENDING");
  CHECK_THAT(twice.body["detail"].get<std::string>(), Catch::Contains(first));
  CHECK(broker.word("operator-2", third, "approve").status == 200);
}

}  // namespace hansa::api::test
