// SPDX-License-Identifier: Apache-2.0
// When a month may be closed, and what a site's figures of it are worth.
#include "broker/ledger/settlement.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <vector>

using namespace hansa::ledger;

namespace {

constexpr std::int64_t kDay = 86'400;
constexpr MonthSpan kSpan{.from_s = 0, .to_s = 30 * kDay};

Look look(std::int64_t from_day, std::int64_t to_day, std::int64_t at_day, bool clean = true, bool saw_others = true) {
  return {.from_s = from_day * kDay, .to_s = to_day * kDay, .at_s = at_day * kDay, .clean = clean, .saw_others = saw_others};
}

std::optional<std::int64_t> first(const std::vector<Look>& looks) {
  const auto at = first_unsettled(kSpan, looks, kDay);
  return at ? std::optional(*at / kDay) : std::nullopt;
}

}  // namespace

TEST_CASE("a month is settled by two clean looks a day apart") {
  CHECK(first({}) == 0);
  CHECK(first({look(0, 30, 31)}) == 0);
  CHECK(first({look(0, 30, 31), look(0, 30, 32)}) == std::nullopt);
  CHECK(first({look(0, 30, 32), look(0, 30, 31)}) == std::nullopt);  // in any order
  auto hasty = look(0, 30, 31);
  hasty.at_s += kDay - 1;
  CHECK(first({look(0, 30, 31), hasty}) == 0);
  CHECK(first({look(0, 30, 31), hasty, look(0, 30, 32)}) == std::nullopt);  // with others between them
}

TEST_CASE("every second counts by the looks that saw it") {
  CHECK(first({look(0, 30, 31), look(0, 17, 32)}) == 17);
  CHECK(first({look(0, 30, 31), look(3, 30, 32)}) == 0);
  CHECK(first({look(0, 30, 31), look(0, 12, 32), look(13, 30, 32)}) == 12);  // a gap of a day
  CHECK(first({look(0, 30, 31), look(0, 12, 32), look(12, 40, 33)}) == std::nullopt);
  std::vector<Look> daily;  // of the three days before each
  for (std::int64_t day = 1; day <= 33; ++day) daily.push_back(look(std::max<std::int64_t>(0, day - 3), day, day));
  CHECK(first(daily) == std::nullopt);
  daily.erase(daily.begin() + 10, daily.begin() + 12);  // days 11 and 12: 9 to 10 was seen on day 10 alone
  CHECK(first(daily) == 9);
}

TEST_CASE("a difference that nobody explained unsettles what was settled") {
  const std::vector settled{look(0, 30, 31), look(0, 30, 32)};
  auto looks = settled;
  looks.push_back(look(10, 11, 33, false));
  CHECK(first(looks) == 10);
  looks.push_back(look(0, 30, 34));
  CHECK(first(looks) == 10);  // once is not enough
  looks.push_back(look(10, 11, 35));
  CHECK(first(looks) == std::nullopt);
  CHECK(first({look(0, 30, 31, false), look(0, 30, 32), look(0, 30, 33)}) == std::nullopt);
}

TEST_CASE("the grade of a site's month is that of its worst second") {
  const auto grade = [](const std::vector<Look>& looks, bool is_signed = false) {
    return grade_of(kSpan, looks, kDay, is_signed);
  };
  CHECK(grade({}, true) == Grade::a);
  CHECK(grade({}) == Grade::c);
  CHECK(grade({look(0, 30, 31)}) == Grade::c);  // seen once: nothing is settled by that
  CHECK(grade({look(0, 30, 31), look(0, 30, 32)}) == Grade::b);
  CHECK(grade({look(0, 30, 31), look(0, 30, 32), look(4, 5, 33, false)}) == Grade::c);  // a difference that nobody explained
  CHECK(grade({look(0, 30, 31), look(0, 30, 32), look(4, 5, 33, true, false)}) == Grade::c);
  CHECK(grade({look(0, 30, 31, true, false), look(0, 30, 32)}) == Grade::b);
  CHECK(to_string(Grade::b) == "B");
  CHECK(describe(Grade::c) == "C: the broker's own jobs only");
}

TEST_CASE("of many looks few decide, and say what all of them do") {
  std::vector<Look> hourly;  // at the whole month, for a month after it; newest first
  for (std::int64_t hour = 720; hour > 0; --hour) {
    hourly.push_back(look(0, 30, 31));
    hourly.back().at_s += hour * 3'600;
  }
  CHECK(deciding(kSpan, {}, kDay).empty());
  CHECK(deciding(kSpan, hourly, kDay).size() == 25);
  hourly.front().clean = false;
  CHECK(deciding(kSpan, hourly, kDay).size() < 30);
  std::mt19937 random(7);
  const auto below = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(n)); };
  std::size_t left_out = 0, settled = 0;
  for (int round = 0; round < 1'000; ++round) {
    const auto apart = below(3) * kDay;
    std::vector<Look> all;
    for (auto count = below(25); count > 0; --count) {
      const auto from = below(4) == 0 ? below(30) : 0;
      all.push_back(look(from, from + 1 + below(5) + (below(3) == 0 ? 0 : 30), 5 + below(40), below(8) > 0, below(8) > 0));
    }
    std::ranges::sort(all, std::greater{}, &Look::at_s);
    std::vector<Look> few;
    for (const auto place : deciding(kSpan, all, apart)) few.push_back(all[place]);
    left_out += all.size() - few.size();
    for (const auto now : {20 * kDay, 50 * kDay}) {
      const auto of_all = settled_at(kSpan, all, apart, now, false), of_few = settled_at(kSpan, few, apart, now, false);
      REQUIRE(of_all.unsettled_from_s == of_few.unsettled_from_s);
      REQUIRE(of_all.grade == of_few.grade);
      settled += of_all.unsettled_from_s ? 0 : 1;
    }
  }
  CHECK(left_out > 1'000);
  CHECK(settled > 100);
}
