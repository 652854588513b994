// SPDX-License-Identifier: Apache-2.0
// Break-glass for its time and no longer: by a clock that steps, over restarts, when people are shut out, when another broker has
// taken over.
#include "broker/engine/break_glass_register.hpp"
#include "broker/store/sqlite_store.hpp"
#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>

using namespace hansa;
using domain::BreakGlass;
using domain::BreakGlassState;
using namespace std::chrono_literals;

namespace {

const Principal kOp("local:op"), kSecond("local:op-2"), kAlice("local:alice"), kBob("local:bob");

struct Silence final : ports::Log {
  void write(ports::LogLevel, std::string_view, std::initializer_list<ports::LogField>) override {}
};

/// A broker's register, which can be stopped and started again on what it has stored.
class Incident {
 public:
  Incident() {
    auto opened = store::SqliteStore::open({.file = ":memory:", .broker_id = "b1", .inline_mode = true});
    REQUIRE(opened);
    store = std::move(*opened);
    start();
  }
  ~Incident() { stop(); }
  Incident(const Incident&) = delete;
  Incident& operator=(const Incident&) = delete;

  void start() {
    const auto epoch = store->begin_epoch();
    REQUIRE(epoch);
    glasses = std::make_unique<engine::BreakGlassRegister>(engine::BreakGlassRegister::Parts{
        .strand = time.executor(), .scheduler = time, .ids = ids_, .store = *store, .log = log_, .epoch = *epoch});
    REQUIRE(ask(glasses->start()));
  }
  void stop() {
    if (glasses) (void)ask(glasses->stop());
    glasses.reset();
  }
  template <class T>
  Result<T> ask(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(time.executor(), std::move(task),
                          [&](const std::exception_ptr&, Result<T> result) { outcome.emplace(std::move(result)); });
    time.run_until([&] { return outcome.has_value(); }, 1h);
    REQUIRE(outcome);
    return std::move(*outcome);
  }
  BreakGlass request(std::optional<JobId> of, Seconds lasts = 1h) {
    auto asked = ask(glasses->ask({kOp, "incident 4711"}, {}, {.job = of, .person = kAlice}, lasts));
    REQUIRE(asked);
    return *asked;
  }
  Result<BreakGlass> approve(const BreakGlass& glass, const Principal& by = kSecond) {
    return ask(glasses->rule(glass.id, {.by = by, .makers = {}, .approve = true}));
  }
  BreakGlass open(Seconds lasts = 1h) {
    const auto asked = request(job, lasts);
    const auto approved = approve(asked);
    REQUIRE(approved);
    return *approved;
  }
  /// The code of the refusal; "": it may.
  std::string use(const Principal& by = kOp, const Principal& owner = kAlice) {
    const auto used = ask(glasses->use(by, job, owner, "readJobOutput"));
    return used ? "" : used.error().code;
  }
  BreakGlass found(const BreakGlass& glass) { return ask(store->break_glass(glass.id)).value().glass; }

  simulation::VirtualScheduler time;
  std::unique_ptr<store::SqliteStore> store;
  JobId job = *JobId::parse("01JDA0XJ2GQ4M8T6V9ZK3N5R7W");
  std::unique_ptr<engine::BreakGlassRegister> glasses;

 private:
  simulation::SeededRandom random_{1};
  UlidSource ids_{time, random_};
  Silence log_;
};

}  // namespace

TEST_CASE("break-glass opens to who asked after a second person's yes and ends by itself", "[T27]") {
  Incident broker;
  CHECK(broker.use() == "BREAK_GLASS_NEEDED");
  const auto asked = broker.request(broker.job);
  CHECK(broker.use() == "BREAK_GLASS_PENDING");
  CHECK(broker.approve(asked, kOp).error().code == "SECOND_PERSON");
  CHECK(broker.approve(asked, kAlice).error().code == "SECOND_PERSON");
  CHECK(broker.use() == "BREAK_GLASS_PENDING");
  broker.time.advance(10min);  // its time begins with the approval
  REQUIRE(broker.approve(asked));
  CHECK(broker.use().empty());
  CHECK(broker.use(kSecond) == "BREAK_GLASS_NEEDED");
  CHECK(broker.use(kOp, kBob) == "BREAK_GLASS_NEEDED");
  broker.time.advance(1h - 1s);
  CHECK(broker.use().empty());
  CHECK(broker.glasses->still_open(asked.id));
  broker.time.advance(2s);
  CHECK(broker.glasses->still_open(asked.id).error().code == "BREAK_GLASS_ENDED");
  CHECK(broker.use() == "BREAK_GLASS_ENDED");
  const auto over = broker.found(asked);
  CHECK(over.state == BreakGlassState::ended);
  CHECK(over.why == domain::kEndedInTime);
  CHECK(over.uses == 2);
  CHECK(over.ended_by.empty());
}

