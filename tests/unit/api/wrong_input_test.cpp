// SPDX-License-Identifier: Apache-2.0
// What every route says to wrong input: all of it at once, with its place and the remedy; and whose jobs it will not talk of.
#include "broker/api/routes.hpp"
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

TEST_CASE("nothing that a request asks goes unseen: a parameter that a route does not read is refused, and nothing is done") {
  ApiUnderTest broker;
  const auto id = broker.submit("alice");
  for (const auto& route : routes()) {
    std::string path(route.path);
    if (const auto brace = path.find('{'); brace != std::string::npos)
      path = path.substr(0, brace) +
             (path.contains("/jobs/")      ? id
              : path.contains("/reports/") ? "usage"
                                           : "alpha") +
             path.substr(path.find('}') + 1);
    CAPTURE(route.operation);
    const auto told = broker.call(route.is_open() ? "" : "operator", std::string(route.method), path + "?wiat=1");
    CHECK(told.status == 400);
    CHECK(told.fault("?wiat").starts_with("no such parameter"));
  }
  const Json bulk{{"jobs", {{{"script", kHold}}}}};
  CHECK(broker.call("alice", "POST", "/v1/jobs/bulk?dry_run=true", bulk).status == 400);
  CHECK(broker.call("alice", "GET", "/v1/jobs").body["jobs"].size() == 1);
}

TEST_CASE("every fault of a query is told, with what is meant or allowed") {
  ApiUnderTest broker;
  const struct {
    const char *target, *place, *told;
  } kTable[] = {
      {"/v1/jobs?state=runing", "?state", "\"runing\" is no state (did you mean \"running\"?); one of: accepted, waiting, held"},
      {"/v1/jobs?stat=running", "?stat", "no such parameter (did you mean \"state\"?)"},
      {"/v1/jobs?limit=0", "?limit", "must be a whole number from 1 to 1000"},
      {"/v1/jobs?limit=1&limit=2", "?limit", "is given twice"},
      {"/v1/jobs?limit=1e3", "?limit", "must be a whole number"},
      {"/v1/jobs?cursor=x", "?cursor", "must be the \"next_cursor\""},
      {"/v1/jobs?since=yesterday", "?since", ""},
      {"/v1/jobs/01ARYZ6S41TSV4RRFFQ69G5FAV?wait_s=56", "?wait_s", "must be a whole number from 0 to 55"},
      {"/v1/jobs/01ARYZ6S41TSV4RRFFQ69G5FAV/output?stream=log", "?stream", "must be out or err"},
      {"/v1/jobs/01ARYZ6S41TSV4RRFFQ69G5FAV/output?offset=-1", "?offset", "must be a whole number"},
      {"/v1/reports/usage?by=projct", "?by", "\"projct\" is no thing to group by (did you mean \"project\"?); one of: project"},
      {"/v1/reports/usage?by=site,project,site", "?by", "names site twice"},
      {"/v1/reports/usage?from=2026-02-01&to=2026-01-01", "?to", "must be later than from"},
      {"/v1/reports/estimates?by=sit", "?by", "\"sit\" is no thing to group by (did you mean \"site\"?); one of: site, class"},
      {"/v1/reports/estimates?by=class,class", "?by", "names class twice"},
      {"/v1/reports/estimates?since=soon", "?since", ""},
      {"/v1/events?after=x", "?after", "must be a whole number"},
  };
  for (const auto& [target, place, told] : kTable) {
    CAPTURE(target);
    const auto answer = broker.call("alice", "GET", target);
    CHECK(answer.status == 400);
    CHECK(answer.code() == "BAD_REQUEST");
    REQUIRE_FALSE(answer.fault(place).empty());
    CHECK(answer.fault(place).starts_with(told));
  }
  const auto both = broker.call("alice", "GET", "/v1/jobs?limit=0&state=x");
  CHECK(both.body["errors"].size() == 2);
  CHECK(both.body["detail"].get<std::string>().ends_with("(and 1 more)"));
}

