// SPDX-License-Identifier: Apache-2.0
#pragma once
// A snapshot played forward under EASY backfilling: when each waiting job would start if every job ran to its limit.
//
// The rules, for each group of queues that share nodes (such a group is scheduled as one; groups do not touch):
//  - The line is ordered by the queue's priority tier, then priority (higher first), then the site's own order.
//  - At every moment the line is walked in that order. A job that fits now, for its whole limit, starts. The first that does
//    not gets a reservation: its earliest start, on named nodes, kept until it starts there. There is one reservation at a
//    time; everybody behind it starts early only where that does not touch it.
//  - A job takes the first nodes, in the order of the snapshot, that hold what its fullest node needs; one that wants them for
//    itself alone, those that hold it and that nothing is on, whole. Memory 0 means the site's default and is counted as none. A time limit of 0 means the queue's limit, or none.
//  - Work whose end has passed ends kPastDueGrace from now. Reservations take their nodes whole. Unusable nodes have no room.
//  - Not eligible and no time given: skipped. Eligible at a time: joins the line then (a reservation already given stands).
//    Also skipped: jobs in queues that are down, and jobs that the usable nodes can never hold (sites pass over them, too).
//
// The playing is bounded by `effort`, counted in steps of work and not in time, so that it ends at the same place on every
// machine. What has not started by then is counted as a fluid: its core- or GPU-seconds, whichever share is larger, over
// the group's capacity give the time in which no further job starts (QueueFacts::backlog_from, backlog_until). Up to that
// moment the schedule is exact.

#include "policies/routing/site_facts.hpp"

namespace hansa::routing {

/// Slurm's KillWait: between the end of a job's limit and its SIGKILL.
inline constexpr Seconds kPastDueGrace{30};

/// At most about 0.7 s on one core of 2 GHz; 5,000 waiting jobs on 2,000 nodes usually take a third of it.
inline constexpr std::int64_t kEffort = 200'000'000;

struct PlayedStart {
  Instant at = 0;
  std::vector<std::uint32_t> nodes;
};

struct Played {
  SiteFacts facts;                     // of the snapshot, with each queue's backlog set
  Fleet fleet;                         // what stays free, now and later
  std::vector<std::optional<PlayedStart>> starts;  // for each waiting job of the snapshot; none: see above
};

Played play_forward(const domain::SiteSnapshot& snapshot, UtcTime now, std::int64_t effort = kEffort);

/// The end that running work is counted with: not before `now` + grace if it has passed, not after the horizon.
Instant counted_end(UtcTime expected_end, Instant now);

/// What running work takes of one node.
Room room_of(const domain::NodeShare& share);

}  // namespace hansa::routing
