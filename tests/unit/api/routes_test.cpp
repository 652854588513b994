// SPDX-License-Identifier: Apache-2.0
#include "broker/api/routes.hpp"

#include "broker/api/answers.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

using namespace hansa;
using namespace hansa::api;

namespace {

std::string operation(std::string_view method, std::string_view path) {
  const auto found = match(method, path);
  if (found.route != nullptr) return std::string(found.route->operation);
  return found.allowed.empty() ? "404" : "405 " + found.allowed;
}

/// The path with every {parameter} replaced.
std::string example(std::string_view pattern) {
  std::string path;
  for (auto rest = pattern; !rest.empty();) {
    const auto brace = rest.find('{');
    path += rest.substr(0, brace);
    if (brace == std::string_view::npos) break;
    path += "x-1";
    rest.remove_prefix(rest.find('}') + 1);
  }
  return path;
}

}  // namespace

TEST_CASE("every path and method: the operation, or what is allowed instead") {
  const struct {
    const char *method, *path, *expected;
  } kTable[] = {
      {"POST", "/v1/jobs", "submitJob"},
      {"GET", "/v1/jobs", "listJobs"},
      {"POST", "/v1/jobs/bulk", "submitJobs"},
      {"GET", "/v1/jobs/01ARYZ6S41TSV4RRFFQ69G5FAV", "getJob"},
      {"GET", "/v1/jobs/x/explain", "explainJob"},
      {"GET", "/v1/jobs/x/events", "listJobEvents"},
      {"GET", "/v1/jobs/x/usage", "getJobUsage"},
      {"GET", "/v1/jobs/x/output", "readJobOutput"},
      {"GET", "/v1/jobs/x/outputs", "listJobOutputs"},
      {"GET", "/v1/jobs/x/outputs/model.pt", "fetchJobOutput"},
      {"POST", "/v1/jobs/x/hold", "holdJob"},
      {"POST", "/v1/jobs/x/release", "releaseJob"},
      {"POST", "/v1/jobs/x/cancel", "cancelJob"},
      {"POST", "/v1/jobs/x/resolve", "resolveJob"},
      {"GET", "/v1/events", "streamEvents"},
      {"GET", "/v1/sites", "listSites"},
      {"GET", "/v1/sites/alpha", "getSite"},
      {"POST", "/v1/sites/alpha/drain", "drainSite"},
      {"POST", "/v1/sites/alpha/resume", "resumeSite"},
      {"POST", "/v1/sites/alpha/doctor", "lookOverSite"},
      {"GET", "/v1/sites/alpha/agent", "getSiteAgent"},
      {"POST", "/v1/sites/alpha/agent/enrolment", "enrollAgent"},
      {"POST", "/v1/sites/alpha/agent/revoke", "revokeAgent"},
      {"POST", "/v1/datasets", "registerDataset"},
      {"GET", "/v1/datasets", "listDatasets"},
      {"GET", "/v1/datasets/d", "getDataset"},
      {"PATCH", "/v1/datasets/d", "amendDataset"},
      {"POST", "/v1/datasets/d/replicas", "addReplica"},
      {"DELETE", "/v1/datasets/d/replicas/alpha", "removeReplica"},
      {"POST", "/v1/datasets/d/replicas/alpha/verify", "verifyReplica"},
      {"GET", "/v1/changes", "listChanges"},
      {"POST", "/v1/changes/x/approve", "approveChange"},
      {"POST", "/v1/changes/x/reject", "rejectChange"},
      {"PUT", "/v1/datasets/d", "405 GET, PATCH"},
      {"GET", "/v1/datasets/d/replicas", "405 POST"},
      {"GET", "/v1/reports/usage", "getReport"},
      {"GET", "/v1/reports/estimates", "reportEstimates"},
      {"GET", "/v1/issuers", "listIssuers"},
      {"GET", "/v1/me", "getMe"},
      {"GET", "/v1/revocations", "listRevocations"},
      {"POST", "/v1/revocations", "revoke"},
      {"DELETE", "/v1/revocations/7", "liftRevocation"},
      {"POST", "/v1/tokens", "createToken"},
      {"GET", "/v1/tokens", "listTokens"},
      {"DELETE", "/v1/tokens/tok_1", "revokeToken"},
      {"GET", "/healthz", "getHealth"},
      {"GET", "/readyz", "getReadiness"},
      {"GET", "/metrics", "getMetrics"},
      {"GET", "/openapi.json", "getOpenApi"},
      // What is written out goes before what is a parameter; only where it takes the method.
      {"GET", "/v1/jobs/bulk", "getJob"},
      {"GET", "/v1/jobs/bulk/explain", "explainJob"},
      {"POST", "/v1/jobs/bulk/cancel", "cancelJob"},
      // HEAD is GET without a body, and nothing else.
      {"HEAD", "/v1/jobs", "listJobs"},
      {"HEAD", "/v1/jobs/x", "getJob"},
      {"HEAD", "/healthz", "getHealth"},
      {"HEAD", "/v1/jobs/x/hold", "405 POST"},
      {"HEAD", "/v1/tokens/x", "405 DELETE"},
      // Another method.
      {"DELETE", "/v1/jobs", "405 POST, GET"},
      {"PUT", "/v1/jobs/bulk", "405 POST, GET"},
      {"POST", "/v1/jobs/x", "405 GET"},
      {"PATCH", "/v1/jobs/x/cancel", "405 POST"},
      {"GET", "/v1/jobs/x/cancel", "405 POST"},
      {"GET", "/v1/tokens/x", "405 DELETE"},
      {"POST", "/healthz", "405 GET"},
      {"get", "/v1/jobs", "405 POST, GET"},  // methods are case-sensitive
      {"OPTIONS", "/v1/sites/alpha/drain", "405 POST"},
      {"", "/metrics", "405 GET"},
      // Nothing there.
      {"GET", "", "404"},
      {"GET", "/", "404"},
      {"GET", "/v1", "404"},
      {"GET", "/v1/", "404"},
      {"GET", "/v2/jobs", "404"},
      {"GET", "/V1/jobs", "404"},
      {"GET", "v1/jobs", "404"},
      {"GET", "//v1/jobs", "404"},
      {"GET", "/v1//jobs", "404"},
      {"GET", "/v1/jobs/", "404"},
      {"GET", "/v1/jobs//", "404"},
      {"GET", "/v1/jobs//explain", "404"},
      {"GET", "/v1/jobs/x/", "404"},
      {"GET", "/v1/jobs/x/explain/", "404"},
      {"GET", "/v1/jobs/x/explain/more", "404"},
      {"GET", "/v1/jobs/x/nothing", "404"},
      {"GET", "/v1/job", "404"},
      {"GET", "/v1/jobsx", "404"},
      {"GET", "/healthz/", "404"},
      {"GET", "/healthzz", "404"},
      {"GET", "/openapi", "404"},
      {"GET", "/v1/reports", "404"},
      {"GET", "*", "404"},
  };
  for (const auto& [method, path, expected] : kTable) {
    CAPTURE(method, path);
    CHECK(operation(method, path) == expected);
  }
}