TEST_CASE("a job for a site that is not there is a slip, not a job that no site can hold") {
  ApiUnderTest broker;
  const Json job{{"script", kHold}, {"placement", {{"sites", {"alpha", "alhpa", "zeta"}}}}};
  const auto told = broker.call("alice", "POST", "/v1/jobs", job);
  CHECK(told.status == 400);
  CHECK(told.code() == "BAD_JOB");
  CHECK(told.body["errors"].size() == 2);
  CHECK(told.fault("/placement/sites") == "there is no site \"alhpa\" (did you mean \"alpha\"?)");
  CHECK(broker.call("alice", "POST", "/v1/jobs/bulk", {{"jobs", {job}}}).fault("/jobs/0/placement/sites").contains("alhpa"));
  CHECK(broker.call("alice", "POST", "/v1/jobs?dry_run=true", job).status == 400);
}

TEST_CASE("every fault of a body is told with its pointer") {
  ApiUnderTest broker;
  const auto id = broker.submit("alice");
  const auto token = broker.call("operator", "POST", "/v1/tokens",
                                 {{"user", "a b"}, {"role", "oprator"}, {"expires_at", "2020-01-01"}, {"no/te", 1}, {"note", 2}});
  CHECK(token.status == 400);
  CHECK(token.body["errors"].size() == 5);
  CHECK(token.fault("/user").starts_with("a user is 1 to 64"));
  CHECK(token.fault("/role") ==
        "\"oprator\" is no role (did you mean \"operator\"?); one of: user, operator, policy-officer, auditor");
  CHECK(token.fault("/expires_at").starts_with("lies in the past"));
  CHECK(token.fault("/no~1te").starts_with("no such field"));
  CHECK(token.fault("/note").starts_with("must be a string"));
  CHECK(broker.call("operator", "POST", "/v1/tokens").fault("/user").starts_with("is required"));
  CHECK(broker.call("operator", "POST", "/v1/tokens", "[1]").code() == "BAD_REQUEST");
  CHECK(broker.call("operator", "POST", "/v1/tokens", "{").code() == "BAD_JSON");
  CHECK(broker.call("operator", "POST", "/v1/tokens", {{"user", std::string(1'001, 'x')}}).fault("/user").starts_with("must be"));

  const auto resolve = broker.call("operator", "POST", "/v1/jobs/" + id + "/resolve", {{"as", "done"}, {"reason", ""}});
  CHECK(resolve.fault("/as").starts_with("must be \"lost\""));
  CHECK(resolve.fault("/reason").starts_with("is required"));
  CHECK(broker.call("alice", "POST", "/v1/jobs/" + id + "/cancel", {{"reson", "x"}}).fault("/reson") == "no such field");
  for (const auto& [tasks, words] : std::vector<std::pair<Json, std::string>>{
           {"", "is required"}, {"x", "\"x\""}, {"3-1", "backwards"}, {"1%2", "names tasks"}, {3, "must be a string"}}) {
    const auto refused = broker.call("alice", "POST", "/v1/jobs/" + id + "/cancel", {{"tasks", tasks}});
    CAPTURE(tasks.dump(), refused.body.dump());
    CHECK(refused.status == 400);
    CHECK_THAT(refused.fault("/tasks"), Catch::Contains(words));
  }
  CHECK(broker.call("alice", "POST", "/v1/jobs/" + id + "/cancel", {{"tasks", "0-3"}}).code() == "NOT_AN_ARRAY");
  CHECK(broker.call("operator", "POST", "/v1/sites/alpha/drain", {{"resaon", "x"}}).fault("/resaon") ==
        "no such field (did you mean \"reason\"?)");
  CHECK(broker.call("alice", "GET", "/v1/jobs/" + id).body["cancel"].is_null());
}

TEST_CASE("a problem's status is the answer's, also where the method is wrong or the body no object") {
  ApiUnderTest broker;
  const auto method = broker.call("alice", "PUT", "/v1/jobs");
  CHECK(method.status == 405);
  CHECK(method.body["status"] == 405);
  CHECK(method.code() == "METHOD_NOT_ALLOWED");
  CHECK(method.header("Allow") == "POST, GET");
  CHECK(broker.call("alice", "POST", "/v1/jobs", "[]").body["detail"] == "must be an object");
  CHECK(broker.call("alice", "GET", "/v2").body["status"] == 404);
}

TEST_CASE("another's job is none, whatever is asked of it; in lists and reports too", "[T11]") {
  ApiUnderTest broker;
  const auto id = broker.submit("alice");
  const auto absent = std::string("01ARYZ6S41TSV4RRFFQ69G5FAV");
  for (const auto& route : routes()) {
    const std::string path(route.path);
    if (!path.starts_with("/v1/jobs/{id}") || route.operation == "resolveJob") continue;
    const auto rest = path.substr(path.find('}') + 1);
    CAPTURE(route.operation);
    const auto told = broker.call("bob", std::string(route.method), "/v1/jobs/" + id + rest);
    auto none = broker.call("bob", std::string(route.method), "/v1/jobs/" + absent + rest);
    CHECK(told.status == 404);
    auto text = none.body["detail"].get<std::string>();
    none.body["detail"] = text.replace(text.find(absent), absent.size(), id);
    CHECK(told.body == none.body);
  }
  // What a role lacks is told of whatever is named.
  for (const auto& [who, which] : {std::pair("bob", id), std::pair("bob", absent), std::pair("alice", id)})
    CHECK(broker.call(who, "POST", "/v1/jobs/" + which + "/resolve").code() == "ROLE_LACKS_RIGHT");
  CHECK(broker.call("bob", "GET", "/v1/jobs").body["jobs"].empty());
  CHECK(broker.call("bob", "GET", "/v1/jobs?owner=local:alice").body["jobs"].empty());
  CHECK(broker.call("alice", "GET", "/v1/jobs?owner=local:bob").body["jobs"].empty());
  CHECK(broker.call("alice", "GET", "/v1/jobs?owner=local:alice").body["jobs"].size() == 1);
  for (const auto* reader : {"operator", "auditor"}) {
    CHECK(broker.call(reader, "GET", "/v1/jobs?owner=local:alice").body["jobs"].size() == 1);
    CHECK(broker.call(reader, "GET", "/v1/jobs?owner=local:bob").body["jobs"].empty());
    CHECK(broker.call(reader, "GET", "/v1/jobs/" + id).status == 200);
  }
  broker.time.advance(Milliseconds{120'000});  // it has started
  const auto starts = [&](const char* who) {
    const auto rows = broker.call(who, "GET", "/v1/reports/estimates?by=site,class,project,basis").body["rows"];
    return rows.empty() ? Json(0) : rows[0]["starts"];
  };
  CHECK(starts("alice") == 1);
  CHECK(starts("bob") == 0);
  CHECK(starts("auditor") == 1);
  CHECK(starts("operator") == 1);
}

TEST_CASE("without a token only what is open answers, and a role is told what it lacks") {
  ApiUnderTest broker;
  for (const auto& route : routes()) {
    CAPTURE(route.operation);
    const auto told = broker.call("", std::string(route.method), std::string(route.path));
    CHECK(told.status == (route.is_open() ? 200 : 401));
    if (!route.is_open()) CHECK(told.header("WWW-Authenticate") == "Bearer realm=\"hansa\"");
    CHECK(broker.refuse_body("", route.method, route.path) == (route.is_open() ? 413 : 401));
    CHECK(broker.refuse_body("alice", route.method, route.path) == (route.is_open() ? 413 : 0));
  }
  CHECK(broker.call("carol", "POST", "/v1/jobs", {{"script", kHold}}).code() == "NO_PROJECT");
  CHECK(broker.call("bob", "POST", "/v1/jobs", {{"script", kHold}}).fault("/project").contains("name one of: ai-lab, climate"));
  CHECK(broker.call("auditor", "POST", "/v1/jobs", {{"script", kHold}}).code() == "ROLE_LACKS_RIGHT");
  for (const auto* who : {"alice", "auditor"}) {
    CHECK(broker.call(who, "POST", "/v1/sites/alpha/drain").code() == "ROLE_LACKS_RIGHT");
    CHECK(broker.call(who, "POST", "/v1/sites/alpha/doctor").code() == "ROLE_LACKS_RIGHT");
    CHECK(broker.call(who, "GET", "/v1/tokens").status == (who == std::string("auditor") ? 200 : 403));
    CHECK(broker.call(who, "DELETE", "/v1/tokens/tok_x").code() == "ROLE_LACKS_RIGHT");
  }
  CHECK(broker.call("operator", "DELETE", "/v1/tokens/tok_x").status == 404);
  CHECK(broker.call("operator", "GET", "/v1/sites/alhpa").code() == "SITE_NOT_FOUND");
  CHECK(broker.call("operator", "POST", "/v1/sites/alhpa/doctor").code() == "SITE_NOT_FOUND");
  CHECK_FALSE(broker.call("operator", "POST", "/v1/sites/alpha/doctor", {{"fast", true}}).fault("/fast").empty());
}

}  // namespace hansa::api::test
