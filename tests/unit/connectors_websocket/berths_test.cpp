// SPDX-License-Identifier: Apache-2.0
// Two agents for one site, one that is revoked, one whose connection is dead; and the broker's end that waits for it.
#include "connectors/remote/link.hpp"
#include "tests/unit/connectors_websocket/harbour.hpp"

namespace hansa::connectors::websocket::test {

namespace {

/// Reads on `lines` until it ends.
struct Reader {
  Reader(Harbour& harbour, protocol::Lines& lines) {
    auto read = [](protocol::Lines* of, std::optional<Error>* why) -> boost::asio::awaitable<void> {
      while (true) {
        auto line = co_await of->read();
        if (line) continue;
        *why = std::move(line.error());
        co_return;
      }
    };
    boost::asio::co_spawn(harbour.context, read(&lines, &ended), [](const std::exception_ptr&) {});
  }
  std::string code(Harbour& harbour) {
    for (int i = 0; i < 500 && !ended; ++i) { harbour.wait_a_moment(); }
    return ended ? ended->code : "still there";
  }
  std::optional<Error> ended;
};

}  // namespace

TEST_CASE("while an agent answers, a second one with its key is refused and told where the first is") {
  Harbour harbour({}, 5s);
  auto first = harbour.dial();
  REQUIRE(first);
  const auto broker = harbour.take();
  Reader at_agent(harbour, **first);
  Reader at_broker(harbour, *broker);
  for (int i = 0; i < 3; ++i) {
    const auto second = harbour.dial();
    REQUIRE_FALSE(second);
    CHECK(second.error().code == "AGENT_CONNECTED");
    CHECK(second.error().message.contains("127.0.0.1:"));
    CHECK(second.error().message.contains("hansa-agent test"));
  }
  CHECK_FALSE(at_agent.ended);
  CHECK_FALSE(at_broker.ended);
  CHECK(harbour.notes() == std::vector<std::string>{"+hansa-agent test"});
  harbour.end(**first);
  CHECK(at_broker.code(harbour) != "still there");
  harbour.end(*broker);
}

TEST_CASE("a dead connection gives its place to a new one at once") {
  Harbour harbour;
  auto first = harbour.dial();  // nobody reads there: it answers no ping
  REQUIRE(first);
  const auto broker = harbour.take();
  Reader at_broker(harbour, *broker);
  const auto second = harbour.dial();
  REQUIRE(second);
  CHECK(at_broker.code(harbour) == "AGENT_REPLACED");
  CHECK(harbour.end(*broker).code == "AGENT_REPLACED");
  CHECK(harbour.notes() == std::vector<std::string>{"+hansa-agent test", "-AGENT_REPLACED", "+hansa-agent test"});
  REQUIRE(harbour.take());
}

TEST_CASE("what waits to be taken gives way to what comes later") {
  Harbour harbour;
  auto first = harbour.dial();
  auto second = harbour.dial();
  REQUIRE(first);
  REQUIRE(second);
  Reader at_first(harbour, **first);
  CHECK(at_first.code(harbour) == "AGENT_REPLACED");
  REQUIRE(harbour.take());
  CHECK(harbour.berths.take({.site = SiteId("alpha")}) == nullptr);
}

TEST_CASE("who is revoked while it is let in does not stay") {
  Harbour harbour;
  harbour.door.once = true;
  auto agent = harbour.dial();
  REQUIRE(agent);
  Reader at_agent(harbour, **agent);
  CHECK(at_agent.code(harbour) == "AGENT_NOT_ENROLLED");
  CHECK(harbour.noted("-AGENT_NOT_ENROLLED"));
  CHECK(harbour.berths.take({.site = SiteId("alpha")}) == nullptr);
}

TEST_CASE("a connection that is ended for two reasons at once ends for the first") {
  Harbour harbour;
  auto agent = harbour.dial();
  REQUIRE(agent);
  const auto broker = harbour.take();
  Reader at_agent(harbour, **agent);
  Reader at_broker(harbour, *broker);
  for (const char* code : {"AGENT_REVOKED", "AGENT_REPLACED"})
    harbour.listener->run(harbour.berths.cut({.site = SiteId("alpha")}, fail(ErrorKind::unavailable, code, "why").error()));
  CHECK(at_agent.code(harbour) == "AGENT_REVOKED");
  CHECK(at_broker.code(harbour) == "AGENT_REVOKED");
  harbour.end(*broker);
}

TEST_CASE("a farewell cannot speak for this end") {
  Harbour harbour;
  auto agent = harbour.dial();
  REQUIRE(agent);
  const auto broker = harbour.take();
  Reader at_agent(harbour, **agent);
  Reader at_broker(harbour, *broker);
  harbour.listener->run(
      harbour.berths.cut({.site = SiteId("alpha")}, fail(ErrorKind::unavailable, "BROKER_KEY", "it\x1b[31m").error()));
  REQUIRE(at_agent.code(harbour) == "CONNECTION_ENDED");
  CHECK(at_agent.ended->message.contains("BROKER_KEY: it?[31m"));
  CHECK(at_broker.code(harbour) == "BROKER_KEY");
  harbour.end(*broker);
}

TEST_CASE("a revoked agent's connection ends at once, and both ends know why") {
  Harbour harbour;
  auto agent = harbour.dial();
  REQUIRE(agent);
  const auto broker = harbour.take();
  Reader at_agent(harbour, **agent);
  Reader at_broker(harbour, *broker);
  harbour.listener->run(harbour.berths.cut(
      {.site = SiteId("alpha")}, fail(ErrorKind::permission_denied, "AGENT_REVOKED", "an operator has revoked it").error()));
  CHECK(at_agent.code(harbour) == "AGENT_REVOKED");
  CHECK(at_agent.ended->message.contains("an operator has revoked it"));
  CHECK(at_broker.code(harbour) == "AGENT_REVOKED");
  CHECK(harbour.end(*broker).code == "AGENT_REVOKED");
}

TEST_CASE("who does not answer the farewell is cut off all the same") {
  Harbour harbour;
  auto agent = harbour.dial();  // nobody reads there
  REQUIRE(agent);
  const auto broker = harbour.take();
  Reader at_broker(harbour, *broker);
  harbour.listener->run(
      harbour.berths.cut({.site = SiteId("alpha")}, fail(ErrorKind::permission_denied, "AGENT_REVOKED", "revoked").error()));
  CHECK(at_broker.code(harbour) == "AGENT_REVOKED");
  harbour.end(*broker);
}

TEST_CASE("the broker's end greets an agent as soon as it comes, whatever the pause") {
  Harbour harbour;
  async::SystemRandom random;
  hansa::test::SilentLog log;
  auto nothing = [](std::string, Json, async::Deadline) -> async::Task<Json> { co_return Json::object(); };
  remote::Link link(
      harbour.context.get_executor(), harbour.scheduler, random, log,
      std::make_unique<AgentCarrier>(harbour.context.get_executor(), harbour.berths, BerthId{.site = SiteId("alpha")}), nothing,
      {.site = SiteId("alpha"), .name = "test", .pauses = {.first = 60s, .longest = 60s}});
  const auto absent = harbour.run(link.connection(async::Deadline::in(harbour.scheduler, 10s)));
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == "AGENT_ABSENT");
  CHECK(absent.error().message.contains("hansa site show alpha"));

