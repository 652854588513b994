// SPDX-License-Identifier: Apache-2.0
#include "broker/core/ulid.hpp"

#include <catch2/catch.hpp>

using namespace hansa;

namespace {
struct FixedClock : Clock {
  UtcTime now = from_unix_ms(1469918176385);
  UtcTime now_utc() const override { return now; }
  MonotonicTime now_monotonic() const override { return {}; }
};
struct CountingRandom : Random {
  unsigned next = 1;
  void fill(std::span<std::byte> out) override {
    for (auto& b : out) b = static_cast<std::byte>(next++);
  }
};
}  // namespace

TEST_CASE("a ULID's text round-trips and its time matches the specification's example") {
  const auto id = Ulid::parse("01ARYZ6S41TSV4RRFFQ69G5FAV");
  REQUIRE(id);
  CHECK(id->str() == "01ARYZ6S41TSV4RRFFQ69G5FAV");
  CHECK(to_unix_ms(id->time()) == 1469918176385);
}

TEST_CASE("only 26 upper-case Crockford characters are a ULID") {
  for (const auto* bad : {"", "01ARYZ6S41TSV4RRFFQ69G5FA", "01ARYZ6S41TSV4RRFFQ69G5FAVX", "81ARYZ6S41TSV4RRFFQ69G5FAV",
                          "01ARYZ6S41TSV4RRFFQ69G5FAU", "01aryz6s41tsv4rrffq69g5fav", "01ARYZ6S41TSV4RRFFQ69G5FA "}) {
    CHECK_FALSE(Ulid::parse(bad));
  }
}

TEST_CASE("ULIDs rise strictly within a millisecond and across a clock that steps back") {
  FixedClock clock;
  CountingRandom random;
  UlidSource source(clock, random);
  auto last = source.next();
  for (int i = 0; i < 1000; ++i) {
    if (i == 500) clock.now -= std::chrono::hours{1};
    const auto next = source.next();
    REQUIRE(next > last);
    REQUIRE(next.str() > last.str());
    last = next;
  }
}
