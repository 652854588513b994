// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hours of every day at some place, by its own clocks: "22:00-06:00 Europe/Helsinki".

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace hansa {

class DailyHours {
 public:
  /// "HH:MM-HH:MM ZONE": from the one (included) to the other, on the next day if that is not later; "00:00-24:00" is all day.
  /// ZONE is a name of the time zone database (IANA), of this machine: "Europe/Helsinki", "UTC". invalid_argument: what is wrong.
  static Result<DailyHours> parse(std::string_view text);

  /// When they are over, if `at` lies in them.
  [[nodiscard]] std::optional<UtcTime> end_of(UtcTime at) const;
  /// When they begin next, after `at`.
  [[nodiscard]] UtcTime next_begin(UtcTime at) const;
  [[nodiscard]] const std::string& text() const { return text_; }
  friend bool operator==(const DailyHours& a, const DailyHours& b) { return a.text_ == b.text_; }

 private:
  struct Span {
    UtcTime begin{};
    UtcTime end{};
  };
  /// The one that begins on the place's day that `at` lies in, or so many days later.
  [[nodiscard]] Span span_of(UtcTime at, int days_later) const;

  std::string text_;
  std::string zone_;
  std::chrono::minutes from_{0};
  std::chrono::minutes until_{0};  // more than a day: on the next one
};

}  // namespace hansa
