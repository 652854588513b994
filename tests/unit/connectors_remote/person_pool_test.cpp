// SPDX-License-Identifier: Apache-2.0
// Connections of persons that rest on something which ends.
#include "connectors/remote/person_pool.hpp"

#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <chrono>
#include <memory>
#include <optional>

namespace hansa::connectors::remote {

namespace {

using namespace std::chrono_literals;

struct NoLog final : ports::Log {
  void write(ports::LogLevel, std::string_view, std::initializer_list<ports::LogField>) override {}
};

/// Its site never answers.
class DeadCarrier final : public Carrier {
 public:
  explicit DeadCarrier(async::Scheduler& scheduler) : scheduler_(scheduler) {}
  async::Task<std::unique_ptr<protocol::Lines>> open(async::Deadline deadline) override {
    co_await scheduler_.sleep_until(deadline.at);
    co_return fail(ErrorKind::deadline_exceeded, "CONNECT_TIMEOUT", "nobody answers");
  }

 private:
  async::Scheduler& scheduler_;
};

struct Pool {
  Pool()
      : pool(
            time.executor(), time, random, log,
            {.site = SiteId("alpha"), .name = "test", .connections = 10'000, .open_every = Milliseconds{0}},
            [this](Login, async::Deadline) { return good_until(this); },
            [this](const Login&) { return std::make_unique<DeadCarrier>(time); }) {}
  ~Pool() {
    auto done = std::make_shared<bool>(false);
    boost::asio::co_spawn(time.context(), pool.close(), [done](const std::exception_ptr&, const Result<void>&) { *done = true; });
    time.run_ready();
    CHECK(*done);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  static async::Task<UtcTime> good_until(Pool* self) {
    if (++self->asked > 50) co_return fail(ErrorKind::internal, "ASKED_TOO_OFTEN", "round and round");
    co_return self->ends;
  }
  static async::Task<> try_hold(Pool* self, std::string* code) {
    const auto hold =
        co_await self->pool.hold({.person = Principal("local:alice"), .account = {}}, async::Deadline::in(self->time, 4s));
    *code = hold ? "OK" : hold.error().code;
    co_return Result<void>{};
  }
  std::string hold() {
    std::string code;
    boost::asio::co_spawn(time.context(), try_hold(this, &code), [](const std::exception_ptr& e, const Result<void>&) {
      if (e) std::rethrow_exception(e);
    });
    REQUIRE(time.run_until([&] { return !code.empty(); }, 1min));
    return code;
  }

  simulation::VirtualScheduler time;
  simulation::SeededRandom random{7};
  NoLog log;
  UtcTime ends = time.now_utc() + 1h;
  int asked = 0;
  PersonPool pool;
};

}  // namespace

TEST_CASE("what has ended opens no connection") {
  Pool here;
  here.ends = here.time.now_utc();
  CHECK(here.hold() == "CREDENTIAL_ENDS_TOO_EARLY");
  here.ends -= 1h;
  CHECK(here.hold() == "CREDENTIAL_ENDS_TOO_EARLY");
  CHECK(here.asked == 2);
  CHECK(here.pool.opened() == 0);
}

TEST_CASE("a connection whose time has come is left and no other is opened in its place") {
  Pool here;
  const auto silent = here.hold();
  CHECK(silent != "OK");
  CHECK(silent != "CREDENTIAL_ENDS_TOO_EARLY");
  CHECK(here.pool.opened() == 1);
  here.time.step_utc(2h);
  here.asked = 0;
  CHECK(here.hold() == "CREDENTIAL_ENDS_TOO_EARLY");
  CHECK(here.asked == 1);
  CHECK(here.pool.opened() == 1);
}

}  // namespace hansa::connectors::remote
