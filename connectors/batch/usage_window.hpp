// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which part of the site's accounting is asked for next. Neither sacct nor qselect can select by the beginning of a name, so
// every finished job of the site in a window of time is listed and ours are kept: windows are at most a day and a half long, and
// follow each other up to now.
//
// A run may reach the accounting late (slurmdbd was down: the controller keeps its messages). So each window begins a little
// before the last one's end, and once an hour it begins a day before.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace hansa::connectors::batch {

struct UsageWindow {
  UtcTime from{};
  UtcTime to{};
  UtcTime last_deep{};  // when it last began a day before
  bool reaches_now = false;  // or the end of what was asked for
  std::string next_cursor;  // "<begin of the next window>;<last_deep>", in seconds, or usage_between()
  std::optional<UtcTime> end = {};  // of what was asked for, if it has one

  [[nodiscard]] bool can_be_halved() const { return to - from > Seconds{60}; }
  /// For an answer that was too long.
  void halve();
  /// Whether a run that ended then is counted in this window, and in no other.
  [[nodiscard]] bool counts(UtcTime ended_at) const { return from <= ended_at && ended_at < to; }
};

/// `cursor` is "", a next_cursor, or one of usage_between(); invalid_argument for anything else.
Result<UsageWindow> next_window(std::string_view cursor, UtcTime now, Seconds history);

}  // namespace hansa::connectors::batch
