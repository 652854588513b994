// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/lapses.hpp"

#include <catch2/catch.hpp>

#include <chrono>

namespace hansa::engine {

namespace {

using namespace std::chrono_literals;

const SiteId kAlpha{"alpha"};
const Principal kEve{"local:eve"};
const JobId kFirst = *Ulid::parse("01HZZZZZZZZZZZZZZZZZZZZZZ1");
const JobId kSecond = *Ulid::parse("01HZZZZZZZZZZZZZZZZZZZZZZ2");
const domain::Reason kMissing{"CREDENTIAL_MISSING", "log in again"};
const domain::Reason kTooEarly{"CREDENTIAL_ENDS_TOO_EARLY", "have one that lasts longer"};

MonotonicTime at(Milliseconds since) { return MonotonicTime{1h} + since; }

}  // namespace

TEST_CASE("a lapse is of one person at one site and grows to five minutes") {
  Lapses lapses;
  lapses.met(kAlpha, kEve, 1h, kMissing, at(0s));
  REQUIRE(lapses.holds(kAlpha, kEve, 1s, at(59s)) != nullptr);
  CHECK(*lapses.holds(kAlpha, kEve, 1s, at(59s)) == kMissing);
  CHECK(lapses.holds(SiteId("beta"), kEve, 1h, at(1s)) == nullptr);
  CHECK(lapses.holds(kAlpha, Principal("local:adam"), 1h, at(1s)) == nullptr);
  CHECK(lapses.next(at(0s)) == at(60s));
  Milliseconds now = 60s;
  for (const auto pause : {120s, 240s, 300s, 300s}) {
    CHECK(lapses.holds(kAlpha, kEve, 1h, at(now)) == nullptr);
    CHECK(lapses.changed(kEve, at(now - 1s), at(now)));
    lapses.met(kAlpha, kEve, 1h, kMissing, at(now));
    lapses.met(kAlpha, kEve, 1h, kMissing, at(now));  // two were under way
    CHECK(lapses.next(at(now)) == at(now + pause));
    CHECK_FALSE(lapses.changed(kEve, at(now), at(now + 1s)));
    now += pause;
  }
}

TEST_CASE("one job at a time tries a login that had lapsed") {
  Lapses lapses;
  lapses.met(kAlpha, kEve, 1h, kMissing, at(0s));
  lapses.sets_out(kAlpha, kEve, 1h, kFirst);
  CHECK(lapses.holds(kAlpha, kEve, 1h, at(70s)) != nullptr);
  lapses.is_back(kAlpha, kEve, kSecond);  // not the one
  CHECK(lapses.holds(kAlpha, kEve, 1h, at(70s)) != nullptr);
  lapses.is_back(kAlpha, kEve, kFirst);
  CHECK(lapses.holds(kAlpha, kEve, 1h, at(70s)) == nullptr);
  lapses.sets_out(kAlpha, kEve, 1h, kSecond);
  CHECK(lapses.login_good(kAlpha, kEve, 1h, at(80s)));
  CHECK(lapses.holds(kAlpha, kEve, 1h, at(80s)) == nullptr);
  CHECK(lapses.changed(kEve, at(79s), at(81s)));
  CHECK_FALSE(lapses.changed(kEve, at(81s), at(82s)));
  CHECK_FALSE(lapses.login_good(kAlpha, kEve, 1h, at(82s)));
  lapses.login_good(kAlpha, Principal("local:adam"), 1h, at(2h));
  CHECK(lapses.empty());
}

TEST_CASE("a login that ends too early holds those who need it for longer") {
  Lapses lapses;
  lapses.met(kAlpha, kEve, 2h, kTooEarly, at(0s));
  CHECK(lapses.holds(kAlpha, kEve, 2h, at(1s)) != nullptr);
  CHECK(lapses.holds(kAlpha, kEve, 1h, at(1s)) == nullptr);
  lapses.sets_out(kAlpha, kEve, 1h, kFirst);  // which tries nothing
  CHECK_FALSE(lapses.login_good(kAlpha, kEve, 1h, at(2s)));
  CHECK_FALSE(lapses.login_good(kAlpha, kEve, std::nullopt, at(2s)));  // it is good, nobody knows for how long
  CHECK(lapses.holds(kAlpha, kEve, 2h, at(2s)) != nullptr);
  CHECK(lapses.holds(kAlpha, kEve, 2h, at(61s)) == nullptr);
  lapses.met(kAlpha, kEve, 1h, kTooEarly, at(3s));
  CHECK(lapses.holds(kAlpha, kEve, 1h, at(4s)) != nullptr);
  lapses.met(kAlpha, kEve, 1h, kMissing, at(5s));
  CHECK(lapses.holds(kAlpha, kEve, 1s, at(6s)) != nullptr);
  CHECK(lapses.login_good(kAlpha, kEve, std::nullopt, at(7s)));
}

}  // namespace hansa::engine
