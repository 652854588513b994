// SPDX-License-Identifier: Apache-2.0
#include "simulation/workload.hpp"

#include "broker/core/wide.hpp"
#include "simulation/seeded_random.hpp"

#include <algorithm>
#include <map>

namespace hansa::simulation {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kWeek = 7 * kDay;
constexpr std::int64_t kMillion = 1'000'000;
/// Three numbers as one that looks like chance. Tells the uses apart by `use`.
std::uint64_t hashed(std::uint64_t use, std::int64_t a, std::int64_t b) {
  SeededRandom random((use * 0x9e3779b97f4a7c15U) ^ (static_cast<std::uint64_t>(a) << 20U) ^ static_cast<std::uint64_t>(b));
  return random.next();
}
constexpr std::uint64_t kForSample = 1, kForHome = 2, kForLocal = 3;

std::int64_t span_of(const Trace& trace) { return trace.jobs.back().submit - trace.jobs.front().submit; }

void shake_gaps(std::vector<TraceJob>& jobs, SeededRandom& random) {
  std::vector<TraceJob> kept;
  kept.reserve(jobs.size());
  std::int64_t before = jobs.front().submit;
  std::int64_t at = 0;
  for (auto job : jobs) {
    const auto factor = 700'000 + static_cast<std::int64_t>(random.below(600'001));
    at += static_cast<std::int64_t>(Wide{job.submit - before} * factor / kMillion);
    before = job.submit;
    if (random.one_in(20)) continue;
    job.submit = at;
    kept.push_back(job);
  }
  jobs = std::move(kept);
}

void shift_users(std::vector<TraceJob>& jobs, std::int64_t span, SeededRandom& random) {
  const auto step = span >= 8 * kWeek ? kWeek : kDay;
  const auto steps = span / step + 1;
  std::map<std::int64_t, std::int64_t> shifts;
  for (const auto& job : jobs) shifts[job.user] = 0;
  for (auto& [user, shift] : shifts) shift = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(steps))) * step;
  const auto first = jobs.front().submit;
  for (auto& job : jobs) job.submit = (job.submit - first + shifts[job.user]) % (steps * step);
  sort_by_submit(jobs);
}

SiteIndex home_of(const TraceJob& job, std::int64_t cores, const std::vector<SimulatedSite>& sites) {
  std::int64_t all = 0;
  for (const auto& site : sites) all += site.cores >= cores ? site.cores : 0;
  auto mark = static_cast<std::int64_t>(hashed(kForHome, job.user, job.submit / kDay) % static_cast<std::uint64_t>(all));
  for (SiteIndex i = 0;; ++i) {
    if (sites[i].cores < cores) continue;
    mark -= sites[i].cores;
    if (mark < 0) return i;
  }
}

}  // namespace

Shaking shaking_of(std::uint64_t seed, const Trace& trace) {
  if (seed == 0) return Shaking::none;
  const bool one_user = std::ranges::all_of(trace.jobs, [&](const TraceJob& job) { return job.user == trace.jobs.front().user; });
  return seed % 2 == 1 || one_user ? Shaking::gaps : Shaking::users;
}

Workload make_workload(const Trace& trace, const std::vector<SimulatedSite>& sites, const WorkloadOptions& options) {
  auto jobs = trace.jobs;
  if (options.one_in > 1) {
    std::erase_if(jobs, [&](const TraceJob& job) {
      return hashed(kForSample, job.number, static_cast<std::int64_t>(options.seed)) %
                 static_cast<std::uint64_t>(options.one_in) !=
             0;
    });
  }
  Workload workload;
  if (jobs.empty()) return workload;
  SeededRandom random(options.seed);
  switch (shaking_of(options.seed, trace)) {
    case Shaking::none: break;
    case Shaking::gaps: shake_gaps(jobs, random); break;
    case Shaking::users: shift_users(jobs, span_of(trace), random); break;
  }
  if (jobs.empty()) return workload;

  std::int64_t capacity = 0;
  for (const auto& site : sites) {
    workload.widest_site = std::max(workload.widest_site, site.cores);
    capacity += site.cores;
  }
  const auto widest = workload.widest_site;
  Wide area = 0;
  for (const auto& job : jobs) area += Wide{std::min(job.cores, widest)} * job.run;
  const auto first = jobs.front().submit;
  const Wide offered = Wide{capacity} * std::max<std::int64_t>(jobs.back().submit - first, 1);
  const Wide load = options.load ? Wide{*options.load} : area * kMillion / offered;
  workload.offered_load = static_cast<std::int64_t>(std::min(load, Wide{INT64_MAX}));

  workload.jobs.reserve(jobs.size());
  for (const auto& job : jobs) {
    const auto cores = std::min(job.cores, widest);
    if (cores < job.cores) ++workload.clipped;
    const Wide since = job.submit - first;
    // since x (load it has / load asked for). No overflow: kMostJobs jobs of kMostSiteCores and kMostSeconds are 2^74
    // core-seconds; with a load of kLeastLoad at least, the product with the time since the first stays below 2^120.
    const auto submit = options.load ? since * (area * kMillion / *options.load) / offered : since;
    ReplayJob replayed{.submit = static_cast<Instant>(std::min(submit, Wide{kLastSubmit} * 1000)),
                       .run = job.run,
                       .limit = job.limit,
                       .cores = cores,
                       .home = home_of(job, cores, sites),
                       .local = false,
                       .user = job.user};
    replayed.local =
        static_cast<std::int64_t>(hashed(kForLocal, job.number, job.user) % kMillion) < sites[replayed.home].local_share;
    workload.jobs.push_back(replayed);
  }
  return workload;
}

}  // namespace hansa::simulation