  auto agent = harbour.dial();
  REQUIRE(agent);
  auto serve = [](std::string method, Json, async::Deadline) -> async::Task<Json> {
    if (method == protocol::method::initialize) co_return Json{{"version", 1}, {"name", "it"}, {"site", "alpha"}};
    co_return Json{{"did", method}};
  };
  protocol::Session session(harbour.context.get_executor(), harbour.scheduler, std::move(*agent), serve);
  auto run = [](protocol::Session* of) -> boost::asio::awaitable<void> { (void)co_await of->run(); };
  boost::asio::co_spawn(harbour.context, run(&session), [](const std::exception_ptr&) {});
  auto connection = harbour.run(link.connection(async::Deadline::in(harbour.scheduler, 10s)));
  for (int i = 0; i < 100 && !connection; ++i) {
    harbour.wait_a_moment();
    connection = harbour.run(link.connection(async::Deadline::in(harbour.scheduler, 10s)));
  }
  REQUIRE(connection);
  const auto answer = harbour.run(connection->session->call("x", Json::object(), async::Deadline::in(harbour.scheduler, 10s)));
  REQUIRE(answer);
  CHECK((*answer)["did"] == "x");
  CHECK(harbour.run(link.close()));
  harbour.wait_a_moment();
  CHECK(session.ended());
}

}  // namespace hansa::connectors::websocket::test
