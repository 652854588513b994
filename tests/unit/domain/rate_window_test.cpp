// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/rate_window.hpp"

#include "tests/unit/domain/moment.hpp"

#include <catch2/catch.hpp>

using hansa::domain::RateWindow;
using hansa::domain::test::moment;

TEST_CASE("so many in any sixty seconds, to the millisecond") {
  RateWindow window(3);
  CHECK(window.left(moment(0)) == 3);
  CHECK(window.free_at(moment(0)) == moment(0));
  window.take(moment(0));
  window.take(moment(10));
  window.take(moment(20));
  CHECK(window.left(moment(59'999)) == 0);
  CHECK(window.free_at(moment(30)) == moment(60'000));
  CHECK(window.left(moment(60'000)) == 1);
  CHECK(window.left(moment(60'020)) == 3);
}

TEST_CASE("a reserve is left to others") {
  RateWindow window(4);
  window.take(moment(100));
  CHECK(window.free_at(moment(200), 2) == moment(200));  // 3 left, one more than the reserve
  window.take(moment(200));
  CHECK(window.free_at(moment(300), 2) == moment(60'100));
  window.take(moment(300));
  CHECK(window.free_at(moment(400), 2) == moment(60'200));
  CHECK(window.free_at(moment(400), 0) == moment(400));
}

TEST_CASE("a reserve that can never be left is asked for again later") {
  RateWindow window(1);
  CHECK(window.free_at(moment(5), 1) == moment(60'005));
}
