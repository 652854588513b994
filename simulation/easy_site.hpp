// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site as workload studies have it: so many cores, one line, EASY backfilling (Lifka, "The ANL/IBM SP scheduling system",
// JSSPP 1995). First come, first served; the first in line that does not fit has a reservation, computed from the time limits
// of what runs, and a later job starts before it if it fits and ends before that or takes cores that stay spare beside it.
//
// No time, no events of its own: who plays a trace calls it.

#include "policies/routing/pool_view.hpp"

#include <cstdint>
#include <vector>

namespace hansa::simulation {

using routing::Instant;
using JobIndex = std::uint32_t;        // into Workload::jobs

class EasySite {
 public:
  explicit EasySite(std::int64_t cores) : cores_(cores), free_(cores) {}

  /// To the end of the line. 1 <= cores <= this->cores().
  void submit(JobIndex job, std::int64_t cores, std::int64_t limit);
  /// Out of the line. False: it is not in it.
  bool withdraw(JobIndex job);
  /// A running job is over.
  void end(JobIndex job);

  /// One pass of the scheduler: starts what may start at `now` and appends it to `started`.
  void pass(Instant now, std::vector<JobIndex>& started);

  [[nodiscard]] std::int64_t cores() const { return cores_; }
  [[nodiscard]] std::int64_t free() const { return free_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// Those that came through the broker.
  [[nodiscard]] std::size_t waiting_of(const std::vector<bool>& ours) const;

  /// What it says of itself. `ours[job]`: the job came through the broker, whose number of it is its index + 1.
  void describe(const std::vector<bool>& ours, Instant now, routing::PoolSnapshot& snapshot) const;
  /// The same to whom it hides other people's jobs (Slurm's PrivateData=jobs): the jobs that came through the broker, with the
  /// starts that the scheduler plans for those that wait, and how many cores are allocated. Where nine tenths of these are the
  /// broker's it takes itself to see everybody, as the Slurm connector does.
  void describe_private(const std::vector<bool>& ours, Instant now, routing::PoolSnapshot& snapshot) const;

 private:
  struct Waiting {
    JobIndex job = 0;
    std::int64_t cores = 0;
    std::int64_t limit = 0;
  };
  struct Running {
    JobIndex job = 0;
    std::int64_t cores = 0;
    Instant ends = 0;                  // at its limit
  };
  void start(const Waiting& job, Instant now, std::vector<JobIndex>& started);

  std::int64_t cores_;
  std::int64_t free_;
  std::vector<Waiting> waiting_;       // in line
  std::vector<Running> running_;       // by end
};

}  // namespace hansa::simulation
