// SPDX-License-Identifier: Apache-2.0
#include "broker/http/rate_limit.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace hansa::http::test {

using namespace std::chrono_literals;

namespace {

struct Meter {
  RateLimit limit;
  MonotonicTime now{Milliseconds{7'000}};

  /// How many are granted one after the other.
  int granted(const std::string& key, int asked) {
    int count = 0;
    for (int i = 0; i < asked; ++i) count += limit.take(key, now) ? 0 : 1;
    return count;
  }
};

}  // namespace

TEST_CASE("a bucket holds a minute's worth and fills at the rate", "[T24]") {
  Meter meter{.limit = RateLimit(60)};
  CHECK(meter.granted("a", 100) == 60);
  CHECK(meter.granted("b", 1) == 1);
  CHECK(meter.limit.take("a", meter.now) == 1000ms);
  meter.now = meter.now + 999ms;
  CHECK(meter.limit.take("a", meter.now) == 1ms);
  meter.now = meter.now + 1ms;
  CHECK(meter.granted("a", 5) == 1);
  meter.now = meter.now + 30s;
  CHECK(meter.granted("a", 100) == 30);
  meter.now = meter.now + 24h;
  CHECK(meter.granted("a", 100) == 60);
  CHECK(meter.limit.refused() == 41 + 1 + 4 + 70 + 40);
}

TEST_CASE("rates from one a minute to a million") {
  Meter one{.limit = RateLimit(1)};
  CHECK(one.granted("a", 3) == 1);
  CHECK(one.limit.take("a", one.now) == 60s);
  Meter many{.limit = RateLimit(1'000'000)};
  CHECK(many.granted("a", 1'000'100) == 1'000'000);
  CHECK(many.limit.take("a", many.now) == 1ms);
  Meter odd{.limit = RateLimit(7)};
  CHECK(odd.granted("a", 20) == 7);
  Meter none{.limit = RateLimit(0)};
  CHECK(none.granted("a", 1'000) == 1'000);
  CHECK(none.limit.keys() == 0);
}

TEST_CASE("the table is bounded: full buckets are forgotten, and when there are none all others share one", "[T24]") {
  Meter meter{.limit = RateLimit(2, 3)};
  for (const auto* key : {"a", "b", "c"}) CHECK(meter.granted(key, 2) == 2);
  CHECK(meter.limit.keys() == 3);
  CHECK(meter.granted("d", 1) == 1);
  CHECK(meter.granted("e", 1) == 1);
  CHECK(meter.granted("f", 1) == 0);
  CHECK(meter.granted("a", 1) == 0);  // nobody who has used theirs up is forgotten for others
  CHECK(meter.limit.keys() == 3);
  meter.now = meter.now + 60s;
  CHECK(meter.granted("d", 3) == 2);
  CHECK(meter.limit.keys() == 1);
  for (int i = 0; i < 10'000; ++i) meter.limit.take("k" + std::to_string(i), meter.now);
  CHECK(meter.limit.keys() == 3);
}

}  // namespace hansa::http::test
