// SPDX-License-Identifier: Apache-2.0
#include "broker/core/time_text.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <string>

using namespace hansa;

TEST_CASE("every form of sbatch(1) --time, and numbers with units") {
  const std::pair<const char*, std::int64_t> kGood[] = {
      {"1", 60},                  // minutes
      {"90", 5400},
      {"007", 420},
      {"1:30", 90},               // minutes:seconds
      {"0:01", 1},
      {"90:90", 5490},            // sbatch(1) sets no limit on a field either
      {"1:02:03", 3723},          // hours:minutes:seconds
      {"100:00:00", 360000},
      {"1-0", 86400},             // days-hours
      {"0-1", 3600},
      {"2-12", 216000},
      {"1-2:3", 93780},           // days-hours:minutes
      {"1-2:03:04", 93784},       // days-hours:minutes:seconds
      {"90s", 90},
      {"30m", 1800},
      {"2h", 7200},
      {"1d", 86400},
      {"1h30m", 5400},
      {"1d2h3m4s", 93784},
      {"1d4s", 86404},
      {"900000", 54000000},       // a field is as long as the whole may be
      {"0:900000", 900000},
      {"36600-0", 3162240000},    // a century of leap years: the most that is taken
      {"3162240000s", 3162240000},
  };
  for (const auto& [text, seconds] : kGood) {
    CAPTURE(text);
    const auto duration = parse_duration(text);
    REQUIRE(duration);
    CHECK(duration->count() == seconds);
  }
}

TEST_CASE("what is no duration is refused, with what would be one") {
  const std::string kBad[] = {
      "",
      "0",
      "00:00:00",
      "0-0",
      "0s",
      "-1",
      "-1:00",
      "+5",
      " 5",
      "5 ",
      "1.5",
      "1e3",
      "0x10",
      "ten",
      "1-",
      "-",
      ":",
      "1:",
      ":1",
      "1:2:3:4",
      "1-2:3:4:5",
      "1--2",
      "1-2-3",
      "1:-2",
      "1-2h",
      "1:30m",
      "5x",
      "s",
      "m5",
      "1s1m",
      "1h1h",
      "1m30",
      "1h 30m",
      "1H",
      "36600-1",
      "36601-0",
      "3162240001s",
      "52704001",
      "9999999999999999999",
      "99999999999d",
      "9223372036854775807s",
      "18446744073709551617",
      "UNLIMITED",
      "infinite",
      "1\n",
      "1:00:00:",
      std::string("1\0", 2),
      std::string(33, '1'),
      "\xD9\xA1",
  };
  for (const auto& text : kBad) {
    CAPTURE(text);
    const auto duration = parse_duration(text);
    REQUIRE_FALSE(duration);
    CHECK(duration.error().kind == ErrorKind::invalid_argument);
    CHECK(duration.error().code == "BAD_DURATION");
    CHECK(duration.error().message.find("[days-]hours:minutes:seconds") != std::string::npos);
  }
}

TEST_CASE("a duration for people shows its two largest units") {
  const std::pair<std::int64_t, const char*> kShown[] = {{0, "0s"},       {1, "1s"},         {59, "59s"},           {60, "1m"},
                                                         {90, "1m30s"},   {3599, "59m59s"},  {3600, "1h"},          {3601, "1h"},
                                                         {7500, "2h5m"},  {86399, "23h59m"}, {86400, "1d"},         {86460, "1d"},
                                                         {93784, "1d2h"}, {-90, "-1m30s"},   {3162240000, "36600d"}};
  for (const auto& [seconds, text] : kShown) CHECK(format_duration(Seconds{seconds}) == text);
}

TEST_CASE("a duration that is shown is one, and less than its second unit away") {
  rc::prop("parse_duration(format_duration(d)) <= d", [] {
    const auto d = Seconds{*rc::gen::inRange<std::int64_t>(1, 3162240000)};
    const auto again = parse_duration(format_duration(d));
    RC_ASSERT(again.has_value());
    const auto unit = d < std::chrono::hours{1} ? 1 : d < std::chrono::days{1} ? 60 : 3600;
    RC_ASSERT(*again <= d);
    RC_ASSERT((d - *again).count() < unit);
  });
}

