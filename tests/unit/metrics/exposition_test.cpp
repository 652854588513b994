// SPDX-License-Identifier: Apache-2.0
#include "broker/metrics/exposition.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <limits>
#include <thread>
#include <vector>

namespace hansa::metrics {
namespace {

constexpr std::array<std::int64_t, 3> kBounds{5, 50, 1'000};

TEST_CASE("a page has each family's help and type before its samples and labels are escaped") {
  Exposition page;
  page.family("hansa_jobs", Kind::gauge, "Jobs, by state.");
  page.sample(3, {{"state", "running"}});
  page.sample(0, {{"state", "a\"b\\c\nd"}, {"site", "x"}});
  page.family("hansa_ended_total", Kind::counter, "Ended.");
  page.sample(7);
  CHECK(std::move(page).text() ==
        "# HELP hansa_jobs Jobs, by state.\n# TYPE hansa_jobs gauge\n"
        "hansa_jobs{state=\"running\"} 3\nhansa_jobs{state=\"a\\\"b\\\\c\\nd\",site=\"x\"} 0\n"
        "# HELP hansa_ended_total Ended.\n# TYPE hansa_ended_total counter\nhansa_ended_total 7\n");
}

TEST_CASE("OpenMetrics names a counter's family without its suffix and ends with a mark") {
  Exposition page(Format::openmetrics);
  page.family("hansa_ended_total", Kind::counter, "Ended.");
  page.sample(7);
  CHECK(std::move(page).text() == "# HELP hansa_ended Ended.\n# TYPE hansa_ended counter\nhansa_ended_total 7\n# EOF\n");
}

TEST_CASE("the format is the one that the scraper names") {
  CHECK(format_for("") == Format::text);
  CHECK(format_for("text/plain;version=0.0.4;q=0.5,*/*;q=0.1") == Format::text);
  // As Prometheus 2.42 asks.
  CHECK(format_for("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;"
                   "version=0.0.4;q=0.5,*/*;q=0.1") == Format::openmetrics);
  CHECK(content_type(Format::text) == "text/plain; version=0.0.4; charset=utf-8");
}

TEST_CASE("decimals keep every digit of a whole number of a smaller unit") {
  const std::vector<std::pair<Decimal, std::string>> cases = {
      {{0, 3}, "0"},
      {{5, 3}, "0.005"},
      {{1'500, 3}, "1.5"},
      {{-1'500, 3}, "-1.5"},
      {{-5, 3}, "-0.005"},
      {{1'000'000, 6}, "1"},
      {{1'234'567, 6}, "1.234567"},
      {{std::numeric_limits<std::int64_t>::max(), 0}, "9223372036854775807"},
      {{std::numeric_limits<std::int64_t>::min(), 3}, "-9223372036854775.808"},
      {Milliseconds{1'700'000'000'123}, "1700000000.123"},
      {from_unix_seconds(12), "12"},
      {true, "1"},
      {std::size_t{8}, "8"},
  };
  for (const auto& [decimal, text] : cases) CHECK(decimal.str() == text);
}

TEST_CASE("a histogram counts a value under the first bound that is not below it") {
  Histogram histogram(kBounds);
  for (const std::int64_t value : {-1, 0, 5, 6, 50, 51, 1'000, 1'001, 90'000}) histogram.observe(value);
  const auto reading = histogram.read();
  CHECK(reading.counts == std::vector<std::uint64_t>{3, 2, 2, 2});
  CHECK(reading.count() == 9);
  CHECK(reading.sum == 92'112);
  Exposition page;
  page.family("hansa_call_duration_seconds", Kind::histogram, "How long.");
  page.sample(reading, 3, {{"site", "a"}});
  CHECK(std::move(page).text() ==
        "# HELP hansa_call_duration_seconds How long.\n# TYPE hansa_call_duration_seconds histogram\n"
        "hansa_call_duration_seconds_bucket{site=\"a\",le=\"0.005\"} 3\n"
        "hansa_call_duration_seconds_bucket{site=\"a\",le=\"0.05\"} 5\n"
        "hansa_call_duration_seconds_bucket{site=\"a\",le=\"1.0\"} 7\n"
        "hansa_call_duration_seconds_bucket{site=\"a\",le=\"+Inf\"} 9\n"
        "hansa_call_duration_seconds_sum{site=\"a\"} 92.112\nhansa_call_duration_seconds_count{site=\"a\"} 9\n");
}

TEST_CASE("threads that observe at once lose nothing") {
  constexpr int kThreads = 4, kEach = 10'000;
  Histogram histogram(kBounds);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&histogram] {
        for (int n = 0; n < kEach; ++n) histogram.observe(n % 60);
      });
    }
  }
  CHECK(histogram.read().count() == std::uint64_t{kThreads} * kEach);
}

}  // namespace
}  // namespace hansa::metrics
