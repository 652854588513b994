// SPDX-License-Identifier: Apache-2.0
#include "simulation/routers.hpp"

#include "policies/routing/run_history.hpp"
#include "simulation/seeded_random.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace hansa::simulation {
namespace {

constexpr std::array<std::pair<Policy, std::string_view>, 7> kNames{{{Policy::hansa, "hansa"},
                                                                     {Policy::home, "home"},
                                                                     {Policy::random, "random"},
                                                                     {Policy::shortest_queue, "shortest-queue"},
                                                                     {Policy::earliest_start, "earliest-start"},
                                                                     {Policy::redundant, "redundant"},
                                                                     {Policy::merged, "merged"}}};

/// Wide enough, and allowed.
bool fits(const Replay& replay, JobIndex job, SiteIndex site) {
  const auto allowed = replay.allowed(job);
  return replay.jobs()[job].cores <= replay.sites()[site].cores() &&
         (allowed.empty() || std::ranges::binary_search(allowed, site));
}

std::vector<bool> hidden_of(const std::vector<SimulatedSite>& sites) {
  std::vector<bool> hidden;
  for (const auto& site : sites) hidden.push_back(site.hidden);
  return hidden;
}

class HomeRouter final : public Router {
 public:
  void arrived(Replay& replay, JobIndex job) override { replay.submit(job, replay.jobs()[job].home); }
};

class RandomRouter final : public Router {
 public:
  explicit RandomRouter(std::uint64_t seed) : random_(seed) {}

  void arrived(Replay& replay, JobIndex job) override {
    std::uint64_t all = 0;
    const auto weight = [&](SiteIndex site) {
      return fits(replay, job, site) ? static_cast<std::uint64_t>(replay.sites()[site].cores()) : 0;
    };
    for (SiteIndex site = 0; site < replay.sites().size(); ++site) all += weight(site);
    auto mark = random_.below(all);
    SiteIndex site = 0;
    for (; mark >= weight(site); ++site) mark -= weight(site);
    replay.submit(job, site);
  }

 private:
  SeededRandom random_;
};

class ShortestQueueRouter final : public Router {
 public:
  explicit ShortestQueueRouter(std::vector<bool> hidden) : hidden_(std::move(hidden)) {}

  void arrived(Replay& replay, JobIndex job) override {
    std::optional<SiteIndex> best;
    const auto& sites = replay.sites();
    // Fewer waiting for the cores; where that is the same, more free cores.
    const auto seen = [&](SiteIndex site) {
      return static_cast<std::int64_t>(hidden_[site] ? sites[site].waiting_of(replay.ours()) : sites[site].waiting());
    };
    const auto better = [&](SiteIndex a, SiteIndex b) {
      const auto left = seen(a) * sites[b].cores();
      const auto right = seen(b) * sites[a].cores();
      return left != right ? left < right : sites[a].free() > sites[b].free();
    };
    for (SiteIndex site = 0; site < sites.size(); ++site) {
      if (fits(replay, job, site) && (!best || better(site, *best))) best = site;
    }
    replay.submit(job, *best);
  }

 private:
  std::vector<bool> hidden_;           // by site
};

class RedundantRouter final : public Router {
 public:
  void arrived(Replay& replay, JobIndex job) override {
    for (SiteIndex site = 0; site < replay.sites().size(); ++site) {
      if (fits(replay, job, site)) replay.submit(job, site);
    }
  }
  void started(Replay& replay, JobIndex job, SiteIndex site) override {
    for (SiteIndex other = 0; other < replay.sites().size(); ++other) {
      if (other != site && fits(replay, job, other)) replay.withdraw(job, other);
    }
  }
};

/// A broker that looks at its sites as hansad does, and does what the Binder says.
class BindingRouter final : public Router {
 public:
  BindingRouter(const std::vector<SimulatedSite>& sites, const routing::BindingOptions& options)
      : binder_(played_cores(sites, Policy::hansa), options), hidden_(hidden_of(sites)), look_(sites.size(), Look::unchanged) {}

  void arrived(Replay& replay, JobIndex job) override {
    const auto& what = replay.jobs()[job];
    const auto allowed = replay.allowed(job);
    binder_.accept({.id = routing::BoundId{job} + 1,
                    .demand = {.cores = what.cores, .limit = what.limit},
                    .expected_run = history_.expected(what.user, what.limit),
                    .submitted_at = what.submit,
                    .allowed = {allowed.begin(), allowed.end()}});
    plan_ = true;
  }

  void started(Replay& replay, JobIndex /*job*/, SiteIndex site) override { changed(replay, site); }

