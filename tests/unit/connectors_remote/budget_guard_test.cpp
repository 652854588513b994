// SPDX-License-Identifier: Apache-2.0
// The site's own load budget: kept to the letter, whatever is asked and over all processes of the agent, and what is over it has
// not left.
#include "connectors/agent/budget_guard.hpp"

#include "broker/core/time_text.hpp"
#include "tests/testbed/temporary_folder.hpp"
#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/connectors_remote/recording_connector.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <string>

using namespace hansa;
using namespace hansa::connectors;
using namespace hansa::connectors::agent;
using namespace std::chrono_literals;
using Rate = LoadBook::Rate;
using Catch::Contains;

namespace {

const SiteId kAlpha("alpha");

/// One process of the agent, its site, and a clock that the test moves. Processes share a folder.
struct Agent {
  Agent(const std::string& folder, domain::LoadBudget budget, boost::asio::io_context& context, async::ManualScheduler& clock)
      : io(context), time(clock), book(std::make_shared<LoadBook>(LoadBook::open(folder, kAlpha, std::move(budget)).value())) {}

  auto submit(Milliseconds within = 60s) {
    return async::start(io.get_executor(), guard.submit({}, async::Deadline::in(time, within)));
  }
  auto snapshot(Milliseconds within = 60s) {
    return async::start(io.get_executor(), guard.snapshot(async::Deadline::in(time, within)));
  }
  auto read(Milliseconds within = 60s) {
    return async::start(io.get_executor(), guard.read_output({}, ports::Stream::out, 0, 1, async::Deadline::in(time, within)));
  }
  boost::asio::io_context& io;
  async::ManualScheduler& time;
  RecordingConnector site;
  test::SilentLog log;
  std::shared_ptr<LoadBook> book;
  BudgetGuard guard{site, kAlpha, io.get_executor(), time, log, book};
};

struct Ground {
  Agent agent(domain::LoadBudget budget) { return {folder.path(), std::move(budget), io, time}; }
  test::TemporaryFolder folder;
  boost::asio::io_context io;
  async::ManualScheduler time{io};
};

template <typename T>
std::string code_of(const async::Started<Result<T>>& call) {
  if (!call.ended()) return "waits";
  return call.value() ? "" : call.value().error().code;
}

}  // namespace

TEST_CASE("a call over the budget waits for its turn within half of its time, and else has not left", "[T25]") {
  Ground ground;
  auto agent = ground.agent({.submits_per_minute = 2});
  const auto first = agent.submit(), second = agent.submit();
  const auto late = agent.submit(60s);       // its turn comes in a minute, and half a minute is all it may wait
  const auto patient = agent.submit(130s);
  ground.time.poll();
  CHECK(code_of(first).empty());
  CHECK(code_of(second).empty());
  REQUIRE(code_of(late) == "OVER_BUDGET");
  const auto& error = late.value().error();
  CHECK(error.kind == ErrorKind::rate_limited);
  CHECK(ports::surely_not_sent(error));
  CHECK_THAT(error.message, Contains("the load budget of site alpha") && Contains("2 submissions a minute") && Contains("in 1m"));
  CHECK(code_of(patient) == "OVER_BUDGET");  // half a minute is the longest for anybody
  CHECK(agent.site.calls.size() == 2);

  ground.time.advance(40s);
  const auto third = agent.submit(), fourth = agent.submit(), fifth = agent.submit();
  ground.time.poll();
  CHECK(code_of(third) == "waits");
  CHECK(agent.site.calls.size() == 2);
  ground.time.advance(20s);
  CHECK(code_of(third).empty());
  CHECK(code_of(fourth).empty());
  CHECK(code_of(fifth) == "OVER_BUDGET");
  CHECK(agent.site.calls.size() == 4);
}

TEST_CASE("processes of the agent have one budget together, and one that was killed takes nothing with it", "[T25]") {
  Ground ground;
  const domain::LoadBudget budget{.queries_per_minute = 3, .submits_per_minute = 600, .concurrent_calls = 2};
  auto one = ground.agent(budget);
  {
    auto other = ground.agent(budget);
    CHECK(one.book->enter() == 0);
    CHECK(other.book->enter() == 1);
    CHECK_FALSE(one.book->enter());
    CHECK_FALSE(other.book->enter());
    for (auto* agent : {&one, &other, &one})
      CHECK(agent->book->take(Rate::queries, ground.time.now_monotonic()).value() == std::nullopt);
    CHECK(other.book->take(Rate::queries, ground.time.now_monotonic()).value() == ground.time.now_monotonic() + 60s);
  }
  CHECK(one.book->enter() == 1);
  one.book->leave(0);
  one.book->leave(1);
  auto third = ground.agent(budget);  // a new connection: nothing is forgotten
  const auto refused = third.snapshot(30s);
  ground.time.poll();
  CHECK(code_of(refused) == "OVER_BUDGET");
  CHECK(third.site.calls.empty());
  ground.time.advance(60s);
  const auto taken = third.snapshot();
  ground.time.poll();
  CHECK(code_of(taken).empty());
}