TEST_CASE("break-glass is no longer than it may be and asked for once") {
  Incident broker;
  const auto refused = [&](Seconds lasts, const Principal& of) {
    const auto asked = broker.ask(broker.glasses->ask({kOp, "r"}, {}, {.job = std::nullopt, .person = of}, lasts));
    return asked ? "" : asked.error().code;
  };
  CHECK(refused(59s, kAlice) == "BAD_BREAK_GLASS");
  CHECK(refused(8h + 1s, kAlice) == "BAD_BREAK_GLASS");
  CHECK(refused(1h, kOp) == "BAD_BREAK_GLASS");  // one's own is open
  CHECK(refused(8h, kAlice).empty());
  CHECK(refused(60s, kAlice) == "ALREADY_PENDING");
  broker.time.advance(25h);  // nobody looked
  CHECK(refused(60s, kAlice).empty());
}

TEST_CASE("what nobody approved within a day ends by itself also where it lapsed while nobody was there") {
  Incident broker;
  const auto glass = broker.request(broker.job), other = broker.request(std::nullopt);
  broker.time.advance(24h - 1s);
  CHECK(broker.found(glass).state == BreakGlassState::pending);
  broker.time.advance(2s);
  for (const auto& one : {glass, other}) {
    CHECK(broker.found(one).state == BreakGlassState::ended);
    CHECK(broker.found(one).why == domain::kEndedStale);
    CHECK(broker.found(one).ended_by.empty());
  }
  const auto late = broker.request(broker.job);
  broker.stop();
  broker.time.advance(25h);
  CHECK(broker.found(late).state == BreakGlassState::pending);
  broker.start();
  broker.time.advance(1s);
  CHECK(broker.found(late).why == domain::kEndedStale);
  const auto stepped = broker.request(broker.job);
  broker.time.step_utc(25h);
  broker.time.advance(1h + 1s);
  CHECK(broker.found(stepped).why == domain::kEndedStale);
}

TEST_CASE("a clock that steps back does not lengthen break-glass and one that steps on ends it", "[T27]") {
  Incident broker;
  const auto glass = broker.open();
  broker.time.advance(30min);
  broker.time.step_utc(-10h);
  CHECK(broker.use().empty());
  broker.time.advance(30min + 1s);
  CHECK(broker.use() == "BREAK_GLASS_ENDED");
  CHECK(broker.found(glass).state == BreakGlassState::ended);
  broker.time.step_utc(-10h);
  CHECK(broker.use() == "BREAK_GLASS_ENDED");  // nor is it opened again

  const auto other = broker.open();
  CHECK(broker.use().empty());
  broker.time.step_utc(2h);
  CHECK(broker.use() == "BREAK_GLASS_ENDED");
  broker.time.advance(2min);
  CHECK(broker.found(other).state == BreakGlassState::ended);
}

TEST_CASE("break-glass goes on over a restart with what is left of it", "[T27]") {
  Incident broker;
  const auto glass = broker.open();
  broker.time.advance(30min);
  broker.stop();
  broker.time.advance(10min);
  broker.start();
  CHECK(broker.use().empty());
  broker.time.advance(20min - 1s);
  CHECK(broker.use().empty());
  broker.time.advance(2s);
  CHECK(broker.use() == "BREAK_GLASS_ENDED");

  const auto next = broker.open();
  broker.stop();
  broker.time.advance(2h);  // it ends while nobody is there
  broker.start();
  broker.time.advance(1s);
  CHECK(broker.found(next).state == BreakGlassState::ended);
  CHECK(broker.use() == "BREAK_GLASS_ENDED");
  CHECK(broker.found(glass).uses == 2);
}

TEST_CASE("a clock that went back during a restart gives break-glass no time again") {
  Incident broker;
  const auto glass = broker.open();
  broker.time.advance(50min);
  broker.stop();
  broker.time.step_utc(-3h);
  broker.start();
  CHECK(broker.use().empty());
  broker.time.advance(11min + 1s);  // it was seen open each minute
  CHECK(broker.use() == "BREAK_GLASS_ENDED");
  CHECK(broker.found(glass).state == BreakGlassState::ended);
}

