// SPDX-License-Identifier: Apache-2.0
#pragma once
// What projects may spend, and what is kept of it for attempts that may still cost something.
//
// A grant is a budget of Hansa's own. A balance is what a site, or whoever grants there, said was left to a project at one
// moment: others spend it too. An attempt at a site that wants an allocation is kept free of both, in the commit that
// intends it. What is kept is the most that its runs may cost; each run is charged what it cost once its site's accounting
// has told it; what is known not to run any more is let go.

#include "broker/domain/charge.hpp"
#include "broker/domain/job.hpp"

#include <optional>
#include <span>

namespace hansa::domain {

using AllocationId = Ulid;

enum class AllocationKind { grant, balance };
std::string_view to_string(AllocationKind kind);

struct Allocation {
  AllocationId id;
  AllocationKind kind = AllocationKind::grant;
  ProjectId project;
  SiteId site;                         // of a grant empty: any
  std::string unit;
  Charge granted;                      // of a balance: what was left, by the site's word
  UtcTime from{};                      // of a balance: when it was so
  std::optional<UtcTime> until;        // before; none: for ever
  Principal by;
  UtcTime at{};                        // recorded
  std::string note;
  std::optional<UtcTime> revoked_at = {};
  Charge reserved{};                   // for what may still cost something
  Charge used{};                       // charged; of a balance: by runs that ended since it was told
  Charge lately{};                     // of that: by runs that ended in the window that was asked about

  /// Less than nothing if runs cost more than was kept for them, or the site's word is less than what is kept.
  [[nodiscard]] Charge left() const { return granted - reserved - used; }
  [[nodiscard]] bool counts(UtcTime now) const { return !revoked_at && from <= now && (!until || now < *until); }
  friend bool operator==(const Allocation&, const Allocation&) = default;
};

/// What an attempt needs before it may be intended.
struct Hold {
  ChargeRule rule;                     // in force for it, whatever becomes of the rules
  Use most;                            // of one run, up to its time limit
  std::int64_t runs = 1;               // tasks of an array
  bool dispensable = false;            // it may go without
  [[nodiscard]] Charge amount() const { return times(charge(rule, most), runs); }
  friend bool operator==(const Hold&, const Hold&) = default;
};

/// Codes of why there is none; not for ever.
inline constexpr std::string_view kNotGranted = "NOT_GRANTED";            // nobody granted any
inline constexpr std::string_view kAllocationSpent = "ALLOCATION_SPENT";  // not enough of it is left
inline constexpr std::string_view kNoChargeRule = "NO_CHARGE_RULE";       // nobody says what a job costs there
inline bool is_about_allocation(std::string_view code) {
  return code == kNotGranted || code == kAllocationSpent || code == kNoChargeRule;
}

/// Where `need` is kept free: of the grants with enough left the site's own before one for any site, then the one that ends
/// first, then the oldest; one alone, never parts of two. The site's balance bounds it too, and without any grant is enough.
struct Headroom {
  const Allocation* grant = nullptr;
  const Allocation* balance = nullptr;
  std::optional<Reason> lacking;       // no room: why, with numbers and whom to ask
};
Headroom find_room(std::span<const Allocation> allocations, const ProjectId& project, const SiteId& site, std::string_view unit,
                   Charge need, UtcTime now);

/// How many runs of the attempt may still be charged: of which the end is not known, and of which it is and which have begun.
struct OpenRuns {
  std::int64_t not_over = 0;
  std::int64_t ended = 0;              // each is told by the accounting, sooner or later
  friend bool operator==(const OpenRuns&, const OpenRuns&) = default;
};
OpenRuns open_runs(const Job& job, const Attempt& attempt);

/// Of a run of such an attempt at most, by what was asked for; times are rounded up by schedulers to whole minutes.
Use most_use(const Resources& resources, Seconds time_limit);

/// When a grant will be spent at the rate of `lately`, which is of that window (shorter if it is younger); what will be left at
/// its end. None: nothing was spent lately, or it has no end.
struct Forecast {
  std::optional<UtcTime> spent_at;
  std::optional<Charge> left_at_end;
  Charge per_day{};
};
inline constexpr Seconds kForecastWindow{7 * 86'400};
Forecast forecast(const Allocation& allocation, UtcTime now);

}  // namespace hansa::domain
