// SPDX-License-Identifier: Apache-2.0
#pragma once
// When a job is bound to a site, and when it is bound to another: late binding, places in line, and one move.
//
// A job that a site would start now goes there at once. Otherwise, where the line of the site that would take it first is ours
// alone, it stays with the broker, which keeps one virtual reservation at each pool for its most urgent jobs and lets others
// pass only where they delay none of those. Where other people wait in that line, whom nobody's virtual reservation holds
// up, a job takes its place among them: at once if it is wide, else later, because it can still profit from staying mobile. A
// job that waits at a site moves, once in its life, if another site would start it now and its own not for long.
//
// Held jobs go by urgency: the time waited (and a head start) over the job's length, which is a quarter of its limit and three
// quarters of what it probably runs. So short jobs, by far the most, wait briefly, and nobody for ever: urgency grows without
// bound, and the most urgent job has a reservation. Limits alone decide what fits; a wrong guess of the length delays nobody's
// reservation. docs/adr/0010 has the measurements.
//
// Pure and deterministic: no clock, no randomness, integers only; time comes with each call and never goes back. Nothing is
// sent from here: plan() says what to send, and the caller says what became of it. Not thread-safe; one owner.

#include "policies/routing/pool_view.hpp"
#include "policies/routing/urgency.hpp"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace hansa::routing {

using PoolIndex = std::uint32_t;       // into the pools that the Binder was made with

struct BindingOptions {
  /// False: every job is sent at once to the pool of the earliest predicted start (and may move).
  bool hold = true;
  /// Blocked jobs that are looked at for a reservation or a place in line; the less urgent ones only fill holes.
  std::int32_t blocked_most = 64;
  /// Seconds that every job is counted to have waited already: more favours short jobs, less favours fairness.
  std::int64_t head_start = kHeadStart;
  /// A job that asks for so much of the pool (percent) takes its place among other people at once.
  std::int64_t place_percent = 15;
  /// Every job does, after so many seconds.
  std::int64_t place_after = 7200;
  /// A move must win so many seconds.
  std::int64_t move_gain = 3600;
  /// Moves tried, per thousand jobs accepted: a move is two messages to sites.
  std::int64_t moves_per_thousand = 95;
};

struct BindingJob {
  BoundId id = 0;                      // not kNotOurs; unique among the jobs that are not forgotten
  PoolDemand demand;
  std::int64_t expected_run = 0;       // seconds that it probably runs (RunHistory); 0: not known, its limit
  Instant submitted_at = 0;
  std::vector<PoolIndex> allowed;      // pools that may take it; empty: all
};

/// One message, or two: a job that is `from` a pool is to be cancelled there if it still waits, then sent.
struct BindingStep {
  BoundId id = 0;
  std::optional<PoolIndex> from;
  PoolIndex to = 0;
  friend bool operator==(const BindingStep&, const BindingStep&) = default;
};

class Binder {
 public:
  /// The pools' cores, each at least 1.
  explicit Binder(const std::vector<std::int64_t>& pools, const BindingOptions& options = {});

  /// A job to be placed. Wider than every pool that it may go to: it is kept, and never leaves.
  void accept(BindingJob job);
  /// A newer snapshot of a pool. Jobs of ours that were sent there since it was taken, and are not in it, stay believed.
  void observe(PoolIndex pool, const PoolSnapshot& snapshot);
  /// The job is over, or no longer to be placed.
  void forget(BoundId id);
  /// The cancel of a move came too late, or the send was refused: the job is where it was, and does not move again. What else was
  /// believed of the pool is right again with its next snapshot.
  void refused(const BindingStep& step);

  /// What is to be sent now. It is believed to be on its way from then on.
  std::vector<BindingStep> plan(Instant now);
  /// The next time at which plan() might say something without anything new: the caller may ask late. kForever: none.
  [[nodiscard]] Instant next_plan(Instant now) const;

  [[nodiscard]] std::size_t held() const { return held_.size(); }
  [[nodiscard]] std::int64_t moves() const { return moves_; }

 private:
  struct Job {
    PoolDemand demand;
    std::int64_t length = 1;
    Instant submitted_at = 0;
    std::vector<PoolIndex> allowed;
    std::optional<PoolIndex> at;  // none: held
    Instant sent_at = 0;
    std::uint64_t seen = 0;  // the observation that showed it last
    bool moved = false;
  };
  struct Reservation {
    Instant at = kForever;
    std::int64_t spare = 0;
    [[nodiscard]] bool stands() const { return at != kForever; }
  };
  struct Pool {
    PoolView view;
    Reservation reservation;  // of a held job
    std::vector<BoundId> recent;  // sent since the last snapshot
  };
  struct Held {
    BoundId id = 0;
    PoolDemand demand;
    std::int64_t length = 1;
    Instant submitted_at = 0;
    bool any_pool = true;
  };
  struct Turn {
    std::int64_t urgency = 0;
    std::size_t place = 0;  // in held_
  };

  [[nodiscard]] bool allows(const Job& job, PoolIndex pool) const;
  [[nodiscard]] bool may(const Held& held, PoolIndex pool) const;
  bool startable(const PoolDemand& demand, PoolIndex pool, Instant now);
  std::optional<PoolIndex> best_fit(const Held& held, Instant now);
  std::optional<PoolIndex> earliest(const Held& held, Instant now, bool without_reservation, Instant& start);
  bool takes_place(const Held& held, PoolIndex pool, Instant now) const;
  void move_waiting(Instant now, std::vector<BindingStep>& steps);
  /// False: it stays held.
  bool place(const Held& held, Instant now, std::vector<BindingStep>& steps);
  void keep_held(const Held& held);
  void place_all(Instant now, std::vector<BindingStep>& steps);
  void send(BoundId id, const PoolDemand& demand, PoolIndex pool, Instant now, std::vector<BindingStep>& steps);
  [[nodiscard]] bool reservations_complete() const;
  [[nodiscard]] bool full_of_ours() const;

  BindingOptions options_;
  std::vector<Pool> pools_;
  std::unordered_map<BoundId, Job> jobs_;
  std::vector<Held> held_;  // by submission
  std::vector<Turn> turns_;  // of place_all, kept for its memory
  std::size_t planned_ = 0;  // of held_: the others have come since
  std::int32_t reserved_ = 0;
  std::int32_t blocked_ = 0;
  bool news_ = false;  // something else has changed since
  Instant due_ = kForever;  // next_plan of the last one
  std::int64_t accepted_ = 0;
  std::int64_t moves_ = 0;
  std::uint64_t observations_ = 0;
};

}  // namespace hansa::routing