TEST_CASE("so many calls at the same time, reading included") {
  Ground ground;
  auto agent = ground.agent({.concurrent_calls = 1});
  auto other = ground.agent({.concurrent_calls = 1});
  const auto place = other.book->enter();
  REQUIRE(place);
  const auto read = agent.read(20s);
  const auto submitted = agent.submit(60s);
  ground.time.poll();
  CHECK(code_of(read) == "waits");
  ground.time.advance(10s);
  ground.time.advance(1s);
  CHECK(code_of(read) == "OVER_BUDGET");
  CHECK_THAT(read.value().error().message, Contains("1 calls at the same time"));
  CHECK(code_of(submitted) == "waits");
  other.book->leave(*place);
  ground.time.advance(100ms);
  CHECK(code_of(submitted).empty());
  CHECK(agent.book->inside() == 0);
}

TEST_CASE("in quiet hours nothing is submitted, the snapshot says until when, and cancels go through") {
  Ground ground;
  ground.time.advance(1h);
  domain::LoadBudget budget{.queries_per_minute = 4};
  budget.quiet_hours.push_back(DailyHours::parse("00:30-02:00 UTC").value());
  auto agent = ground.agent(budget);
  const auto refused = agent.submit();
  const auto seen = agent.snapshot(), too_many = agent.snapshot();
  const auto cancelled = async::start(ground.io.get_executor(),
                                      agent.guard.cancel({}, ports::CancelWhen::always, async::Deadline::in(ground.time, 60s)));
  ground.time.poll();
  REQUIRE(code_of(refused) == "SITE_QUIET");
  CHECK(refused.value().error().kind == ErrorKind::rate_limited);
  CHECK_THAT(refused.value().error().message, Contains("quiet hours until 1970-01-01T02:00:00Z"));
  REQUIRE(code_of(seen).empty());
  CHECK(seen.value()->quiet_until == from_unix_seconds(7'200));
  CHECK(code_of(too_many) == "OVER_BUDGET");  // a quarter of four
  CHECK(code_of(cancelled).empty());
  ground.time.advance(2h);
  const auto afterwards = agent.submit();
  ground.time.poll();
  CHECK(code_of(afterwards).empty());
}

TEST_CASE("a look at the site counts as all that it asked, also over the limit") {
  Ground ground;
  auto agent = ground.agent({.queries_per_minute = 4});
  auto other = ground.agent({.queries_per_minute = 4});
  const auto look = [&](std::int32_t questions) {
    agent.site.questions = questions;
    auto call = async::start(ground.io.get_executor(), agent.guard.doctor({}, async::Deadline::in(ground.time, 60s)));
    ground.time.poll();
    return code_of(call);
  };
  const auto code = [&](Agent& one) {
    const auto call = one.snapshot(10s);
    ground.time.poll();
    return code_of(call);
  };
  CHECK(look(3).empty());
  CHECK(code(other).empty());
  CHECK(code(other) == "OVER_BUDGET");
  ground.time.advance(60s);
  CHECK(look(10'000).empty());
  CHECK(code(agent) == "OVER_BUDGET");
  ground.time.advance(60s);
  CHECK(look(0).empty());
  for (int i = 0; i < 3; ++i) CHECK(code(agent).empty());
  CHECK(code(agent) == "OVER_BUDGET");
}

TEST_CASE("what projects have left is a question like any other") {
  Ground ground;
  auto agent = ground.agent({.queries_per_minute = 1});
  const auto limits = [&] {
    auto call = async::start(ground.io.get_executor(), agent.guard.account_limits({}, async::Deadline::in(ground.time, 10s)));
    ground.time.poll();
    return code_of(call);
  };
  CHECK(limits().empty());
  CHECK(limits() == "OVER_BUDGET");
  CHECK(agent.site.calls == std::vector<std::string>{"account_limits"});
}

TEST_CASE("another budget counts at once, with what was used under the one before") {
  Ground ground;
  auto agent = ground.agent({.submits_per_minute = 1});
  (void)agent.submit();
  ground.time.poll();
  agent.book->set_budget({.submits_per_minute = 2});
  const auto second = agent.submit(), third = agent.submit(10s);
  ground.time.poll();
  CHECK(code_of(second).empty());
  CHECK(code_of(third) == "OVER_BUDGET");
  agent.guard.set_book(nullptr);
  const auto free = agent.submit();
  ground.time.poll();
  CHECK(code_of(free).empty());
}

TEST_CASE("whatever lies where the use is kept, no more goes than the budget allows") {
  Ground ground;
  const auto path = ground.folder.path() + "/load.alpha";
  const auto junk =
      GENERATE(std::string(), std::string("x"), std::string(5'000, 'x'), std::string("hansaLB1") + std::string(8, '\1'),
               std::string("hansaLB1") + std::string(8, '\1') + std::string(23, '\2'));
  std::ofstream(path) << junk;
  auto agent = ground.agent({.submits_per_minute = 2});
  for (int i = 0; i < 2; ++i) CHECK(agent.book->take(Rate::submits, ground.time.now_monotonic()).value() == std::nullopt);
  CHECK(agent.book->take(Rate::submits, ground.time.now_monotonic()).value().has_value());
  auto other = ground.agent({.submits_per_minute = 2});
  CHECK(other.book->take(Rate::submits, ground.time.now_monotonic()).value().has_value());
}

TEST_CASE("the file of what is used stays small, and forgets nothing of the last minute") {
  Ground ground;
  constexpr std::int32_t kMany = 30'000;
  auto agent = ground.agent({.submits_per_minute = kMany});
  auto other = ground.agent({.submits_per_minute = kMany});
  int taken = 0;
  for (int minute = 0; minute < 3; ++minute) {
    for (int i = 0; i < kMany; ++i) {
      auto& book = i % 2 == 0 ? *agent.book : *other.book;
      taken += book.take(Rate::submits, ground.time.now_monotonic()).value() == std::nullopt ? 1 : 0;
    }
    CHECK(agent.book->take(Rate::submits, ground.time.now_monotonic()).value().has_value());
    CHECK(std::filesystem::file_size(ground.folder.path() + "/load.alpha") < (std::size_t{3} << 20));
    ground.time.advance(60s);
  }
  CHECK(taken == 3 * kMany);
}

TEST_CASE("where the use cannot be kept nothing is served, and why is said") {
  test::TemporaryFolder folder;
  const auto told = [](const std::string& where) {
    const auto book = LoadBook::open(where, kAlpha, {});
    REQUIRE_FALSE(book);
    CHECK(book.error().code == "LOAD_NOT_KEPT");
    return book.error().message;
  };
  CHECK_THAT(told("/no/such/folder"), Contains("/no/such/folder/load.alpha") && Contains("agent.state_dir"));
  REQUIRE(::symlink("/etc/passwd", (folder.path() + "/load.alpha").c_str()) == 0);
  CHECK_THAT(told(folder.path()), Contains("cannot open"));
  CHECK(LoadBook::open(folder.path() + "/new", kAlpha, {}).has_value());
  struct stat facts{};
  REQUIRE(::stat((folder.path() + "/new/load.alpha").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
}

TEST_CASE("a snapshot tells what is used of the site's own budget over all processes") {
  Ground ground;
  const domain::LoadBudget budget{.queries_per_minute = 10, .submits_per_minute = 3, .concurrent_calls = 4};
  auto first = ground.agent(budget), second = ground.agent(budget);
  const auto one = first.submit(), two = second.submit();
  ground.time.poll();
  const auto place = first.book->enter();
  REQUIRE(place);
  const auto seen = second.snapshot();
  ground.time.poll();
  REQUIRE(seen.ended());
  REQUIRE(seen.value());
  const auto share = [&](const char* kind) {
    const auto& own = seen.value()->own_budget;
    const auto at = std::ranges::find(own, kind, &domain::BudgetShare::kind);
    return at == own.end() ? std::string("none") : std::to_string(at->used) + " of " + std::to_string(at->limit);
  };
  CHECK(share("queries") == "1 of 10");
  CHECK(share("submits") == "2 of 3");
  CHECK(share("cancels") == "0 of 600");
  CHECK(share("concurrent_calls") == "1 of 4");
  first.book->leave(*place);
  first.guard.set_book(nullptr);
  const auto without = first.snapshot();
  ground.time.poll();
  REQUIRE(without.ended());
  CHECK(without.value()->own_budget.empty());
}
