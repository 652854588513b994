// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/person_agents.hpp"

#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <memory>
#include <string>

using namespace hansa;
using namespace hansa::identity;
using namespace std::chrono_literals;

namespace {

using What = ports::PersonAgentEvent::What;

struct MemoryPersonAgents : ports::PersonAgentStore {
  std::vector<ports::PersonAgentEvent> kept;
  std::optional<Error> refuse;

  std::size_t most = 1'000;  // then it is full

  async::Task<std::int64_t> record_person_agent_event(ports::PersonAgentEvent event) override {
    if (kept.size() >= most) co_return fail(ErrorKind::storage_full, "STORAGE_FULL", "full");
    if (refuse) co_return std::unexpected(*refuse);
    event.sequence = static_cast<std::int64_t>(kept.size()) + 1;
    kept.push_back(event);
    co_return event.sequence;
  }
  async::Task<std::vector<ports::PersonAgentEvent>> person_agent_events(UtcTime since) override {
    auto events = kept;
    std::erase_if(events, [&](const auto& event) { return event.session_until <= since; });
    co_return events;
  }
};

const SiteId kLumi("lumi"), kMahti("mahti"), kStrict("strict");
const Principal kHer("local:alice"), kHim("local:bob"), kStranger("local:stranger"), kBoss("local:operator");

struct Door {
  simulation::VirtualScheduler time;
  simulation::SeededRandom random{7};
  MemoryPersonAgents store;
  std::vector<std::string> ended;
  std::set<Principal> strangers{kStranger};
  std::unique_ptr<PersonAgentRegister> people = again();

