// SPDX-License-Identifier: Apache-2.0
// How often people and networks may ask, and who is counted for what.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

namespace {

const ApiUnderTest::Fields kBadToken{{"Authorization", "Bearer hansa_wrong"}};

void check_limited(const Told& told) {
  CHECK(told.status == 429);
  CHECK(told.code() == "TOO_MANY_REQUESTS");
  CHECK(told.body["request_id"] == "req");
  CHECK(std::stoi(told.header("Retry-After")) >= 1);
  CHECK(told.pause > Milliseconds{0});
}

}  // namespace

TEST_CASE("a person asks so often, wherever they come from, and nobody else is kept waiting", "[T24]") {
  ApiUnderTest broker(std::nullopt, false, {.of_person = 60});
  for (int i = 0; i < 60; ++i) {
    broker.network = i % 2 == 0 ? "192.0.2.0/24" : "198.51.100.0/24";
    REQUIRE(broker.call("alice", "GET", "/v1/me").status == 200);
  }
  const auto refused = broker.call("alice", "GET", "/v1/me");
  check_limited(refused);
  CHECK(refused.header("Retry-After") == "1");
  CHECK(refused.knows_caller);
  CHECK(broker.call("bob", "GET", "/v1/me").status == 200);
  broker.time.advance(Milliseconds{1'000});
  CHECK(broker.call("alice", "GET", "/v1/me").status == 200);
  CHECK(broker.call("alice", "POST", "/v1/jobs", {{"script", kHold}}).status == 429);
  CHECK(broker.call("operator", "GET", "/metrics").text.contains("hansa_http_rate_limited_total{limit=\"person\"} 2"));
}

TEST_CASE("refused tokens are counted by network and a good one of that network is not kept waiting", "[T24]") {
  ApiUnderTest broker(std::nullopt, false, {.failures = 3});
  for (int i = 0; i < 3; ++i) CHECK(broker.call("", "GET", "/v1/jobs", Json(), kBadToken).code() == "BAD_TOKEN");
  const auto refused = broker.call("", "GET", "/v1/jobs", Json(), kBadToken);
  check_limited(refused);
  CHECK(refused.body["detail"].get<std::string>().contains("BAD_TOKEN"));  // it is told what is wrong all the same
  CHECK_FALSE(refused.knows_caller);
  CHECK(broker.refuse_body("", "POST", "/v1/jobs") == 429);
  const auto good = broker.call("alice", "GET", "/v1/jobs");
  CHECK(good.status == 200);
  CHECK(good.knows_caller);
  CHECK(broker.refuse_body("alice", "POST", "/v1/jobs") == 0);
  broker.network = "198.51.100.0/24";
  CHECK(broker.call("", "GET", "/v1/jobs").code() == "NO_TOKEN");
}

TEST_CASE("what needs no token is counted by network, but for whether the broker lives", "[T24]") {
  ApiUnderTest broker(std::nullopt, false, {.of_network = 3});
  CHECK(broker.call("", "GET", "/v1/issuers").status == 200);
  CHECK(broker.call("", "GET", "/nowhere").status == 404);
  CHECK(broker.call("", "PUT", "/v1/jobs").status == 405);
  for (const auto* path : {"/v1/issuers", "/nowhere", "/openapi.json"}) check_limited(broker.call("", "GET", path));
  CHECK(broker.refuse_body("", "POST", "/nowhere") == 429);
  for (int i = 0; i < 100; ++i) {
    CHECK(broker.call("", "GET", "/healthz").status == 200);
    CHECK(broker.call("", "GET", "/readyz").status == 200);
  }
  CHECK(broker.call("alice", "GET", "/v1/me").status == 200);
  broker.network = "198.51.100.0/24";
  CHECK(broker.call("", "GET", "/v1/issuers").status == 200);
}

TEST_CASE("a person has so many requests under way, event streams among them", "[T24]") {
  ApiUnderTest broker(std::nullopt, false, {.at_once = 2});
  auto first = broker.call("alice", "GET", "/v1/events");
  REQUIRE(first.status == 200);
  CHECK(broker.call("alice", "GET", "/v1/me").status == 200);
  const auto second = broker.call("alice", "GET", "/v1/events");
  REQUIRE(second.status == 200);
  check_limited(broker.call("alice", "GET", "/v1/me"));
  CHECK(broker.call("bob", "GET", "/v1/me").status == 200);
  first.next = {};
  CHECK(broker.call("alice", "GET", "/v1/me").status == 200);
}

TEST_CASE("an issuer that does not answer is no failure of who asks") {
  const simulation::VirtualScheduler time;
  RequestLimits limits({.failures = 1}, time);
  const http::Request request{.network = "192.0.2.0/24", .deadline = {}};
  const auto away = fail(ErrorKind::unavailable, "CLAIMS_UNAVAILABLE", "try again").error();
  const auto bad = fail(ErrorKind::unauthenticated, "BAD_TOKEN", "no").error();
  for (int i = 0; i < 5; ++i) CHECK_FALSE(limits.failure(request, away));
  CHECK_FALSE(limits.failure(request, bad));
  CHECK(limits.failure(request, bad));
}

}  // namespace hansa::api::test
