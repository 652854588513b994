// SPDX-License-Identifier: Apache-2.0
#include "broker/async/with_deadline.hpp"

#include "broker/async/first_of.hpp"

namespace hansa::async::detail {

namespace asio = boost::asio;

namespace {

struct Race {
  bool ended = false;
  bool late = false;
};

asio::awaitable<void> run(Race* race, asio::awaitable<void> work) {
  co_await std::move(work);
  race->ended = true;
}

asio::awaitable<void> watch(Race* race, Scheduler* scheduler, MonotonicTime at) {
  co_await scheduler->sleep_until(at);
  race->late = !race->ended && scheduler->now_monotonic() >= at;
}

}  // namespace

asio::awaitable<bool> cancel_at(Scheduler& scheduler, MonotonicTime at, asio::awaitable<void> work) {
  Race race;
  co_await first_of(run(&race, std::move(work)), watch(&race, &scheduler, at));
  co_return race.late;
}

}  // namespace hansa::async::detail