  std::unique_ptr<PersonAgentRegister> again() {
    return std::make_unique<PersonAgentRegister>(
        time, random, store,
        std::map<SiteId, PersonAgentSite>{{kLumi, {.terms = PersonAgentSite::Terms::allowed, .longest = Seconds{7'200}}},
                                          {kMahti, {}},
                                          {kStrict, {.terms = PersonAgentSite::Terms::forbidden}}},
        [this](const SiteId&, const Principal& person) -> Result<void> {
          if (!strangers.contains(person)) return {};
          return fail(ErrorKind::permission_denied, "NO_ACCOUNT", "no account");
        },
        [this](const SiteId& site, const Principal& person, const Error& why) {
          ended.push_back(site.str() + " " + person.str() + " " + why.code);
        });
  }
  void restart() {
    people = again();
    REQUIRE(run(people->load()));
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
  std::string invite(const Principal& person = kHer, const SiteId& site = kLumi, std::optional<Seconds> wish = std::nullopt) {
    const auto made = run(people->invite(site, person, wish));
    REQUIRE(made);
    CHECK(made->token.reveal().starts_with("hansa_berth_"));
    return "Bearer " + std::string(made->token.reveal());
  }
  std::string admit(const std::string& token, const std::string& key = "k1", const SiteId& site = kLumi) {
    const auto done = run(people->admit(site, key, token, "192.0.2.7:1"));
    return done ? done->str() : done.error().code;
  }
  std::string refusal(const SiteId& site, const Principal& person, std::optional<Seconds> wish = std::nullopt) {
    const auto made = run(people->invite(site, person, wish));
    return made ? "OK" : made.error().code;
  }
  [[nodiscard]] int count(What what) const {
    return static_cast<int>(std::ranges::count(store.kept, what, &ports::PersonAgentEvent::what));
  }
};

}  // namespace

TEST_CASE("a token lets one agent in and that one again for the session's time") {
  Door door;
  const auto token = door.invite();
  CHECK(door.admit(token, "") == "NO_KEY");
  CHECK(door.admit(token) == "local:alice");
  CHECK(door.admit(token) == "local:alice");  // as the listener asks twice, and after a cut
  CHECK(door.count(What::begun) == 1);
  door.time.advance(1h);
  CHECK(door.admit(token) == "local:alice");
  door.time.advance(1h);
  CHECK(door.admit(token) == "SESSION_OVER");
}

TEST_CASE("a token that somebody else has is of no use and that is on record") {
  Door door;
  const auto token = door.invite();
  REQUIRE(door.admit(token, "k1") == "local:alice");
  for (int i = 0; i < 20; ++i) CHECK(door.admit(token, "thief" + std::to_string(i)) == "BERTH_USED");
  CHECK(door.count(What::misused) == 5);  // a flood of them fills no disk
  CHECK(door.store.kept.back().key == "thief4");
  CHECK(door.admit(token, "k1") == "local:alice");
  const auto other = door.invite(kHim);
  CHECK(door.admit(other, "k1", kMahti) == "BERTH_OF_ANOTHER_SITE");
  CHECK(door.store.kept.back().what == What::misused);
  CHECK(door.admit(other, "k1", SiteId("nowhere")) == "NO_PERSON_AGENTS");
  CHECK(door.admit(other) == "local:bob");  // whose token it is says who is served, whatever the key
  for (const auto* nonsense : {"", "Bearer ", "Bearer hansa_berth_", "Bearer hansa_0", "Basic eDp5"})
    CHECK(door.admit(nonsense) == "BERTH_UNKNOWN");
  CHECK(door.admit("Bearer hansa_berth_" + std::string(10'000, 'x')) == "BERTH_UNKNOWN");
}

TEST_CASE("a token that is not used within minutes is of no use") {
  Door door;
  const auto token = door.invite();
  door.time.advance(301s);
  CHECK(door.admit(token) == "BERTH_EXPIRED");
  const auto made = door.run(door.people->invite(kLumi, kHer, Seconds{60}));
  REQUIRE(made);
  CHECK(made->token_until == made->session_until);
}

TEST_CASE("a broker that is started again knows whose sessions last") {
  Door door;
  const auto token = door.invite();
  const auto unused = door.invite();
  REQUIRE(door.admit(token) == "local:alice");
  door.restart();
  CHECK(door.admit(token, "thief") == "BERTH_USED");
  CHECK(door.admit(token) == "local:alice");
  CHECK(door.admit(unused, "k2") == "local:alice");
  door.time.advance(2h);
  door.restart();
  CHECK(door.admit(token) == "BERTH_UNKNOWN");
}

TEST_CASE("what could not be stored lets nobody in and may be tried again") {
  Door door;
  const auto token = door.invite();
  door.store.refuse = fail(ErrorKind::storage_full, "STORAGE_FULL", "full").error();
  CHECK(door.admit(token) == "STORAGE_FULL");
  CHECK(door.refusal(kLumi, kHer) == "STORAGE_FULL");
  door.store.refuse.reset();
  CHECK(door.admit(token) == "local:alice");
}

TEST_CASE("an end counts for all sessions of a person there and cuts the connection") {
  Door door;
  const auto first = door.invite(), second = door.invite(), his = door.invite(kHim);
  REQUIRE(door.admit(first) == "local:alice");
  REQUIRE(door.admit(his, "k9") == "local:bob");
  const auto ended = door.run(door.people->end(kLumi, kHer, kBoss, "left the project"));
  REQUIRE(ended);
  CHECK(*ended == 2);
  CHECK(door.ended == std::vector<std::string>{"lumi local:alice SESSION_ENDED"});
  CHECK(door.admit(first) == "SESSION_ENDED");
  CHECK(door.admit(second, "k2") == "SESSION_ENDED");
  CHECK(door.admit(his, "k9") == "local:bob");
  CHECK(door.store.kept.back().by == kBoss);
  door.restart();
  CHECK(door.admit(first) == "SESSION_ENDED");
  CHECK(*door.run(door.people->end(kLumi, kHer, kHer, "")) == 0);
}

TEST_CASE("of an end that is stored in part what is stored counts and cuts the connection") {
  Door door;
  const auto first = door.invite(), second = door.invite();
  REQUIRE(door.admit(first) == "local:alice");
  REQUIRE(door.admit(second, "k2") == "local:alice");
  const auto full = door.store.kept.size();
  door.store.most = full;
  CHECK_FALSE(door.run(door.people->end(kLumi, kHer, kHer, "")));
  CHECK(door.ended.empty());
  door.store.most = full + 1;
  CHECK_FALSE(door.run(door.people->end(kLumi, kHer, kHer, "")));
  CHECK(door.ended == std::vector<std::string>{"lumi local:alice SESSION_ENDED"});
  door.store.most = full + 10;
  const auto rest = door.run(door.people->end(kLumi, kHer, kHer, ""));
  REQUIRE(rest);
  CHECK(*rest == 1);
  CHECK(door.ended.size() == 2);
}

TEST_CASE("who has no account and where the terms forbid it nobody is let in") {
  Door door;
  CHECK(door.refusal(kLumi, kStranger) == "NO_ACCOUNT");
  CHECK(door.refusal(kStrict, kHer) == "TERMS_FORBID");
  CHECK(door.refusal(SiteId("nowhere"), kHer) == "NO_PERSON_AGENTS");
  CHECK(door.refusal(kMahti, kHer) == "OK");  // nobody has stated anything: the doctor asks
  for (const auto wish : {Seconds{59}, Seconds{7'201}}) CHECK(door.refusal(kLumi, kHer, wish) == "SESSION_TOO_LONG");
  const auto token = door.invite();
  door.strangers.insert(kHer);
  CHECK(door.admit(token) == "NO_ACCOUNT");
  door.strangers.clear();
  CHECK(door.admit(token) == "local:alice");
  CHECK(door.admit(token, "k1", kStrict) == "TERMS_FORBID");
}

TEST_CASE("nobody asks for tokens without end") {
  Door door;
  for (int i = 0; i < 30; ++i) CHECK(door.refusal(kLumi, kHer) == "OK");
  CHECK(door.refusal(kLumi, kHer) == "TOO_MANY_BERTHS");
  CHECK(door.refusal(kLumi, kHim) == "OK");
  CHECK(door.refusal(kMahti, kHer) == "OK");
  door.time.advance(61min);
  CHECK(door.refusal(kLumi, kHer) == "OK");
}

TEST_CASE("who is connected and until when") {
  Door door;
  CHECK(door.people->states(kLumi).empty());
  CHECK_FALSE(door.people->connected_until(kLumi, kHer));
  const auto token = door.invite(kHer, kLumi, Seconds{3'600});
  REQUIRE(door.admit(token) == "local:alice");
  const auto until = door.time.now_utc() + Seconds{3'600};
  door.people->connected(kLumi, kHer, "k1", {.since = door.time.now_utc(), .peer = "192.0.2.7:1", .name = "hansa-agent"});
  CHECK(door.people->connected_until(kLumi, kHer) == until);
  CHECK(door.people->connections(kLumi) == 1);
  REQUIRE(door.people->states(kLumi).size() == 1);
  CHECK(door.people->states(kLumi)[0].connection->peer == "192.0.2.7:1");
  CHECK(door.people->states(kMahti).empty());
  // The end of an old connection is no end of the one that has taken its place.
  door.people->disconnected(kLumi, kHer, "192.0.2.7:0", fail(ErrorKind::unavailable, "AGENT_REPLACED", "replaced").error());
  CHECK(door.people->connected_until(kLumi, kHer));
  door.people->disconnected(kLumi, kHer, "192.0.2.7:1", fail(ErrorKind::unavailable, "CONNECTION_CUT", "cut").error());
  CHECK_FALSE(door.people->connected_until(kLumi, kHer));
  const auto state = door.people->state(kLumi, kHer);
  REQUIRE(state);
  CHECK(state->session_until == until);
  CHECK(state->last_failure->code == "CONNECTION_CUT");
  CHECK(door.people->states(kLumi).size() == 1);  // the session lasts
  door.people->connected(kLumi, kHer, "k1", {.since = door.time.now_utc(), .peer = "192.0.2.7:2", .name = "hansa-agent"});
  door.time.advance(1h - 1ms);
  CHECK(door.people->connected_until(kLumi, kHer) == until);
  door.time.advance(1ms);
  CHECK_FALSE(door.people->connected_until(kLumi, kHer));  // the connection still lies there
  door.people->disconnected(kLumi, kHer, "192.0.2.7:2", fail(ErrorKind::unavailable, "CONNECTION_CUT", "cut").error());
  CHECK(door.people->states(kLumi).empty());
}
