// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/pool_view.hpp"

#include <catch2/catch.hpp>

namespace hansa::routing {
namespace {

/// 10 cores; 6 run until 1100; a job of 8 (other people's) waits for them, so 4 are free and 2 stay spare beside it.
PoolSnapshot busy() {
  return {.taken_at = 1000,
          .running = {{.id = 1, .cores = 6, .ends = 1100}},
          .waiting = {{.id = kNotOurs, .demand = {.cores = 8, .limit = 50}}}};
}

}  // namespace

TEST_CASE("a pool's view: empty, everything that fits starts") {
  PoolView view(10);
  CHECK(view.starts_now({10, 1000}, 0));
  CHECK_FALSE(view.starts_now({11, 1}, 0));
  CHECK(view.predicted_start({10, 5}, 7) == 7);
  CHECK(view.predicted_start({11, 5}, 7) == kForever);
}

TEST_CASE("a pool's view: nobody delays the first in line") {
  PoolView view(10);
  view.observe(busy());
  CHECK(view.free() == 4);
  CHECK(view.others_waiting() == 1);
  CHECK(view.starts_now({4, 100}, 1000));        // over when it starts
  CHECK_FALSE(view.starts_now({4, 101}, 1000));
  CHECK(view.starts_now({2, 100'000}, 1000));    // beside it
  CHECK_FALSE(view.starts_now({3, 100'000}, 1000));
  CHECK_FALSE(view.starts_now({5, 1}, 1000));    // no room
}

TEST_CASE("a pool's view: the predicted start stands behind the whole line") {
  PoolView view(10);
  view.observe(busy());
  CHECK(view.predicted_start({4, 100}, 1000) == 1000);
  CHECK(view.predicted_start({4, 101}, 1000) == 1150);   // after the waiting job, 1100 to 1150
  CHECK(view.predicted_start({10, 1}, 1000) == 1150);
  CHECK(view.predicted_start_in_line(0, 1000) == 1100);
}

TEST_CASE("a pool's view: own sends count at once, as the site will take them") {
  PoolView view(10);
  view.observe(busy());
  view.send(2, {4, 100}, 1000);  // starts
  CHECK(view.free() == 0);
  CHECK(view.waiting().size() == 1);
  view.send(3, {10, 30}, 1000);  // waits
  CHECK(view.waiting().size() == 2);
  CHECK(view.predicted_start_in_line(1, 1000) == 1150);
  CHECK(view.predicted_start({10, 5}, 1000) == 1180);
  CHECK(view.withdraw(3));
  CHECK_FALSE(view.withdraw(3));
  CHECK_FALSE(view.withdraw(2));  // it runs
  CHECK(view.predicted_start({10, 5}, 1000) == 1150);
}

TEST_CASE("a pool's view: the second job that waits does not change the first one's reservation") {
  PoolView view(10);
  view.observe({.taken_at = 0, .running = {{.id = 1, .cores = 10, .ends = 100}}, .waiting = {}});
  view.send(2, {10, 50}, 0);
  view.send(3, {1, 50}, 0);
  view.observe({.taken_at = 60, .running = {{.id = 1, .cores = 8, .ends = 100}}, .waiting = {{2, {10, 50}}, {3, {1, 50}}}});
  CHECK(view.starts_now({2, 40}, 60));
  CHECK_FALSE(view.starts_now({2, 41}, 60));
}

TEST_CASE("a pool's view: work past its limit is about to end, not ended") {
  PoolView view(4);
  view.observe({.taken_at = 500, .running = {{.id = 1, .cores = 4, .ends = 400}}, .waiting = {}});
  CHECK(view.free() == 0);
  CHECK(view.predicted_start({4, 10}, 500) == 530);
}

}  // namespace hansa::routing
