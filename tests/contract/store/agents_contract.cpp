// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;

TEST_CASE("what became of sites' agents is kept in its order, over a restart") {
  auto store = next_store();
  using What = ports::AgentEvent::What;
  std::vector<ports::AgentEvent> events{{.site = SiteId("alpha"),
                                         .what = What::invited,
                                         .at = at(1),
                                         .by = Principal("local:op"),
                                         .token_hash = std::string(64, 'a'),
                                         .expires_at = at(90)},
                                        {.site = SiteId("beta"),
                                         .what = What::invited,
                                         .at = at(2),
                                         .by = Principal("local:op"),
                                         .token_hash = std::string(64, 'b'),
                                         .expires_at = at(91)},
                                        {.site = SiteId("alpha"),
                                         .what = What::enrolled,
                                         .at = at(3),
                                         .token_hash = std::string(64, 'a'),
                                         .key = "sha256:1",
                                         .peer = "192.0.2.7:1"},
                                        {.site = SiteId("alpha"),
                                         .what = What::revoked,
                                         .at = at(4),
                                         .by = Principal("local:op"),
                                         .reason = "lost; \"really\" \xC3\xA5"}};
  for (auto& event : events) {
    const auto sequence = store->wait(store->agents().record_agent_event(event));
    REQUIRE(sequence);
    event.sequence = *sequence;
  }
  for (std::size_t i = 1; i < events.size(); ++i) CHECK(events[i].sequence > events[i - 1].sequence);
  CHECK(store->wait(store->agents().agent_events()).value() == events);
  store->reopen();
  CHECK(store->wait(store->agents().agent_events()).value() == events);
}

TEST_CASE("what became of people's own agents is kept for as long as their sessions last") {
  auto store = next_store();
  using What = ports::PersonAgentEvent::What;
  const auto event = [](What what, const std::string& token, int at_s, int until_s) {
    return ports::PersonAgentEvent{.site = SiteId("alpha"),
                                   .person = Principal("local:alice"),
                                   .what = what,
                                   .at = at(at_s),
                                   .token_hash = std::string(64, token[0]),
                                   .token_until = at(at_s + 5),
                                   .session_until = at(until_s)};
  };
  std::vector<ports::PersonAgentEvent> events{event(What::invited, "a", 1, 100), event(What::invited, "b", 2, 50),
                                              event(What::begun, "a", 3, 100), event(What::misused, "a", 4, 100),
                                              event(What::ended, "a", 5, 100)};
  events[2].key = "sha256:1";
  events[3].peer = "192.0.2.7:1";
  events[4].by = Principal("local:op");
  events[4].reason = "lost; \"really\" \xC3\xA5";
  for (auto& one : events) {
    const auto sequence = store->wait(store->person_agents().record_person_agent_event(one));
    REQUIRE(sequence);
    one.sequence = *sequence;
  }
  CHECK(store->wait(store->person_agents().person_agent_events(at(0))).value() == events);
  store->reopen();
  CHECK(store->wait(store->person_agents().person_agent_events(at(49))).value() == events);
  std::erase_if(events, [](const auto& one) { return one.session_until == at(50); });
  CHECK(store->wait(store->person_agents().person_agent_events(at(50))).value() == events);
  CHECK(store->wait(store->person_agents().person_agent_events(at(100)))->empty());
}
