// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/rate_window.hpp"

#include <catch2/catch.hpp>

using hansa::Milliseconds;
using hansa::MonotonicTime;
using hansa::domain::RateWindow;

namespace {
MonotonicTime at(std::int64_t ms) { return {Milliseconds{ms}}; }
}  // namespace

TEST_CASE("so many in any sixty seconds, to the millisecond") {
  RateWindow window(3);
  CHECK(window.left(at(0)) == 3);
  CHECK(window.free_at(at(0)) == at(0));
  window.take(at(0));
  window.take(at(10));
  window.take(at(20));
  CHECK(window.left(at(59'999)) == 0);
  CHECK(window.free_at(at(30)) == at(60'000));
  CHECK(window.left(at(60'000)) == 1);
  CHECK(window.left(at(60'020)) == 3);
}

TEST_CASE("a reserve is left to others") {
  RateWindow window(4);
  window.take(at(100));
  CHECK(window.free_at(at(200), 2) == at(200));  // 3 left, one more than the reserve
  window.take(at(200));
  CHECK(window.free_at(at(300), 2) == at(60'100));
  window.take(at(300));
  CHECK(window.free_at(at(400), 2) == at(60'200));
  CHECK(window.free_at(at(400), 0) == at(400));
}

TEST_CASE("a reserve that can never be left is asked for again later") {
  RateWindow window(1);
  CHECK(window.free_at(at(5), 1) == at(60'005));
}
