// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/fair_share.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace hansa::domain {
namespace {

constexpr std::int64_t kToday = 20'000;
const UtcTime kNow = UtcTime{std::chrono::days{kToday}} + std::chrono::hours{12};
constexpr Seconds kWeek{7 * 86'400};
const ProjectId kA("a"), kB("b");

}  // namespace

TEST_CASE("a power of a half is what it is to a thousandth", "[fair_share]") {
  for (std::int64_t n = 0; n <= 3'300; n += 7) {
    const auto exact = std::exp2(-static_cast<double>(n) / 100.0) * 1e6;
    INFO(n);
    CHECK(std::abs(static_cast<double>(half_to_the(n, 100)) - exact) <= 1e6 / 1'000);
  }
  CHECK(half_to_the(0, 5) == 1'000'000);
  CHECK(half_to_the(5, 5) == 500'000);
  CHECK(half_to_the(1, 0) == 0);
  CHECK(half_to_the(1'000'000'000, 1) == 0);
  auto last = half_to_the(0, 1'000);
  for (std::int64_t n = 1; n < 8'000; ++n) {
    CHECK(half_to_the(n, 1'000) <= last);
    last = half_to_the(n, 1'000);
  }
}

// slurm.schedmd.com/classic_fair_share.html: 1 where nothing was used, a half where just the share was, less than a half where
// more.
TEST_CASE("a project that has used its share has a half, one that used nothing is first", "[fair_share]") {
  const auto of = [](std::vector<DayOfUse> use) { return fair_shares({{kA, 1}, {kB, 1}}, use, kWeek, kNow); };
  CHECK(of({}).at(kA).factor_ppm == 1'000'000);
  const auto even = of({{kA, kToday, 70}, {kB, kToday, 70}});
  CHECK(even.at(kA).factor_ppm == 500'000);
  CHECK(even.at(kA) == even.at(kB));
  const auto all = of({{kA, kToday, 70}});
  CHECK(all.at(kA).used_ppm == 1'000'000);
  CHECK(all.at(kA).factor_ppm == 250'000);
  CHECK(all.at(kB).factor_ppm == 1'000'000);
}

TEST_CASE("what was used counts half after a half-life, and shares are by their numbers", "[fair_share]") {
  const auto old = fair_shares({{kA, 1}, {kB, 1}}, {{kA, kToday - 7, 200}, {kB, kToday, 100}}, kWeek, kNow);
  CHECK(old.at(kA).used_ppm == 500'000);
  const auto uneven = fair_shares({{kA, 3}, {kB, 1}}, {{kA, kToday, 300}, {kB, kToday, 100}}, kWeek, kNow);
  CHECK(uneven.at(kA).share_ppm == 750'000);
  CHECK(uneven.at(kA).factor_ppm == 500'000);
  CHECK(uneven.at(kB).factor_ppm == 500'000);
  const auto others = fair_shares({{kA, 1}}, {{ProjectId("gone"), kToday, 300}, {kA, kToday, 100}}, kWeek, kNow);
  CHECK(others.at(kA).used_ppm == 250'000);
}

TEST_CASE("absurd use spoils nothing", "[fair_share]") {
  const auto told =
      fair_shares({{kA, 1}, {kB, 1}}, {{kA, kToday, INT64_MAX}, {kB, kToday, -5}, {kB, kToday + 9, 1}}, kWeek, kNow);
  CHECK(told.at(kA).factor_ppm >= 249'000);
  CHECK(told.at(kB).factor_ppm >= 999'000);
}

TEST_CASE("a share is told in percent", "[fair_share]") {
  CHECK(to_text({.share_ppm = 500'000, .used_ppm = 625'000, .factor_ppm = 420'448}) ==
        "used 62.5 % of late, its share is 50.0 %: factor 0.420");
  CHECK(to_text({.share_ppm = 1'000'000, .used_ppm = 0, .factor_ppm = 1'000'000}) ==
        "used 0.0 % of late, its share is 100.0 %: factor 1.000");
}

}  // namespace hansa::domain
