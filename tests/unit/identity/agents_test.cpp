// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/agents.hpp"

#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <string>

using namespace hansa;
using namespace hansa::identity;

namespace {

struct MemoryAgents : ports::AgentStore {
  std::vector<ports::AgentEvent> kept;
  std::optional<Error> refuse;

  async::Task<std::int64_t> record_agent_event(ports::AgentEvent event) override {
    if (refuse) co_return std::unexpected(*refuse);
    event.sequence = static_cast<std::int64_t>(kept.size()) + 1;
    kept.push_back(event);
    co_return event.sequence;
  }
  async::Task<std::vector<ports::AgentEvent>> agent_events() override { co_return kept; }
};

const SiteId kAlpha("alpha"), kBeta("beta");
const Principal kOperator("local:operator");

struct Gate {
  simulation::VirtualScheduler time;
  simulation::SeededRandom random{7};
  MemoryAgents store;
  std::vector<std::pair<SiteId, std::string>> revoked;
  AgentRegister agents = again();

  AgentRegister again() {
    return {time, random, store, {kAlpha, kBeta}, [this](const SiteId& site, const Error& why) {
              revoked.emplace_back(site, why.code);
            }};
  }
  template <class T>
  Result<T> run(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(time.context(), async::detail::keep(&outcome, std::move(task)), [](const std::exception_ptr& e) {
      if (e) std::rethrow_exception(e);
    });
    time.run_ready();
    REQUIRE(outcome);
    return std::move(*outcome);
  }
  std::string invite(const SiteId& site = kAlpha, Seconds valid = Seconds{3'600}) {
    const auto made = run(agents.invite(site, kOperator, valid));
    REQUIRE(made);
    return "Bearer " + std::string(made->token.reveal());
  }
  std::string enrol(const std::string& key, const std::string& token, const SiteId& site = kAlpha) {
    const auto done = run(agents.enrol(site, key, token, "192.0.2.7:1"));
    return done ? "OK" : done.error().code;
  }
  std::string admit(const std::string& key, const SiteId& site = kAlpha) {
    const auto done = agents.admit(site, key, "192.0.2.7:1");
    return done ? "OK" : done.error().code;
  }
};

}  // namespace

TEST_CASE("a token binds a site to a key once, and asking again with the same is harmless") {
  Gate gate;
  CHECK(gate.admit("k1") == "AGENT_NOT_ENROLLED");
  const auto token = gate.invite();
  CHECK(gate.enrol("", token) == "NO_KEY");
  CHECK(gate.enrol("k1", token) == "OK");
  CHECK(gate.admit("k1") == "OK");
  CHECK(gate.enrol("k1", token) == "OK");  // its answer was lost
  CHECK(gate.enrol("k2", token) == "ENROLMENT_USED");
  CHECK(gate.admit("k2") == "AGENT_NOT_ENROLLED");
  CHECK(gate.admit("k1") == "OK");
  CHECK(gate.store.kept.size() == 2);
  for (const auto& event : gate.store.kept) CHECK_FALSE(token.contains(event.token_hash));  // no part of it is kept
  CHECK(gate.revoked.empty());
}

TEST_CASE("an enrolment token is good for its site, until its time or the next one") {
  Gate gate;
  const auto first = gate.invite();
  CHECK(gate.enrol("k1", first, kBeta) == "ENROLMENT_UNKNOWN");
  CHECK(gate.enrol("k1", "Bearer hansa_enrol_x") == "ENROLMENT_UNKNOWN");
  CHECK(gate.enrol("k1", "") == "ENROLMENT_UNKNOWN");
  CHECK(gate.enrol("k1", "Basic abc") == "ENROLMENT_UNKNOWN");
  CHECK(gate.enrol("k1", "Bearer " + std::string(10'000, 'x')) == "ENROLMENT_UNKNOWN");
  const auto second = gate.invite();
  CHECK(gate.enrol("k1", first) == "ENROLMENT_USED");
  gate.time.advance(Seconds{3'600});
  CHECK(gate.enrol("k1", second) == "ENROLMENT_EXPIRED");
  CHECK(gate.run(gate.agents.invite(SiteId("gamma"), kOperator, Seconds{1})).error().code == "NO_AGENT_SITE");
  CHECK(gate.enrol("k1", gate.invite()) == "OK");
}

TEST_CASE("an agent of another site is refused, and the site's own shows it") {
  Gate gate;
  gate.enrol("ka", gate.invite());
  gate.enrol("kb", gate.invite(kBeta), kBeta);
  CHECK(gate.admit("kb") == "AGENT_OF_ANOTHER_SITE");
  CHECK(gate.admit("ka", kBeta) == "AGENT_OF_ANOTHER_SITE");
  CHECK(gate.admit("ka", SiteId("gamma")) == "NO_AGENT_SITE");
  CHECK(gate.admit("") == "NO_KEY");
  const auto state = gate.agents.state(kAlpha);
  REQUIRE(state);
  REQUIRE(state->last_failure);
  CHECK(state->last_failure->code == "AGENT_OF_ANOTHER_SITE");
  CHECK(state->last_failure->peer == "192.0.2.7:1");
  CHECK_FALSE(state->last_failure->message.contains("beta"));  // whose key it is, is for the log
}

TEST_CASE("what is revoked counts no more, from when it is durable, and is told") {
  Gate gate;
  gate.enrol("k1", gate.invite());
  const auto open = gate.invite();
  gate.store.refuse = fail(ErrorKind::storage_full, "STORAGE_FULL", "no space").error();
  CHECK(gate.run(gate.agents.revoke(kAlpha, kOperator, "lost")).error().code == "STORAGE_FULL");
  CHECK(gate.admit("k1") == "OK");
  gate.store.refuse.reset();
  REQUIRE(gate.run(gate.agents.revoke(kAlpha, kOperator, "lost")));
  CHECK(gate.revoked == std::vector<std::pair<SiteId, std::string>>{{kAlpha, "AGENT_REVOKED"}});
  CHECK(gate.admit("k1") == "AGENT_REVOKED");
  CHECK(gate.enrol("k1", open) == "ENROLMENT_USED");
  CHECK(gate.enrol("k2", gate.invite()) == "OK");
  CHECK(gate.admit("k1") == "AGENT_REVOKED");
  CHECK(gate.enrol("k3", gate.invite()) == "OK");  // a new key takes the old one's place
  CHECK(gate.revoked.size() == 2);
  CHECK(gate.admit("k2") == "AGENT_REVOKED");
  CHECK(gate.admit("k3") == "OK");
}

TEST_CASE("a failed write leaves a token to be used") {
  Gate gate;
  const auto token = gate.invite();
  gate.store.refuse = fail(ErrorKind::storage_full, "STORAGE_FULL", "no space").error();
  CHECK(gate.enrol("k1", token) == "STORAGE_FULL");
  CHECK(gate.admit("k1") == "AGENT_NOT_ENROLLED");
  gate.store.refuse.reset();
  CHECK(gate.enrol("k1", token) == "OK");
}

TEST_CASE("a use of a token that was taken back before it was durable does not count") {
  Gate gate;
  const auto token = gate.invite();
  gate.enrol("k1", token);
  // As if the revocation had been recorded first.
  std::swap(gate.store.kept[1].sequence, gate.store.kept[0].sequence);
  gate.store.kept = {gate.store.kept[1], gate.store.kept[0]};
  auto again = gate.again();
  CHECK_FALSE(again.admit(kAlpha, "k1", "p"));
  REQUIRE(gate.run(again.load()));
  CHECK_FALSE(again.admit(kAlpha, "k1", "p"));
}

TEST_CASE("after a restart the log says whose agent is whose") {
  Gate gate;
  const auto token = gate.invite();
  gate.enrol("k1", token);
  const auto open = gate.invite(kBeta);
  auto again = gate.again();
  CHECK_FALSE(again.admit(kAlpha, "k1", "p"));
  REQUIRE(gate.run(again.load()));
  CHECK(again.admit(kAlpha, "k1", "p"));
  CHECK(gate.run(again.enrol(kAlpha, "k2", token, "p")).error().code == "ENROLMENT_USED");
  CHECK(again.state(kBeta)->invited_until);
  CHECK(gate.run(again.enrol(kBeta, "k2", open, "p")));
  CHECK(again.events(kAlpha).size() == 2);
  CHECK(again.events(kAlpha)[1].what == ports::AgentEvent::What::enrolled);
}

TEST_CASE("connections are told as they come and go, each end by its own connection") {
  Gate gate;
  gate.agents.connected(kAlpha, {.since = gate.time.now_utc(), .peer = "p1", .name = "hansa-agent 1"});
  gate.agents.connected(kAlpha, {.since = gate.time.now_utc(), .peer = "p2", .name = "hansa-agent 1"});
  gate.agents.disconnected(kAlpha, "p1", fail(ErrorKind::unavailable, "CONNECTION_CUT", "cut").error());
  auto state = *gate.agents.state(kAlpha);
  REQUIRE(state.connection);
  CHECK(state.connection->peer == "p2");
  CHECK(state.last_failure->code == "CONNECTION_CUT");
  gate.agents.disconnected(kAlpha, "p2", fail(ErrorKind::unavailable, "CONNECTION_SILENT", "silent").error());
  CHECK_FALSE(gate.agents.state(kAlpha)->connection);
  CHECK_FALSE(gate.agents.state(SiteId("gamma")));
}
