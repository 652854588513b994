// SPDX-License-Identifier: Apache-2.0
#pragma once
// Times and durations as people and formats write them.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"

#include <string>
#include <string_view>

namespace hansa {

/// RFC 3339, UTC, whole seconds: "2026-11-22T10:00:00Z".
std::string format_utc(UtcTime t);

/// RFC 3339 date-time ("2026-11-22T10:00:00Z", fraction and "+02:00" accepted) or date ("2026-11-22", midnight UTC).
Result<UtcTime> parse_utc(std::string_view text);

/// "59s", "1m30s", "2h5m", "1d2h": for people, the two largest units.
std::string format_duration(Seconds d);

/// Slurm's --time forms (sbatch(1)): "minutes", "minutes:seconds", "hours:minutes:seconds", "days-hours",
/// "days-hours:minutes", "days-hours:minutes:seconds"; and "90s", "30m", "2h", "1d", "1h30m". Result is at least 1 s.
Result<Seconds> parse_duration(std::string_view text);

}  // namespace hansa