TEST_CASE("a path's parameters are taken as they are") {
  using Path = decltype(Match::path);
  CHECK(match("GET", "/v1/jobs/01ARYZ6S41TSV4RRFFQ69G5FAV").path == Path{{"id", "01ARYZ6S41TSV4RRFFQ69G5FAV"}});
  CHECK(match("POST", "/v1/sites/a b\xC3\xA5?/drain").path == Path{{"id", "a b\xC3\xA5?"}});
  CHECK(match("DELETE", "/v1/datasets/d/replicas/alpha").path == Path{{"id", "d"}, {"site", "alpha"}});
  CHECK(match("GET", "/v1/jobs/{id}").path == Path{{"id", "{id}"}});
  CHECK(match("GET", "/v1/jobs/bulk").path == Path{{"id", "bulk"}});
  CHECK(match("POST", "/v1/jobs/bulk").path.empty());
  CHECK(match("GET", "/v1/jobs").path.empty());
  const std::string long_id(100'000, 'x');
  CHECK(match("GET", "/v1/jobs/" + long_id).path.at("id") == long_id);
}

TEST_CASE("every route is reached by its own method and path") {
  for (const auto& route : routes()) {
    CAPTURE(route.operation);
    CHECK(operation(route.method, example(route.path)) == route.operation);
    CHECK(route.handle != nullptr);
    CHECK_FALSE(route.summary.empty());
  }
}

TEST_CASE("operations have names of their own, and only what tells nothing of anybody is open") {
  std::set<std::string_view> operations, open;
  std::set<std::pair<std::string_view, std::string_view>> places;
  for (const auto& route : routes()) {
    operations.insert(route.operation);
    places.emplace(route.method, route.path);
    if (route.is_open()) open.insert(route.path);
  }
  CHECK(operations.size() == routes().size());
  CHECK(places.size() == routes().size());
  CHECK(open == std::set<std::string_view>{"/healthz", "/readyz", "/openapi.json", "/v1/issuers"});
}

TEST_CASE("of every route somebody has said whether it tells of everybody") {
  for (const auto& route : routes()) {
    CAPTURE(route.operation);
    CHECK(is_listing(route.operation).has_value());
  }
  CHECK(is_listing("listErasures") == true);
  CHECK(is_listing("getJob") == false);
  CHECK_FALSE(is_listing("listOfSomethingNew"));
}

TEST_CASE("a route that names no action keeps the broker from starting") {
  CHECK(check_routes(routes()));
  std::vector<Route> table(routes().begin(), routes().end());
  table[3].action = identity::Action::none;
  table[5].action = static_cast<identity::Action>(1'000);
  const auto refused = check_routes(table);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "ROUTE_WITHOUT_ACTION");
  REQUIRE(refused.error().faults.size() == 2);
  CHECK(refused.error().faults[0].where == table[3].operation);
  CHECK(refused.error().faults[1].where == table[5].operation);
}

TEST_CASE("only a submission may have a large body") {
  constexpr std::size_t kSmall = std::size_t{64} << 10;
  CHECK(Api::body_limit("POST", "/v1/jobs") == std::size_t{4} << 20);
  CHECK(Api::body_limit("POST", "/v1/jobs/bulk") == std::size_t{16} << 20);
  for (const auto* path : {"/v1/jobs/", "/v1/jobs/x/cancel", "/v1/tokens", "/v1/sites/alpha/drain", "/nowhere", ""})
    CHECK(Api::body_limit("POST", path) == kSmall);
  for (const auto* method : {"GET", "PUT", "DELETE", "", "post"}) CHECK(Api::body_limit(method, "/v1/jobs/bulk") == kSmall);
}