TEST_CASE("break-glass is ended by hand and with who asked or approved", "[T27]") {
  Incident broker;
  const auto by_hand = broker.open();
  REQUIRE(broker.ask(broker.glasses->end(by_hand.id, kSecond)));
  CHECK(broker.use() == "BREAK_GLASS_ENDED");
  CHECK(broker.found(by_hand).ended_by == kSecond);
  CHECK(broker.approve(by_hand).error().code == "NOT_PENDING");
  for (const auto& person : {kOp, kSecond}) {
    const auto glass = broker.open();
    CHECK(broker.use().empty());
    REQUIRE(broker.ask(broker.glasses->end_those_of(kBob.str(), Principal("local:op-3"))));
    CHECK(broker.use().empty());
    REQUIRE(broker.ask(broker.glasses->end_those_of(person.str(), Principal("local:op-3"))));
    CHECK(broker.use() == "BREAK_GLASS_ENDED");
    CHECK(broker.found(glass).why == domain::kEndedRevoked);
  }
  const auto by_other = broker.request(broker.job);
  REQUIRE(broker.approve(by_other, Principal("egi:op:2")));
  for (const auto* other : {"eg", "egi:op", "egi:o", "loca"}) {
    REQUIRE(broker.ask(broker.glasses->end_those_of(other, Principal("local:op-3"))));
    CHECK(broker.use().empty());
  }
  REQUIRE(broker.ask(broker.glasses->end_those_of("egi", Principal("local:op-3"))));  // an issuer, with all of its people
  CHECK(broker.use() == "BREAK_GLASS_ENDED");
  CHECK(broker.found(by_other).why == domain::kEndedRevoked);
  const auto waits = broker.request(std::nullopt);
  REQUIRE(broker.ask(broker.glasses->end_those_of(kOp.str(), Principal("local:op-3"))));
  CHECK(broker.approve(waits).error().code == "NOT_PENDING");
}

TEST_CASE("what is open and what waits for a second person is counted as it changes and over a restart") {
  Incident broker;
  using Counts = std::array<std::int64_t, 3>;
  const auto counts = [&] {
    const auto figures = broker.glasses->figures();
    return Counts{figures.open, figures.pending, figures.approved};
  };
  CHECK(counts() == Counts{0, 0, 0});
  const auto first = broker.request(broker.job), second = broker.request(std::nullopt);
  CHECK(counts() == Counts{0, 2, 0});
  CHECK_FALSE(broker.approve(first, kOp));
  CHECK(counts() == Counts{0, 2, 0});
  REQUIRE(broker.approve(first));
  CHECK(counts() == Counts{1, 1, 1});
  REQUIRE(broker.ask(broker.glasses->rule(second.id, {.by = kSecond, .makers = {}, .approve = false})));
  CHECK(counts() == Counts{1, 0, 1});
  const auto third = broker.request(std::nullopt, 2h);
  broker.stop();
  broker.start();
  CHECK(counts() == Counts{1, 1, 0});
  REQUIRE(broker.approve(third));
  CHECK(counts() == Counts{2, 0, 1});
  broker.time.advance(1h + 1s);
  CHECK(counts() == Counts{1, 0, 1});
  REQUIRE(broker.ask(broker.glasses->end(third.id, kSecond)));
  CHECK(counts() == Counts{0, 0, 1});
  REQUIRE(broker.ask(broker.glasses->end(broker.request(broker.job).id, kOp)));
  CHECK(counts() == Counts{0, 0, 1});
  (void)broker.request(broker.job);
  CHECK(counts() == Counts{0, 1, 1});
  broker.time.advance(24h + 1s);  // nobody approved it
  CHECK(counts() == Counts{0, 0, 1});
  REQUIRE(broker.store->begin_epoch());  // another broker has taken over
  CHECK_FALSE(broker.ask(broker.glasses->ask({kOp, "r"}, {}, {.job = broker.job, .person = kAlice}, 1h)));
  CHECK(counts() == Counts{0, 0, 1});
}

TEST_CASE("a broker that another has replaced opens nothing", "[T27]") {
  Incident broker;
  (void)broker.open();
  CHECK(broker.use().empty());
  REQUIRE(broker.store->begin_epoch());
  CHECK(broker.use() == "STALE_EPOCH");
}

TEST_CASE("break-glass of a person opens all that is theirs") {
  Incident broker;
  REQUIRE(broker.approve(broker.request(std::nullopt)));
  CHECK(broker.use().empty());
  CHECK(broker.ask(broker.glasses->use(kOp, std::nullopt, kAlice, "exportPerson")));
  CHECK(broker.ask(broker.glasses->use(kOp, std::nullopt, kBob, "exportPerson")).error().code == "BREAK_GLASS_NEEDED");
}