  void ended(Replay& replay, JobIndex job, SiteIndex site) override {
    history_.ran(replay.jobs()[job].user, replay.jobs()[job].run);
    binder_.forget(routing::BoundId{job} + 1);
    look_[site] = Look::now;
    plan_ = true;
  }

  void changed(Replay& replay, SiteIndex site) override {
    if (look_[site] == Look::unchanged) look_[site] = Look::at_round;
    round_at_ = std::min(round_at_, next_round(replay.now()));
  }

  void act(Replay& replay) override {
    const bool round = replay.now() >= round_at_;
    const bool due = replay.now() >= due_at_;
    if (!plan_ && !round && !due) return;
    if (round) round_at_ = routing::kForever;
    for (SiteIndex site = 0; site < look_.size(); ++site) {
      if (look_[site] == Look::unchanged || (look_[site] == Look::at_round && !round)) continue;
      look_[site] = Look::unchanged;
      const auto& easy = replay.sites()[site];
      if (hidden_[site])
        easy.describe_private(replay.ours(), replay.now(), snapshot_);
      else
        easy.describe(replay.ours(), replay.now(), snapshot_);
      binder_.observe(site, snapshot_);
    }
    plan_ = false;
    for (const auto& step : binder_.plan(replay.now())) {
      const auto job = static_cast<JobIndex>(step.id - 1);
      if (step.from) {
        if (!replay.withdraw(job, *step.from)) {
          binder_.refused(step);
          continue;
        }
        replay.count_move();
      }
      replay.submit(job, step.to);
    }
    const auto due_next = binder_.next_plan(replay.now());
    due_at_ = due_next == routing::kForever ? due_next : next_round(due_next - 1);
  }

  [[nodiscard]] Instant next_act() const override { return std::min(round_at_, due_at_); }

 private:
  enum class Look : std::uint8_t { unchanged, at_round, now };

  /// Rounds are at whole periods: the first after `t`.
  static Instant next_round(Instant t) { return (t / kSnapshotPeriod + 1) * kSnapshotPeriod; }

  routing::Binder binder_;
  routing::RunHistory<std::int64_t> history_;  // of the broker's own jobs
  std::vector<bool> hidden_;           // by site
  std::vector<Look> look_;
  routing::PoolSnapshot snapshot_;
  Instant round_at_ = routing::kForever;
  Instant due_at_ = routing::kForever;
  bool plan_ = false;
};

}  // namespace

std::string_view to_string(Policy policy) {
  return std::ranges::find(kNames, policy, &std::pair<Policy, std::string_view>::first)->second;
}

std::optional<Policy> parse_policy(std::string_view name) {
  const auto* at = std::ranges::find(kNames, name, &std::pair<Policy, std::string_view>::second);
  return at == kNames.end() ? std::nullopt : std::optional(at->first);
}

std::unique_ptr<Router> make_router(Policy policy, const std::vector<SimulatedSite>& sites, std::uint64_t seed,
                                    const routing::BindingOptions& options) {
  switch (policy) {
    case Policy::hansa: return std::make_unique<BindingRouter>(sites, options);
    case Policy::earliest_start:
      return std::make_unique<BindingRouter>(sites, routing::BindingOptions{.hold = false, .moves_per_thousand = 0});
    case Policy::random: return std::make_unique<RandomRouter>(seed);
    case Policy::shortest_queue: return std::make_unique<ShortestQueueRouter>(hidden_of(sites));
    case Policy::redundant: return std::make_unique<RedundantRouter>();
    case Policy::home:
    case Policy::merged: break;
  }
  return std::make_unique<HomeRouter>();
}

std::vector<std::int64_t> played_cores(const std::vector<SimulatedSite>& sites, Policy policy) {
  std::vector<std::int64_t> cores;
  std::int64_t all = 0;
  for (const auto& site : sites) {
    cores.push_back(site.cores);
    all += site.cores;
  }
  return policy == Policy::merged ? std::vector{all} : cores;
}

Outcome play(const Workload& workload, const std::vector<SimulatedSite>& sites, Policy policy, std::uint64_t seed,
             const routing::BindingOptions& options) {
  const auto cores = played_cores(sites, policy);
  if (policy == Policy::merged) {
    Workload together = workload;
    for (auto& job : together.jobs) job.home = 0;
    HomeRouter router;
    return Replay(together, cores).run(router);
  }
  const auto router = make_router(policy, sites, seed, options);
  return Replay(workload, cores).run(*router);
}

}  // namespace hansa::simulation
