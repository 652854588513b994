// SPDX-License-Identifier: Apache-2.0
#include "simulation/figures.hpp"

#include <catch2/catch.hpp>

namespace hansa::simulation {

TEST_CASE("figures by hand") {
  Workload workload;
  workload.widest_site = 8;
  workload.jobs = {
      {.submit = 0, .run = 100, .limit = 100, .cores = 4, .home = 0, .local = false},   // waits 0: slowdown 1
      {.submit = 10, .run = 5, .limit = 10, .cores = 1, .home = 0, .local = false},     // waits 90: (90 + 5) / 10
      {.submit = 20, .run = 2, .limit = 10, .cores = 2, .home = 1, .local = true},      // waits 1: (1 + 2) / 10, so 1
      {.submit = 200, .run = 50, .limit = 50, .cores = 3, .home = 1, .local = true},    // waits 25: 75 / 50
  };
  Outcome outcome;
  outcome.fates = {{0, 0}, {100, 0}, {21, 1}, {225, 1}};
  outcome.submits = 3;
  outcome.cancels = 1;
  outcome.moves = 1;
  const auto figures = figures_of(workload, outcome, {4, 8});
  CHECK(figures.all.jobs == 4);
  CHECK(figures.all.mean_wait_s == Approx((0 + 90 + 1 + 25) / 4.0));
  CHECK(figures.all.median_wait_s == Approx(13));
  CHECK(figures.all.p99_wait_s == Approx(90));
  CHECK(figures.all.mean_bounded_slowdown == Approx((1 + 9.5 + 1 + 1.5) / 4));
  CHECK(figures.broker.jobs == 2);
  CHECK(figures.broker.mean_wait_s == Approx(45));
  CHECK(figures.local.mean_wait_s == Approx(13));
  CHECK(figures.wide.jobs == 2);  // more than a quarter of 8
  CHECK(figures.wide.mean_wait_s == Approx(12.5));
  CHECK(figures.makespan_s == 275);
  CHECK(figures.utilisation.at(0) == Approx((4 * 100 + 5) / (4.0 * 200)));
  CHECK(figures.utilisation.at(1) == Approx(2 * 2 / (8.0 * 200)));
  CHECK(figures.messages_per_job == Approx(2));
  CHECK(figures.moves == 1);
}

TEST_CASE("the median") {
  CHECK(median({}) == 0);
  CHECK(median({3}) == 3);
  CHECK(median({9, 1}) == 5);
  CHECK(median({9, 1, 2}) == 2);
}

}  // namespace hansa::simulation
