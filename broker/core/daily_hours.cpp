// SPDX-License-Identifier: Apache-2.0
#include "broker/core/daily_hours.hpp"

#include "broker/core/suggest.hpp"

#include <date/tz.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace hansa {

namespace {

using std::chrono::minutes;

constexpr minutes kDay{24 * 60};

/// "06:30"; "24:00" is the end of the day.
std::optional<minutes> time_of_day(std::string_view text) {
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9' ? text[at] - '0' : 100'000; };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const int hour = digit(0) * 10 + digit(1), minute = digit(3) * 10 + digit(4);
  if (hour > 24 || minute > 59 || (hour == 24 && minute != 0)) return std::nullopt;
  return minutes{hour * 60 + minute};
}

/// Null: there is none of that name. The database is read once; zones live as long as the process.
const date::time_zone* zone_named(const std::string& name) {
  try {
    return date::locate_zone(name);
  } catch (const std::runtime_error&) { return nullptr; }
}

std::string meant(const std::string& name) {
  std::vector<std::string_view> known;
  try {
    for (const auto& zone : date::get_tzdb().zones) known.push_back(zone.name());
  } catch (const std::runtime_error&) { return "; this machine has no time zone database: install tzdata"; }
  return did_you_mean(name, known);
}

}  // namespace

Result<DailyHours> DailyHours::parse(std::string_view text) {
  const auto wrong = [](std::string why) { return fail(ErrorKind::invalid_argument, "DAILY_HOURS", std::move(why)); };
  const auto blank = text.find(' ');
  const auto hours = text.substr(0, blank);
  const auto dash = hours.find('-');
  const auto from = time_of_day(hours.substr(0, dash));
  const auto until = dash == std::string_view::npos ? std::nullopt : time_of_day(hours.substr(dash + 1));
  if (!from || !until || blank == std::string_view::npos || text.size() > 80)
    return wrong("hours stand as HH:MM-HH:MM ZONE, for example 22:00-06:00 Europe/Helsinki");
  if (*from == *until || *from == kDay) return wrong("these hours are none; all day is 00:00-24:00");
  DailyHours parsed;
  parsed.text_ = text;
  parsed.zone_ = text.substr(blank + 1);
  if (zone_named(parsed.zone_) == nullptr)
    return wrong("there is no time zone \"" + parsed.zone_ + "\"" + meant(parsed.zone_) +
                 "; names are those of the IANA database, for example Europe/Helsinki or UTC");
  parsed.from_ = *from;
  parsed.until_ = *until < *from ? *until + kDay : *until;
  return parsed;
}

DailyHours::Span DailyHours::span_of(UtcTime at, int days_later) const {
  const auto* zone = zone_named(zone_);
  if (zone == nullptr) return {at, at};  // it was there when they were parsed
  const auto day = date::floor<date::days>(zone->to_local(at)) + date::days{days_later};
  // What the clocks skip begins when they do; what they show twice counts from the first time to the second.
  return {std::chrono::time_point_cast<Milliseconds>(zone->to_sys(day + from_, date::choose::earliest)),
          std::chrono::time_point_cast<Milliseconds>(zone->to_sys(day + until_, date::choose::latest))};
}

std::optional<UtcTime> DailyHours::end_of(UtcTime at) const {
  for (const int days : {-1, 0}) {
    if (const auto span = span_of(at, days); span.begin <= at && at < span.end) return span.end;
  }
  return std::nullopt;
}

UtcTime DailyHours::next_begin(UtcTime at) const {
  for (int days = 0;; ++days) {
    if (const auto span = span_of(at, days); span.begin > at) return span.begin;
    if (days == 3) return at + kDay;  // a place without the next three days
  }
}

}  // namespace hansa
