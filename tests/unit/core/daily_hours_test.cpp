// SPDX-License-Identifier: Apache-2.0
#include "broker/core/daily_hours.hpp"

#include "broker/core/time_text.hpp"

#include <catch2/catch.hpp>

using namespace hansa;

namespace {

DailyHours hours_from(const std::string& text) {
  auto parsed = DailyHours::parse(text);
  if (!parsed) FAIL(parsed.error().message);
  return *parsed;
}

UtcTime moment(const std::string& text) { return parse_utc(text).value(); }

std::string end_at(const DailyHours& hours, const std::string& at) {
  const auto end = hours.end_of(moment(at));
  return end ? format_utc(*end) : "not within";
}

}  // namespace

TEST_CASE("hours of a day begin with their beginning and end before their end", "[core]") {
  const auto hours = hours_from("09:30-17:00 UTC");
  CHECK(end_at(hours, "2026-11-29T09:29:59Z") == "not within");
  CHECK(end_at(hours, "2026-11-29T09:30:00Z") == "2026-11-29T17:00:00Z");
  CHECK(end_at(hours, "2026-11-29T16:59:59Z") == "2026-11-29T17:00:00Z");
  CHECK(end_at(hours, "2026-11-29T17:00:00Z") == "not within");
  CHECK(format_utc(hours.next_begin(moment("2026-11-29T09:29:00Z"))) == "2026-11-29T09:30:00Z");
  CHECK(format_utc(hours.next_begin(moment("2026-11-29T09:30:00Z"))) == "2026-11-30T09:30:00Z");
}

TEST_CASE("hours go over midnight and by the clocks of their place", "[core]") {
  const auto hours = hours_from("22:00-06:00 Europe/Helsinki");  // UTC+2 in winter, UTC+3 in summer
  CHECK(end_at(hours, "2026-11-29T19:59:59Z") == "not within");
  CHECK(end_at(hours, "2026-11-29T20:00:00Z") == "2026-11-30T04:00:00Z");
  CHECK(end_at(hours, "2026-11-30T03:59:59Z") == "2026-11-30T04:00:00Z");
  CHECK(end_at(hours, "2026-11-30T04:00:00Z") == "not within");
  CHECK(end_at(hours, "2026-07-01T19:00:00Z") == "2026-07-02T03:00:00Z");
  // The night in which clocks go back an hour is one longer, the one in which they go forward one shorter.
  CHECK(end_at(hours, "2026-10-24T19:00:00Z") == "2026-10-25T04:00:00Z");
  CHECK(end_at(hours, "2026-03-28T20:00:00Z") == "2026-03-29T03:00:00Z");
}

TEST_CASE("hours that clocks skip or show twice", "[core]") {
  // Helsinki skips 03:00 to 04:00 on 29 March 2026 (01:00 UTC), and shows it twice on 25 October (00:00 and 01:00 UTC).
  const auto hours = hours_from("03:00-04:00 Europe/Helsinki");
  CHECK(end_at(hours, "2026-03-29T00:59:59Z") == "not within");
  CHECK(end_at(hours, "2026-03-29T01:00:00Z") == "not within");
  CHECK(end_at(hours, "2026-10-25T00:30:00Z") == "2026-10-25T02:00:00Z");
  CHECK(end_at(hours, "2026-10-25T01:30:00Z") == "2026-10-25T02:00:00Z");
}

TEST_CASE("all day is all day", "[core]") {
  const auto hours = hours_from("00:00-24:00 UTC");
  CHECK(end_at(hours, "2026-11-29T00:00:00Z") == "2026-11-30T00:00:00Z");
  CHECK(end_at(hours, "2026-11-29T23:59:59Z") == "2026-11-30T00:00:00Z");
}

TEST_CASE("hours that are none are refused, with what they may be", "[core]") {
  const auto fault = [](const std::string& text) {
    const auto parsed = DailyHours::parse(text);
    return parsed ? "accepted" : parsed.error().message;
  };
  for (const auto* text : {"", "22:00", "22:00-06:00", "22-06 UTC", "22:00-6:00 UTC", "25:00-06:00 UTC", "22:60-06:00 UTC",
                           "24:01-06:00 UTC", "22:00 - 06:00 UTC", "-06:00 UTC", "22:00-06:00UTC", "\xFF\xFE:00-06:00 UTC"})
    CHECK(fault(text).starts_with("hours stand as HH:MM-HH:MM ZONE"));
  CHECK(fault("06:00-06:00 UTC").contains("all day is 00:00-24:00"));
  CHECK(fault("24:00-06:00 UTC").contains("these hours are none"));
  CHECK(fault("22:00-06:00 Europe/Helsinky").contains("did you mean \"Europe/Helsinki\"?"));
  CHECK(fault("22:00-06:00 /etc/passwd").contains("there is no time zone"));
  CHECK(fault("22:00-06:00  UTC").contains("there is no time zone"));
  CHECK(fault("22:00-06:00 " + std::string(100, 'x')).starts_with("hours stand as"));
}
