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
