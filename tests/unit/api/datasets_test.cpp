// SPDX-License-Identifier: Apache-2.0
// The registry of datasets over its API: who sees and changes what, what takes effect at once, and what a second person must say.
#include "broker/core/time_text.hpp"
#include "broker/domain/dataset.hpp"
#include "policies/rules/facts.hpp"
#include "policies/rules/vocabulary.hpp"
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {
namespace {

const std::string kHash(64, 'a');

Json request(const std::string& id, const Json& labels = {"personal"}) {
  return {{"id", id}, {"project", "ai-lab"}, {"labels", labels}, {"size_bytes", 4096}, {"files", 2}, {"sha256", kHash}};
}

class Registry : public ApiUnderTest {
 public:
  Registry() {
    const auto told = call("alice", "POST", "/v1/datasets", request("d1"));
    CAPTURE(told.body.dump());
    REQUIRE(told.status == 201);
  }
  Json dataset() { return call("operator", "GET", "/v1/datasets/d1").body; }
  std::string labels() { return dataset()["labels"].dump(); }
  /// The change that a request left waiting.
  std::string pending(const std::string& person, const std::string& method, const std::string& target, const Json& body) {
    const auto told = call(person, method, target, body);
    CAPTURE(told.body.dump());
    REQUIRE(told.status == 200);
    REQUIRE(told.body["changes"].size() == 1);
    REQUIRE(told.body["changes"][0]["state"] == "pending");
    return told.body["changes"][0]["id"];
  }
  Told approve(const std::string& person, const std::string& id) {
    return call(person, "POST", "/v1/changes/" + id + "/approve");
  }
  Told reject(const std::string& person, const std::string& id) {
    return call(person, "POST", "/v1/changes/" + id + "/reject", {{"reason", "no"}});
  }
  std::string state(const std::string& id) {
    for (const auto& change : call("operator", "GET", "/v1/changes").body["changes"]) {
      if (change["id"] == id) return change["state"];
    }
    return "";
  }
};

const Json kReplica{{"site", "alpha"}, {"root", "projects"}, {"path", "ai/d1"}};
Json evidence(const std::string& expires, const std::string& hash = kHash) { return {{"sha256", hash}, {"expires_at", expires}}; }

}  // namespace

TEST_CASE("a dataset is registered with its owner, and every field is told back") {
  Registry broker;
  auto wanted = request("d2", {"health", "personal"});
  wanted["reason"] = "cohort of 2026";
  const auto made = broker.call("alice", "POST", "/v1/datasets", wanted);
  REQUIRE(made.status == 201);
  CHECK(made.header("Location") == "/v1/datasets/d2");
  const auto& dataset = made.body["dataset"];
  for (const auto* field : {"id", "project", "labels", "size_bytes", "files", "sha256"}) CHECK(dataset[field] == wanted[field]);
  CHECK(dataset["owner"] == "local:alice");
  CHECK(dataset["version"] == 1);
  CHECK(dataset["replicas"].empty());
  CHECK(made.body["changes"][0]["reason"] == "cohort of 2026");
  CHECK(made.body["changes"][0]["state"] == "applied");
  CHECK(broker.call("alice", "GET", "/v1/datasets/d2").body == dataset);
  CHECK(broker.call("alice", "POST", "/v1/datasets", request("d2", {"personal"})).code() == "CONTENT_RESTRICTED");
  CHECK(broker.call("alice", "POST", "/v1/datasets", wanted).code() == "DATASET_EXISTS");

  // A member of one project need not name it; one of several must; nobody registers in a project of others.
  auto unnamed = request("d3", {"health", "personal"});
  unnamed.erase("project");
  CHECK(broker.call("alice", "POST", "/v1/datasets", unnamed).body["dataset"]["project"] == "ai-lab");
  CHECK(broker.call("bob", "POST", "/v1/datasets", unnamed).code() == "WHICH_PROJECT");
  CHECK(broker.call("carol", "POST", "/v1/datasets", request("d4")).code() == "NO_PROJECT");
  CHECK(broker.call("auditor", "POST", "/v1/datasets", request("d4")).code() == "ROLE_LACKS_RIGHT");
  // Only operators register what is somebody else's.
  auto of_bob = request("d5", {"health", "personal"});
  of_bob["owner"] = "bob";
  const auto refused = broker.call("alice", "POST", "/v1/datasets", of_bob);
  CHECK(refused.status == 403);
  CHECK_FALSE(refused.fault("/owner").empty());
  CHECK(broker.call("operator", "POST", "/v1/datasets", of_bob).body["dataset"]["owner"] == "local:bob");
}

TEST_CASE("every fault of a dataset is told with its pointer, and nothing is stored", "[T13]") {
  Registry broker;
  const auto told = broker.call("alice", "POST", "/v1/datasets",
                                {{"id", "a/b"},
                                 {"project", "a b"},
                                 {"owner", ":x"},
                                 {"labels", {"personl", "health", "health"}},
                                 {"size_bytes", -1},
                                 {"files", 0},
                                 {"sha256", "ABC"},
                                 {"reason", "a\nb"},
                                 {"no/te", 1}});
  CHECK(told.status == 400);
  CHECK(told.code() == "BAD_REQUEST");
  for (const auto* place : {"/id", "/project", "/owner", "/labels", "/size_bytes", "/files", "/sha256", "/reason", "/no~1te"}) {
    CAPTURE(place);
    CHECK_FALSE(told.fault(place).empty());
  }
  CHECK(told.fault("/labels").starts_with("\"personl\" is no label (did you mean \"personal\"?); one of: open, internal"));
  CHECK(told.body["errors"].size() == 10);
  CHECK(broker.call("operator", "GET", "/v1/datasets").body["datasets"].size() == 1);

  const auto amended = broker.call("alice", "PATCH", "/v1/datasets/d1", {{"labels", Json::array()}, {"lables", {"open"}}});
  CHECK(amended.fault("/labels").starts_with("is required"));
  CHECK(amended.fault("/lables") == "no such field (did you mean \"labels\"?)");
  CHECK(broker.call("alice", "PATCH", "/v1/datasets/d1").status == 400);
  CHECK(
      broker.call("alice", "PATCH", "/v1/datasets/d1", Json::object()).fault("").starts_with("must name labels, owner, permit"));

  const auto replica =
      broker.call("alice", "POST", "/v1/datasets/d1/replicas", {{"site", "alhpa"}, {"root", "A"}, {"path", "../x"}});
  CHECK(replica.fault("/site") == "there is no site \"alhpa\" (did you mean \"alpha\"?)");
  CHECK_FALSE(replica.fault("/root").empty());
  CHECK_FALSE(replica.fault("/path").empty());
  CHECK(broker.call("operator", "POST", "/v1/changes/01ARYZ6S41TSV4RRFFQ69G5FAV/reject")
            .fault("/reason")
            .starts_with("is required"));
  const struct {
    const char *target, *place, *told;
  } kQueries[] = {
      {"/v1/datasets?label=secret", "?label", "\"secret\" is no label"},
      {"/v1/datasets?cursor=a/b", "?cursor", "must be the \"next_cursor\""},
      {"/v1/datasets?limit=0", "?limit", "must be a whole number"},
      {"/v1/changes?state=done", "?state", "\"done\" is no state"},
      {"/v1/changes?cursor=x", "?cursor", "must be the \"next_cursor\""},
  };
  for (const auto& [target, place, told_so] : kQueries) {
    CAPTURE(target);
    CHECK(broker.call("alice", "GET", target).fault(place).starts_with(told_so));
  }
}

TEST_CASE("the registry's ids and labels are those that rules can speak of") {
  for (const auto* id : {"a", "ehds:fi:findata:0143", "A.b_c@d+e-f"}) {
    CHECK(domain::is_dataset_id(id));
    CHECK(rules::is_id(id));
  }
  CHECK(std::ranges::count(rules::data_labels(), domain::kOpenLabel) == 1);
  Registry broker;
  int n = 0;
  for (const auto label : rules::data_labels()) {
    auto body = request("of-label-" + std::to_string(++n), {std::string(label)});
    body["sha256"] = std::string(63, 'b') + std::to_string(n);
    CHECK(broker.call("alice", "POST", "/v1/datasets", body).status == 201);
    CHECK(broker.call("alice", "GET", "/v1/datasets?label=" + std::string(label)).body["datasets"].size() >= 1);
  }
}

TEST_CASE("who sees a dataset: its owner, its project, operators and auditors; to others it is not there", "[T11]") {
  Registry broker;
  for (const auto* who : {"alice", "bob", "operator", "auditor"}) {
    CAPTURE(who);
    CHECK(broker.call(who, "GET", "/v1/datasets/d1").status == 200);
    CHECK(broker.call(who, "GET", "/v1/datasets").body["datasets"].size() == 1);
    CHECK(broker.call(who, "GET", "/v1/changes?dataset=d1").body["changes"].size() == 1);
  }
  const auto hidden = broker.call("carol", "GET", "/v1/datasets/d1");
  auto none = broker.call("carol", "GET", "/v1/datasets/d9");
  auto text = none.body["detail"].get<std::string>();
  none.body["detail"] = text.replace(text.find("d9"), 2, "d1");
  CHECK(hidden.status == 404);
  CHECK(hidden.body == none.body);
  CHECK(broker.call("carol", "GET", "/v1/datasets").body["datasets"].empty());
  CHECK(broker.call("carol", "GET", "/v1/changes").body["changes"].empty());
  CHECK(broker.call("carol", "PATCH", "/v1/datasets/d1", {{"labels", {"open"}}}).body == hidden.body);

  // To see it is not to change it.
  for (const auto& [method, target] :
       {std::pair("PATCH", "/v1/datasets/d1"), std::pair("POST", "/v1/datasets/d1/replicas"),
        std::pair("DELETE", "/v1/datasets/d1/replicas/alpha"), std::pair("POST", "/v1/datasets/d1/replicas/alpha/verify")}) {
    CAPTURE(method, target);
    CHECK(broker.call("bob", method, target).code() == "NOT_THE_OWNER");
    CHECK(broker.call("auditor", method, target).code() == "ROLE_LACKS_RIGHT");
  }
  CHECK(broker.dataset()["version"] == 1);
}

TEST_CASE("a stricter label counts at once; a label goes only with a second person's yes", "[T14]") {
  Registry broker;
  const auto stricter =
      broker.call("alice", "PATCH", "/v1/datasets/d1", {{"labels", {"personal", "health"}}, {"reason", "diagnoses"}});
  CHECK(stricter.body["changes"][0]["state"] == "applied");
  CHECK(stricter.body["changes"][0]["details"]["after"] == Json{"health", "personal"});
  CHECK(broker.labels() == R"(["health","personal"])");
  CHECK(broker.call("alice", "PATCH", "/v1/datasets/d1", {{"labels", {"health", "personal"}}}).body["changes"].empty());

  const auto id = broker.pending("alice", "PATCH", "/v1/datasets/d1", {{"labels", {"personal"}}, {"reason", "pseudonymised"}});
  CHECK(broker.labels() == R"(["health","personal"])");
  const auto twice = broker.call("alice", "PATCH", "/v1/datasets/d1", {{"labels", {"personal"}}});
  CHECK(twice.code() == "ALREADY_PENDING");
  CHECK(twice.body["detail"].get<std::string>().contains(id));

  CHECK(broker.approve("alice", id).code() == "ROLE_LACKS_RIGHT");
  CHECK(broker.approve("bob", id).code() == "ROLE_LACKS_RIGHT");
  CHECK(broker.approve("auditor", id).code() == "ROLE_LACKS_RIGHT");
  CHECK(broker.labels() == R"(["health","personal"])");
  const auto approved = broker.call("operator", "POST", "/v1/changes/" + id + "/approve", {{"reason", "checked"}});
  REQUIRE(approved.status == 200);
  CHECK(broker.labels() == R"(["personal"])");
  const auto& ruling = approved.body["changes"][0]["ruling"];
  CHECK(ruling["by"] == "local:operator");
  CHECK(ruling["approved"] == true);
  CHECK(ruling["reason"] == "checked");
  CHECK(broker.state(id) == "approved");
  CHECK(broker.approve("operator-2", id).code() == "NOT_PENDING");
  CHECK(broker.reject("operator-2", id).code() == "NOT_PENDING");
}

TEST_CASE("one request may both restrict and loosen: the first at once, the second after a second person's yes") {
  Registry broker;
  const auto told = broker.call("alice", "PATCH", "/v1/datasets/d1", {{"labels", {"health"}}});
  REQUIRE(told.body["changes"].size() == 2);
  CHECK(told.body["changes"][0]["state"] == "applied");
  CHECK(told.body["changes"][1]["state"] == "pending");
  CHECK(broker.labels() == R"(["health","personal"])");
  CHECK(broker.approve("operator", told.body["changes"][1]["id"]).status == 200);
  CHECK(broker.labels() == R"(["health"])");
}

TEST_CASE("terms: what loosens waits for a second person, what is taken back is so at once") {
  Registry broker;
  const Json none{{"permit", nullptr}, {"transfer_basis", nullptr}, {"reviewed", nullptr}};
  CHECK(broker.dataset()["terms"] == none);
  const Json permit{{"id", "FI-0143"}, {"until", "2028-03-31T00:00:00Z"}};
  const auto told = broker.call("alice", "PATCH", "/v1/datasets/d1", {{"permit", permit}, {"reviewed", false}});
  REQUIRE(told.body["changes"].size() == 2);
  CHECK(told.body["changes"][0]["state"] == "applied");
  CHECK(told.body["changes"][0]["change"] == "terms_changed");
  CHECK(told.body["changes"][1]["state"] == "pending");
  CHECK(broker.dataset()["terms"] == Json{{"permit", nullptr}, {"transfer_basis", nullptr}, {"reviewed", false}});
  CHECK(broker.call("alice", "POST", "/v1/changes/" + told.body["changes"][1]["id"].get<std::string>() + "/approve").status ==
        403);
  CHECK(broker.approve("operator", told.body["changes"][1]["id"]).status == 200);
  CHECK(broker.dataset()["terms"] == Json{{"permit", permit}, {"transfer_basis", nullptr}, {"reviewed", false}});
  const auto gone = broker.call("alice", "PATCH", "/v1/datasets/d1", {{"permit", nullptr}});
  CHECK(gone.body["changes"][0]["state"] == "applied");
  CHECK(broker.dataset()["terms"]["permit"] == nullptr);
  const auto basis = broker.pending("operator", "PATCH", "/v1/datasets/d1", {{"transfer_basis", "adequacy"}});
  CHECK(broker.approve("operator", basis).code() == "OWN_CHANGE");
  CHECK(broker.call("alice", "PATCH", "/v1/datasets/d1", {{"transfer_basis", "none"}}).body["changes"][0]["state"] == "applied");
  CHECK(broker.approve("operator-2", basis).code() == "CHANGE_OUTDATED");
  CHECK(broker.call("alice", "PATCH", "/v1/datasets/d1", {{"transfer_basis", "trust"}}).fault("/transfer_basis") != "");
}

TEST_CASE("an operator's own change needs another operator", "[T14]") {
  Registry broker;
  const auto id = broker.pending("operator", "PATCH", "/v1/datasets/d1", {{"labels", {"open"}}});
  CHECK(broker.approve("operator", id).code() == "OWN_CHANGE");
  CHECK(broker.labels() == R"(["personal"])");
  CHECK(broker.approve("operator-2", id).status == 200);
  CHECK(broker.labels() == R"(["open"])");
}

TEST_CASE("what was proposed of labels that have changed since is not approved any more") {
  Registry broker;
  const auto id = broker.pending("alice", "PATCH", "/v1/datasets/d1", {{"labels", {"open"}}});
  CHECK(broker.call("alice", "PATCH", "/v1/datasets/d1", {{"labels", {"personal", "health"}}}).status == 200);
  CHECK(broker.approve("operator", id).code() == "CHANGE_OUTDATED");
  CHECK(broker.labels() == R"(["health","personal"])");
  CHECK(broker.state(id) == "pending");
  CHECK(broker.reject("operator", id).status == 200);
}

TEST_CASE("a change is rejected by operators and the owner, and withdrawn by whoever made it; the reason is kept") {
  Registry broker;
  const auto first = broker.pending("operator", "PATCH", "/v1/datasets/d1", {{"labels", {"open"}}});
  CHECK(broker.reject("bob", first).code() == "NOT_THE_OWNER");
  CHECK(broker.reject("carol", first).status == 404);
  CHECK(broker.reject("auditor", first).code() == "ROLE_LACKS_RIGHT");
  const auto rejected = broker.reject("alice", first);
  CHECK(rejected.status == 200);
  CHECK(rejected.body["changes"][0]["ruling"]["reason"] == "no");
  CHECK(broker.state(first) == "rejected");
  const auto second = broker.pending("operator", "PATCH", "/v1/datasets/d1", {{"labels", {"open"}}});
  CHECK(broker.reject("operator", second).status == 200);
  CHECK(broker.labels() == R"(["personal"])");
  CHECK(broker.approve("operator", "01ARYZ6S41TSV4RRFFQ69G5FAV").code() == "CHANGE_NOT_FOUND");
  CHECK(broker.approve("operator", "x").code() == "CHANGE_NOT_FOUND");
}

TEST_CASE("another owner: of the project, and neither by the giver's word alone nor by the taker's") {
  Registry broker;
  const auto outsider = broker.call("alice", "PATCH", "/v1/datasets/d1", {{"owner", "carol"}});
  CHECK(outsider.code() == "NOT_A_MEMBER");
  CHECK_FALSE(outsider.fault("/owner").empty());
  const auto id = broker.pending("alice", "PATCH", "/v1/datasets/d1", {{"owner", "bob"}});
  CHECK(broker.dataset()["owner"] == "local:alice");
  CHECK(broker.approve("operator", id).status == 200);
  CHECK(broker.dataset()["owner"] == "local:bob");
  CHECK(broker.call("alice", "PATCH", "/v1/datasets/d1", {{"labels", {"open"}}}).code() == "NOT_THE_OWNER");
}

TEST_CASE("a replica counts once a second person agrees that it was verified, and until that expires") {
  Registry broker;
  const auto added = broker.call("alice", "POST", "/v1/datasets/d1/replicas", kReplica);
  REQUIRE(added.status == 201);
  CHECK(added.body["dataset"]["replicas"][0]["state"] == "unverified");
  CHECK(broker.call("alice", "POST", "/v1/datasets/d1/replicas", kReplica).code() == "REPLICA_EXISTS");
  const std::string verify = "/v1/datasets/d1/replicas/alpha/verify";
  CHECK(broker.call("alice", "POST", "/v1/datasets/d1/replicas/beta/verify", evidence("2100-01-01")).code() ==
        "REPLICA_NOT_FOUND");
  const auto other = broker.call("alice", "POST", verify, evidence("2000-01-01", std::string(64, 'b')));
  CHECK(other.code() == "BAD_EVIDENCE");
  CHECK(other.fault("/sha256").starts_with("is not the dataset's"));
  CHECK(other.fault("/expires_at").starts_with("lies in the past"));
  CHECK(broker.call("alice", "POST", verify, evidence("2999-01-01")).fault("/expires_at").starts_with("is more than 366 days"));
  auto future = evidence("2999-01-01");
  future["verified_at"] = "2998-12-01";
  CHECK(broker.call("alice", "POST", verify, future).fault("/verified_at") == "lies in the future");
  CHECK(broker.call("alice", "POST", verify).status == 400);

  const auto soon = format_utc(broker.time.now_utc() + std::chrono::hours{24});
  const auto id = broker.pending("alice", "POST", verify, evidence(soon));
  CHECK(broker.dataset()["replicas"][0]["state"] == "unverified");
  CHECK(broker.approve("operator", id).status == 200);
  const auto replica = broker.dataset()["replicas"][0];
  CHECK(replica["state"] == "verified");
  CHECK(replica["verified_by"] == "local:alice");
  CHECK(replica["expires_at"] == soon);
  broker.time.advance(std::chrono::hours{25});
  CHECK(broker.dataset()["replicas"][0]["state"] == "expired");

  const auto removed = broker.call("alice", "DELETE", "/v1/datasets/d1/replicas/alpha");
  CHECK(removed.status == 200);
  CHECK(removed.body["dataset"]["replicas"].empty());
  CHECK(broker.call("alice", "DELETE", "/v1/datasets/d1/replicas/alpha").code() == "REPLICA_NOT_FOUND");
}

TEST_CASE("evidence about a replica is not evidence about the one that took its place") {
  Registry broker;
  REQUIRE(broker.call("alice", "POST", "/v1/datasets/d1/replicas", kReplica).status == 201);
  const auto soon = format_utc(broker.time.now_utc() + std::chrono::hours{24});
  const auto id = broker.pending("alice", "POST", "/v1/datasets/d1/replicas/alpha/verify", evidence(soon));
  REQUIRE(broker.call("alice", "DELETE", "/v1/datasets/d1/replicas/alpha").status == 200);
  REQUIRE(broker.call("alice", "POST", "/v1/datasets/d1/replicas", kReplica).status == 201);
  CHECK(broker.approve("operator", id).code() == "CHANGE_OUTDATED");
  CHECK(broker.dataset()["replicas"][0]["state"] == "unverified");
}

TEST_CASE("lists come page by page") {
  Registry broker;
  for (const auto* id : {"d2", "d3"}) REQUIRE(broker.call("alice", "POST", "/v1/datasets", request(id)).status == 201);
  for (const auto& [target, list] : {std::pair("/v1/datasets", "datasets"), std::pair("/v1/changes", "changes")}) {
    CAPTURE(target);
    const auto first = broker.call("alice", "GET", std::string(target) + "?limit=2");
    REQUIRE(first.body[list].size() == 2);
    const auto cursor = first.body["next_cursor"].get<std::string>();
    const auto second = broker.call("alice", "GET", std::string(target) + "?limit=2&cursor=" + cursor);
    CHECK(second.body[list].size() == 1);
    CHECK(second.body["next_cursor"].is_null());
    CHECK(second.body[list][0]["id"] != first.body[list][1]["id"]);
  }
  CHECK(broker.call("alice", "GET", "/v1/datasets?owner=local:bob").body["datasets"].empty());
  CHECK(broker.call("alice", "GET", "/v1/datasets?project=ai-lab&label=personal").body["datasets"].size() == 3);
  CHECK(broker.call("alice", "GET", "/v1/changes?state=pending").body["changes"].empty());
}

}  // namespace hansa::api::test
