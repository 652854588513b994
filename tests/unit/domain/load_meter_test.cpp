// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/load_meter.hpp"

#include "tests/unit/domain/moment.hpp"

#include <catch2/catch.hpp>

#include <chrono>

using namespace hansa;
using namespace std::chrono_literals;
using domain::LoadMeter;
using domain::test::moment;
using Rate = LoadMeter::Rate;

namespace {

const UtcTime kMidnight = from_unix_seconds(1'767'225'600);  // 2026-01-01

domain::LoadBudget with_hours(std::initializer_list<std::string_view> hours) {
  domain::LoadBudget budget{.queries_per_minute = 12, .submits_per_minute = 2};
  for (const auto text : hours) budget.quiet_hours.push_back(DailyHours::parse(text).value());
  return budget;
}

}  // namespace

TEST_CASE("queries go at a quarter of their rate in quiet hours, which may follow each other") {
  LoadMeter meter(with_hours({"01:00-02:00 UTC", "02:00-03:00 UTC"}));
  CHECK_FALSE(meter.quiet_until(kMidnight));
  CHECK(meter.window(Rate::queries).limit() == 12);
  CHECK(meter.quiet_until(kMidnight + 90min) == kMidnight + 3h);
  CHECK(meter.window(Rate::queries).limit() == 3);
  CHECK(meter.window(Rate::submits).limit() == 2);
  CHECK(meter.quiet_until(kMidnight + 150min) == kMidnight + 3h);
  CHECK_FALSE(meter.quiet_until(kMidnight + 3h));
  CHECK(meter.window(Rate::queries).limit() == 12);
  CHECK(meter.quiet_until(kMidnight + 25h) == kMidnight + 27h);
}

TEST_CASE("under another budget, what was used counts on") {
  LoadMeter meter(with_hours({}));
  meter.window(Rate::submits).take(moment(0));
  meter.window(Rate::submits).take(moment(10));
  auto more = with_hours({"00:00-24:00 UTC"});
  more.submits_per_minute = 3;
  meter.set_budget(more);
  CHECK(meter.window(Rate::submits).left(moment(20)) == 1);
  CHECK(meter.quiet_until(kMidnight));
  meter.set_budget(with_hours({}));
  CHECK_FALSE(meter.quiet_until(kMidnight));
  CHECK(meter.window(Rate::queries).limit() == 12);
}
