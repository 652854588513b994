// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the broker believes of one pool between two looks at it: the last snapshot, and its own sends since, applied as the
// site's EASY backfilling would apply them. Knows time limits, never run times.
//
// Of a pool that hides other people's jobs are known: how many cores they have, not until when; ours, with the starts that the
// site's scheduler plans for those that wait. There somebody may wait at any time. A job starts there now, as far as anybody
// can tell, if it fits beside what is known and none of ours waits that asks for no more; and no earlier than such a one.

#include "policies/routing/pool_profile.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace hansa::routing {

/// The caller's number of a job of ours. 0: somebody else's job.
using BoundId = std::uint64_t;
inline constexpr BoundId kNotOurs = 0;

/// What a job asks of a pool: 1 core and 1 second at least.
struct PoolDemand {
  std::int64_t cores = 1;
  std::int64_t limit = 1;              // seconds
};

struct PoolRunning {
  BoundId id = kNotOurs;
  std::int64_t cores = 1;
  Instant ends = 0;                    // at its limit
};

struct PoolWaiting {
  BoundId id = kNotOurs;
  PoolDemand demand;
  Instant planned = kForever;          // its start, by the site's scheduler; kForever: nobody says
};

/// What a site said, at one time. Running work in any order, waiting work in the order of its line.
struct PoolSnapshot {
  Instant taken_at = 0;
  std::vector<PoolRunning> running;
  std::vector<PoolWaiting> waiting;
  bool sees_everyone = true;           // false: other people's jobs are hidden from us
  std::int64_t hidden_cores = 0;       // allocated to jobs that are
};

class PoolView {
 public:
  explicit PoolView(std::int64_t cores) : cores_(cores), free_(cores) {}

  /// Replaces everything that was believed.
  void observe(const PoolSnapshot& snapshot);
  /// A job of ours was sent at `now`: it starts if it can, and else takes the last place in line.
  void send(BoundId id, const PoolDemand& demand, Instant now);
  /// A job of ours has left the line. False: it was not in it.
  bool withdraw(BoundId id);

  [[nodiscard]] std::int64_t cores() const { return cores_; }
  [[nodiscard]] std::int64_t free() const { return free_; }
  [[nodiscard]] const std::vector<PoolWaiting>& waiting() const { return waiting_; }
  /// Of a pool that hides them, or once did: one at least.
  [[nodiscard]] std::int64_t others_waiting() const {
    return hides_ ? std::max<std::int64_t>(others_waiting_, 1) : others_waiting_;
  }

  /// Whether the site would start such a job at `now`, if it came now: it fits, and delays nobody's reservation (EASY: only
  /// the first in line has one).
  [[nodiscard]] bool starts_now(const PoolDemand& demand, Instant now);

  /// When a job that came now would start at the latest if everybody ran to the limit and nobody overtook: each waiting job has
  /// its place. kForever: wider than the pool.
  [[nodiscard]] Instant predicted_start(const PoolDemand& demand, Instant now);
  /// The same for the job at `place` in line.
  [[nodiscard]] Instant predicted_start_in_line(std::size_t place, Instant now);
  /// Running and waiting work, each at its predicted time.
  [[nodiscard]] const PoolProfile& profile(Instant now);

 private:
  struct Shadow {  // the first in line: when it starts, and what is left beside it then
    Instant at = kForever;
    std::int64_t spare = 0;
  };
  const Shadow& shadow(Instant now);
  [[nodiscard]] static bool asks_no_more(const PoolDemand& a, const PoolDemand& b) {
    return a.cores <= b.cores && a.limit <= b.limit;
  }
  void take_planned(Instant now);
  void changed();

  std::int64_t cores_;
  std::int64_t free_;
  std::int64_t others_waiting_ = 0;
  std::int64_t hidden_cores_ = 0;
  bool hides_ = false;  // also where for once all that is allocated is ours
  std::vector<PoolRunning> running_;  // by end
  std::vector<PoolWaiting> waiting_;
  std::vector<Instant> starts_;  // of waiting_, when profile_known_
  PoolProfile profile_;
  Shadow shadow_;
  bool profile_known_ = false;
  bool shadow_known_ = false;
};

}  // namespace hansa::routing
