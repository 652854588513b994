// SPDX-License-Identifier: Apache-2.0
#pragma once
// The jobs of one replay: a trace, shaken, brought to a load, and shared between the broker and the sites' own people.

#include "simulation/easy_site.hpp"
#include "simulation/swf.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hansa::simulation {

using SiteIndex = std::uint32_t;       // into the sites of the replay

inline constexpr std::int64_t kMostSiteCores = 10'000'000;
inline constexpr std::int64_t kLeastLoad = 10'000;  // millionths

struct SimulatedSite {
  std::string id;
  std::int64_t cores = 1;              // at most kMostSiteCores
  std::string country;                 // ISO 3166-1 alpha-2
  std::int64_t local_share = 0;        // millionths of the jobs of the site's people that do not come through the broker
  bool hidden = false;                 // shows the broker no jobs but its own
};

struct ReplayJob {
  Instant submit = 0;                  // seconds from the first job
  std::int64_t run = 1;
  std::int64_t limit = 1;              // not less than run
  std::int64_t cores = 1;
  SiteIndex home = 0;  // where its owner would go without a broker: by user and day, in proportion to the cores
  bool local = false;  // goes there whatever the policy
  std::int64_t user = -1;  // -1: not known
  std::uint32_t kind = 0;  // into Workload::kinds, of jobs that come through the broker
};

/// Jobs whose data have one label, and what the rules let them.
struct JobKind {
  std::string label;                   // "": they read no registered data
  std::vector<SiteIndex> allowed;      // rising; not empty while such a job is there
  std::int64_t kept_out = 0;           // jobs that no site may take, or none that is wide enough: not played
};

struct Workload {
  std::vector<ReplayJob> jobs;  // by submit
  std::int64_t widest_site = 0;  // cores
  std::int64_t clipped = 0;  // jobs wider than the widest site, made as wide as that
  std::int64_t offered_load = 0;  // millionths of what the sites can do between the first submit and the last
  std::vector<JobKind> kinds;  // empty: no rules, every job may go everywhere
};

enum class Shaking : std::uint8_t {
  none,
  gaps,  // every gap between two submits times U(0.7, 1.3), and one job in twenty dropped
  users  // each user's jobs shifted by whole weeks (days, in traces of less than eight weeks), around the end of the trace
};

/// The shaking of a seed: none of 0, gaps of odd ones, users of even ones; gaps only where the trace has a single user.
/// Shaking: Tsafrir, Ouaknine, Feitelson, "Reducing performance evaluation sensitivity and variability by input
/// shaking", MASCOTS 2007.
Shaking shaking_of(std::uint64_t seed, const Trace& trace);

struct WorkloadOptions {
  std::optional<std::int64_t>
      load;  // millionths to bring it to, kLeastLoad or more, by stretching all gaps alike; none: as it is
  std::uint64_t seed = 0;
  std::int64_t one_in = 1;  // of so many jobs one is taken, chosen by its number and the seed
};

/// `trace` has a job, `sites` has one. The same arguments give the same workload. It may be empty (all left out).
Workload make_workload(const Trace& trace, const std::vector<SimulatedSite>& sites, const WorkloadOptions& options);

}  // namespace hansa::simulation
