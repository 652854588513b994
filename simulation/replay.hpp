// SPDX-License-Identifier: Apache-2.0
#pragma once
// Plays a workload at EASY sites under a router. Driven by events: time in which nothing happens costs nothing.
//
// At each instant, in this order: jobs end; sites' own people submit; the sites start what they can; the router is told of what
// ended and arrived and acts; the sites start what they can, and the router is told, until nothing changes. Messages to sites
// take no time and are never lost.

#include "simulation/workload.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hansa::simulation {

class Replay;

/// Decides where the broker's jobs go. One object plays one replay.
class Router {
 public:
  virtual ~Router() = default;
  /// A job has come to the broker. Messages may be sent here and in act().
  virtual void arrived(Replay& replay, JobIndex job) = 0;
  /// A job of the broker has started.
  virtual void started(Replay& /*replay*/, JobIndex /*job*/, SiteIndex /*site*/) {}
  /// A job of the broker has ended.
  virtual void ended(Replay& /*replay*/, JobIndex /*job*/, SiteIndex /*site*/) {}
  /// Something of other people's has changed at a site: nobody tells a broker, but it may look.
  virtual void changed(Replay& /*replay*/, SiteIndex /*site*/) {}
  /// The sites have settled at this instant.
  virtual void act(Replay& /*replay*/) {}
  /// When act() wants to be called next although nothing happens; kForever: never.
  [[nodiscard]] virtual Instant next_act() const { return routing::kForever; }
};

inline constexpr Instant kNotStarted = -1;

/// What became of a job.
struct Fate {
  Instant started = kNotStarted;
  SiteIndex site = 0;
};

struct Outcome {
  std::vector<Fate> fates;             // of Workload::jobs
  std::int64_t submits = 0;            // messages of the broker to sites
  std::int64_t cancels = 0;
  std::int64_t moves = 0;              // of jobs from one site to another
};

class Replay {
 public:
  /// `workload` outlives it; `cores` of each site, every job fits the widest one (Router::arrived sees to the rest).
  Replay(const Workload& workload, std::span<const std::int64_t> cores);

  /// Once.
  Outcome run(Router& router);

  // For routers.
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] const std::vector<ReplayJob>& jobs() const { return workload_.jobs; }
  [[nodiscard]] const std::vector<EasySite>& sites() const { return sites_; }
  [[nodiscard]] const std::vector<bool>& ours() const { return ours_; }
  /// Where the rules let it go; empty: everywhere.
  [[nodiscard]] std::span<const SiteIndex> allowed(JobIndex job) const {
    return workload_.kinds.empty() ? std::span<const SiteIndex>{} : workload_.kinds[workload_.jobs[job].kind].allowed;
  }
  /// The site puts the job at the end of its line. Precondition: it fits.
  void submit(JobIndex job, SiteIndex site);
  /// Cancels it there if it still waits. False: it does not.
  bool withdraw(JobIndex job, SiteIndex site);
  void count_move() { ++outcome_.moves; }

 private:
  struct End {
    Instant at;
    JobIndex job;
    friend bool operator>(const End& a, const End& b) { return a.at != b.at ? a.at > b.at : a.job > b.job; }
  };
  void settle(Router& router);
  void touch(SiteIndex site);

  const Workload& workload_;
  std::vector<EasySite> sites_;
  std::vector<bool> ours_;
  std::vector<bool> touched_;
  bool any_touched_ = false;
  std::vector<End> ends_;              // a heap, the earliest on top
  std::vector<JobIndex> started_;
  Instant now_ = 0;
  Outcome outcome_;
};

}  // namespace hansa::simulation
