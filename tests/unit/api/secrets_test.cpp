// SPDX-License-Identifier: Apache-2.0
// Secrets over REST: kept for their owner's jobs, named, never shown.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

namespace {

constexpr const char* kMarker = "MARKER-hf_qX7Zk2";

}  // namespace

TEST_CASE("a secret is kept, listed by its name and deleted, and nobody is shown it", "[T22]") {
  ApiUnderTest b;
  CHECK(b.call("alice", "GET", "/v1/secrets").body == Json{{"secrets", Json::array()}});
  const auto kept = b.call("alice", "PUT", "/v1/secrets/hf-token", kMarker);
  CHECK(kept.status == 200);
  CHECK(kept.body["name"] == "hf-token");
  CHECK(kept.body["bytes"] == 16);
  CHECK_FALSE(kept.text.contains(kMarker));
  const auto list = b.call("alice", "GET", "/v1/secrets");
  REQUIRE(list.body["secrets"].size() == 1);
  CHECK(list.body["secrets"][0] == kept.body);
  CHECK(b.call("alice", "GET", "/v1/secrets/hf-token").status == 405);
  CHECK(b.call("alice", "POST", "/v1/secrets/hf-token", kMarker).status == 405);
  for (const auto* other : {"bob", "operator"}) {
    CHECK(b.call(other, "GET", "/v1/secrets").body["secrets"].empty());
    CHECK(b.call(other, "DELETE", "/v1/secrets/hf-token").code() == "SECRET_NOT_FOUND");
  }
  CHECK(b.call("auditor", "GET", "/v1/secrets").status == 403);
  CHECK(b.call("auditor", "PUT", "/v1/secrets/x", "x").status == 403);
  CHECK(b.call("", "PUT", "/v1/secrets/x", "x").status == 401);
  CHECK(b.call("alice", "DELETE", "/v1/secrets/hf-token").status == 200);
  CHECK(b.call("alice", "DELETE", "/v1/secrets/hf-token").status == 404);
}

TEST_CASE("what is no secret is refused without being repeated", "[T22]") {
  ApiUnderTest b;
  CHECK(b.call("alice", "PUT", "/v1/secrets/.hidden", kMarker).code() == "BAD_SECRET");
  CHECK(b.call("alice", "PUT", "/v1/secrets/" + std::string(65, 'a'), kMarker).code() == "BAD_SECRET");
  CHECK(b.call("alice", "PUT", "/v1/secrets/empty", "").code() == "BAD_SECRET");
  CHECK_FALSE(b.call("alice", "PUT", "/v1/secrets/.hidden", kMarker).text.contains(kMarker));
  CHECK(Api::body_limit("PUT", "/v1/secrets/a") == 65'536);
  // Somebody puts the secret itself where its name belongs.
  const auto pasted = b.call("alice", "POST", "/v1/jobs", {{"script", kHold}, {"secrets", {std::string(kMarker) + "/x"}}});
  CHECK(pasted.status == 400);
  CHECK_FALSE(pasted.text.contains(kMarker));
}

TEST_CASE("a job names its owner's secrets, and they stand in its view by name") {
  ApiUnderTest b;
  const auto submit = [&](const std::string& person) {
    return b.call(person, "POST", "/v1/jobs", {{"script", kHold}, {"project", "ai-lab"}, {"secrets", {"hf-token=token"}}});
  };
  CHECK(submit("alice").code() == "SECRET_NOT_FOUND");
  CHECK(submit("alice").fault("/secrets") != "");
  REQUIRE(b.call("alice", "PUT", "/v1/secrets/hf-token", kMarker).status == 200);
  CHECK(submit("bob").code() == "SECRET_NOT_FOUND");
  const auto job = submit("alice");
  REQUIRE(job.status == 201);
  const auto id = job.body["id"].get<std::string>();
  b.time.advance(Milliseconds{5'000});
  CHECK(b.call("alice", "GET", "/v1/jobs/" + id).body["state"] == "running");
  REQUIRE(b.site->secrets.size() == 1);
  CHECK(b.site->secrets.begin()->second == std::map<std::string, std::string>{{"token", kMarker}});
  CHECK(b.call("alice", "GET", "/v1/jobs/" + id).body["secrets"] == Json{"hf-token=token"});
  for (const auto* path : {"", "/explain", "/events", "/usage"})
    CHECK_FALSE(b.call("alice", "GET", "/v1/jobs/" + id + path).text.contains(kMarker));
  CHECK_FALSE(b.call("alice", "GET", "/v1/privacy/person").text.contains(kMarker));
}

}  // namespace hansa::api::test