TEST_CASE("RFC 3339 date-times and dates") {
  const std::pair<const char*, std::int64_t> kGood[] = {
                                                          // milliseconds; RFC 3339 section 5.8 has the examples
      {"1970-01-01", 0},
      {"1970-01-01T00:00:00Z", 0},
      {"1985-04-12T23:20:50.52Z", 482196050520},
      {"1996-12-19T16:39:57-08:00", 851042397000},
      {"1996-12-20T00:39:57Z", 851042397000},
      {"1990-12-31T23:59:60Z", 662688000000},  // a leap second is the next second
      {"1990-12-31T15:59:60-08:00", 662688000000},
      {"1937-01-01T12:00:27.87+00:20", -1041337172130},
      {"2024-02-29", 1709164800000},
      {"2000-02-29t01:02:03z", 951786123000},
      {"2026-11-22 10:00:00Z", 1795341600000},
      {"2026-11-22T10:00:00.123456789Z", 1795341600123},
      {"2026-11-22T10:00:00.1+00:00", 1795341600100},
      {"2026-11-22T10:00:00-00:00", 1795341600000},
      {"2026-11-22T10:00:00+23:59", 1795255260000},
      {"0000-01-01", -62167219200000},
      {"9999-12-31T23:59:59Z", 253402300799000},
  };
  for (const auto& [text, ms] : kGood) {
    CAPTURE(text);
    const auto time = parse_utc(text);
    REQUIRE(time);
    CHECK(to_unix_ms(*time) == ms);
  }
}

TEST_CASE("what is no time is refused, with what would be one") {
  const std::string kBad[] = {
      "",
      "2026",
      "2026-11",
      "2026-1-22",
      "2026-11-2",
      "2026-11-222",
      "26-11-22",
      "2026/11/22",
      "20261122",
      "2026-00-10",
      "2026-13-10",
      "2026-11-00",
      "2026-11-31",
      "2023-02-29",
      "1900-02-29",
      "-026-11-22",
      "+026-11-22",
      " 2026-11-22",
      "2026-11-22 ",
      "2026-11-22T",
      "2026-11-22T10",
      "2026-11-22T10:00",
      "2026-11-22T10:00Z",
      "2026-11-22T10:00:00",
      "2026-11-22T1:00:00Z",
      "2026-11-22T24:00:00Z",
      "2026-11-22T10:60:00Z",
      "2026-11-22T10:00:61Z",
      "2026-11-22T10-00-00Z",
      "2026-11-22X10:00:00Z",
      "2026-11-22T10:00:00.Z",
      "2026-11-22T10:00:00.5",
      "2026-11-22T10:00:00,5Z",
      "2026-11-22T10:00:00+0200",
      "2026-11-22T10:00:00+02",
      "2026-11-22T10:00:00+2:00",
      "2026-11-22T10:00:00+24:00",
      "2026-11-22T10:00:00+00:60",
      "2026-11-22T10:00:00+02:00Z",
      "2026-11-22T10:00:00ZZ",
      "2026-11-22T10:00:00Z ",
      "2026-11-22T10:00:00UTC",
      "2026-11-22T10:00:0aZ",
      "now",
      std::string("2026-11-22\0", 11),
  };
  for (const auto& text : kBad) {
    CAPTURE(text);
    const auto time = parse_utc(text);
    REQUIRE_FALSE(time);
    CHECK(time.error().kind == ErrorKind::invalid_argument);
    CHECK(time.error().code == "BAD_TIME");
    CHECK(time.error().message.find("2026-11-22T10:00:00Z") != std::string::npos);
  }
}

TEST_CASE("a time is written in whole seconds, rounded down, also before 1970") {
  CHECK(format_utc(from_unix_ms(0)) == "1970-01-01T00:00:00Z");
  CHECK(format_utc(from_unix_ms(1795341600999)) == "2026-11-22T10:00:00Z");
  CHECK(format_utc(from_unix_ms(-1)) == "1969-12-31T23:59:59Z");
  rc::prop("parse_utc(format_utc(t)) == floor(t)", [] {
    const auto t = from_unix_ms(*rc::gen::inRange<std::int64_t>(-62167219200000, 253402300799999));
    const auto again = parse_utc(format_utc(t));
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == std::chrono::floor<Seconds>(t));
  });
}
