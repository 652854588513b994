// SPDX-License-Identifier: Apache-2.0
// What goes on for longer than its request.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

TEST_CASE("a stream of events shows its owner's jobs, and ends when its token is revoked") {
  ApiUnderTest broker;
  const auto stream = broker.call("alice", "GET", "/v1/events?after=0");
  REQUIRE(stream.status == 200);
  REQUIRE(stream.next);
  const auto id = broker.submit("alice");
  const auto piece = broker.ask(stream.next());
  REQUIRE((piece && *piece));
  CHECK((*piece)->contains("event: accepted"));
  CHECK((*piece)->contains(id));
  for (const auto& token : broker.call("operator", "GET", "/v1/tokens").body["tokens"]) {
    if (token["principal"] == "local:alice")
      REQUIRE(broker.call("operator", "DELETE", "/v1/tokens/" + token["id"].get<std::string>()).status == 200);
  }
  broker.time.advance(Milliseconds{60'000});  // there is more to tell
  const auto last = broker.ask(stream.next());
  REQUIRE(last);
  CHECK_FALSE(*last);
  CHECK(broker.call("alice", "GET", "/v1/events").code() == "TOKEN_REVOKED");
}

TEST_CASE("a stream of events ends when its token gives another role") {
  ApiUnderTest broker;
  (void)broker.submit("alice");
  for (const auto role : {ports::Role::auditor, ports::Role::user}) {
    const auto stream = broker.stream("bob", role);
    REQUIRE(stream);
    if (role == ports::Role::user) (void)broker.submit("bob", {{"script", kHold}, {"project", "climate"}});
    const auto piece = broker.ask(stream->next());
    REQUIRE(piece);
    CHECK(piece->has_value() == (role == ports::Role::user));
  }
}

}  // namespace hansa::api::test
