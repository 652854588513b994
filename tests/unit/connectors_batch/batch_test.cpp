// SPDX-License-Identifier: Apache-2.0
#include "broker/core/encoding.hpp"
#include "broker/ports/usage_between.hpp"
#include "connectors/batch/answers.hpp"
#include "connectors/batch/usage_window.hpp"
#include "connectors/batch/values.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace hansa::connectors::batch {

TEST_CASE("words for people are one short line of UTF-8") {
  CHECK(words_of("sbatch: error: a\n\nsbatch: error: b\n") == "a; b");
  CHECK(words_of("qsub: illegal -N value\nusage: qsub [-a date_time]\n\t[-C directive_prefix]\n") == "illegal -N value");
  CHECK(words_of("") == "");
  CHECK(words_of("x\x01y\x1b[31mz") == "x y [31mz");
  CHECK(words_of(std::string(1000, 'a')).size() == 300);
  CHECK(is_utf8(words_of("\xff\xfe")));
  CHECK(is_utf8(words_of(std::string(299, 'a') + "\xc3\xa4")));
}

TEST_CASE("usage windows: a day at a time up to now, then small ones, once an hour a deep one") {
  const auto now = from_unix_seconds(1'800'000'000);
  auto window = next_window("", now, Seconds{3 * 86400}).value();
  CHECK(window.from == now - Seconds{3 * 86400});
  CHECK_FALSE(window.reaches_now);
  int pages = 1;
  auto covered = window.to;
  while (!window.reaches_now) {
    window = next_window(window.next_cursor, now, Seconds{3 * 86400}).value();
    CHECK(window.from <= covered);  // no gap
    covered = window.to;
    REQUIRE(++pages < 10);
  }
  CHECK(covered == now);
  CHECK(pages == 2);

  const auto minute_later = next_window(window.next_cursor, now + Seconds{60}, Seconds{86400}).value();
  CHECK(minute_later.from == now - Seconds{600});
  CHECK(minute_later.reaches_now);
  const auto hour_later = next_window(minute_later.next_cursor, now + Seconds{3700}, Seconds{86400}).value();
  CHECK(hour_later.from == now + Seconds{60 - 600 - 86400});
  CHECK(hour_later.reaches_now);
  const auto after_deep = next_window(hour_later.next_cursor, now + Seconds{3760}, Seconds{86400}).value();
  CHECK(after_deep.from == now + Seconds{3700 - 600});

  auto halved = minute_later;
  halved.halve();
  CHECK_FALSE(halved.reaches_now);
  CHECK(next_window(halved.next_cursor, now + Seconds{60}, Seconds{86400})->from == halved.to);

  for (const auto bad : {"x", ";", "1;", ";1", "-1;5", "1;2;x"}) {
    INFO(bad);
    CHECK_FALSE(next_window(bad, now, Seconds{86400}).has_value());
  }
  // A clock that stepped back: nothing from the future is believed.
  CHECK(next_window("1900000000;1900000000", now, Seconds{86400})->from < now);
}

TEST_CASE("a time that is asked about is read window by window, whatever the history, and halved as any other") {
  const auto from = from_unix_seconds(1'700'000'000);
  const auto to = from + Seconds{3 * 86'400};
  const auto now = from + Seconds{900 * 86'400};
  auto window = next_window(ports::usage_between({from, to}).text, now, Seconds{86'400}).value();
  CHECK(window.from == from);
  CHECK_FALSE(window.reaches_now);
  window.halve();
  auto covered = window.from;
  for (int pages = 0; pages < 10; ++pages) {
    CHECK(window.from == covered);  // neither a gap nor anything twice
    covered = window.to;
    if (window.reaches_now) break;
    window = next_window(window.next_cursor, now, Seconds{86'400}).value();
  }
  CHECK(covered == to);
  CHECK(window.counts(to - Seconds{1}));
  CHECK_FALSE(window.counts(to));
  for (const auto* bad : {"between;", "between;1", "between;1;", "between;2;1", "between;-1;5", "between;1;2;3", "between;x;2"})
    CHECK(next_window(bad, now, Seconds{86'400}).error().code == "USAGE_CURSOR");
}

TEST_CASE("times of day that do not exist are none") {
  CHECK(utc_time(2026, 11, 22, 9, 5, 22) == from_unix_seconds(1'795'338'322));
  CHECK(utc_time(2024, 2, 29, 0, 0, 0).has_value());
  for (const auto& [month, day, hour, minute, second] : std::initializer_list<std::array<int, 5>>{{2, 29, 0, 0, 0},
                                                                                                  {13, 1, 0, 0, 0},
                                                                                                  {0, 1, 0, 0, 0},
                                                                                                  {1, 32, 0, 0, 0},
                                                                                                  {1, 1, 24, 0, 0},
                                                                                                  {1, 1, 0, 60, 0},
                                                                                                  {1, 1, 0, 0, 61},
                                                                                                  {1, 1, -1, 0, 0}}) {
    CHECK_FALSE(utc_time(2026, month, day, hour, minute, second).has_value());
  }
  CHECK_FALSE(parse_unix_time("253402300800").has_value());
  CHECK(parse_unix_time("0") == UtcTime{});
}

}  // namespace hansa::connectors::batch
