// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long a job will wait at a site, as a range: half of such jobs have started by p50, nine in ten by p90.
//
// What a site shows decides what the wait is found from (a ladder, domain::Basis): its whole queue played forward. Where it hides
// other people's jobs: that there is room now beside all that runs, unless one of ours that asks for no more waits there, and so
// did not get it; else its scheduler's own word on jobs of ours that wait there; else how long ours have waited there; else
// nothing, which is no estimate.
//
// It is then corrected by how past estimates there turned out. The last 64 starts of a kind are kept, as factors: (actual + 1
// min) / (predicted + 1 min). Of n of them the k-th smallest, k = ceil((n + 1) q), is at least the next one with probability q,
// whatever they are distributed like, as long as the next is of their kind (split conformal prediction: Vovk, Gammerman, Shafer,
// "Algorithmic learning in a random world", 2005). For q = 0.9 that needs nine of them, so fewer say nothing. They are short
// windows because sites change their habits (Brevik, Nurmi, Wolski, "Predicting bounded wait time in HPC queues" (QBETS), 2006,
// drop their history for the same reason). Jobs like the one in question speak before all others: of its size and project, of
// its size, any of ours there.
//
// Not corrected for: jobs cancelled while they wait, whose wait is not known.
//
// Integers only; nothing but its arguments matters.

#include "broker/domain/decision.hpp"

#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::routing {

/// Jobs that compete for the same holes: by the cores of the whole job, or by its GPUs if it has any.
enum class SizeClass { small, medium, large, gpu_small, gpu_large };
inline constexpr std::size_t kSizeClasses = 5;

/// Up to 16 cores, up to 256, more; up to 4 GPUs, more.
SizeClass size_class(const domain::Resources& resources);
std::string_view to_string(SizeClass size);
std::optional<SizeClass> parse_size_class(std::string_view text);

/// What is measured apart: that a job starts at once goes wrong in other ways than how long it waits.
enum class Measure {
  at_once,  // by the queue or the room: within a minute
  later,  // by the queue
  scheduler,  // by the site's scheduler
  wait,  // nothing predicted: the wait itself
};
inline constexpr std::size_t kMeasures = 4;

/// Nearer than this to what was predicted is as predicted: snapshots, polls and schedulers' passes are no finer.
inline constexpr Seconds kResolution{60};

/// (actual + 1 min) / (predicted + 1 min) in millionths.
std::int64_t factor_ppm(Seconds predicted, Seconds actual);
/// The wait that the factor makes of the prediction; not negative.
Seconds times_factor(Seconds predicted, std::int64_t ppm);

/// The last factors of one kind of job.
class FactorWindow {
 public:
  static constexpr std::size_t kMost = 64;
  static constexpr std::size_t kFewest = 9;

  void add(std::int64_t ppm);
  [[nodiscard]] std::optional<domain::Correction> correction(domain::Likeness likeness) const;

 private:
  std::vector<std::int64_t> recent_;  // a ring
  std::size_t oldest_ = 0;
  std::vector<std::int64_t> sorted_;
};

/// What is known about waiting at a site beyond its queue, for one job. Goes into the decision's input as it is.
struct Outlook {
  std::array<std::optional<domain::Correction>, kMeasures> corrections;  // by Measure
  std::optional<Seconds> scheduler_says;  // from now; none: it does not say
  bool ours_first = false;  // one of ours that asks for no more waits there; told where other people's jobs are hidden
  friend bool operator==(const Outlook&, const Outlook&) = default;
};

/// How waits at one site turned out.
class WaitHistory {
 public:
  void add(const domain::WaitScore& score);
  /// Of a site whose queue we see, or that hides other people's jobs: only what estimate() may need.
  [[nodiscard]] Outlook outlook(const domain::JobSpec& spec, bool sees_everyone) const;

 private:
  struct Windows {
    std::array<FactorWindow, kMeasures> of;
    void add(Measure measure, std::int64_t ppm) { of[static_cast<std::size_t>(measure)].add(ppm); }
  };
  Windows site_;
  std::array<Windows, kSizeClasses> sizes_;
  std::map<std::pair<ProjectId, SizeClass>, Windows> projects_;
};

struct Estimate {
  domain::Basis basis = domain::Basis::none;
  std::optional<Seconds> predicted;
  std::optional<domain::Correction> correction;
  std::optional<Seconds> p50;
  std::optional<Seconds> p90;
};

/// `played`: what the queue says, played forward; `sees_everyone`: it is the whole queue.
Estimate estimate(Seconds played, bool sees_everyone, const Outlook& outlook);

Json to_json(const Outlook& outlook);
Result<Outlook> outlook_from_json(const Json& json);

}  // namespace hansa::routing
