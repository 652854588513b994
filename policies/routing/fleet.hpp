// SPDX-License-Identifier: Apache-2.0
#pragma once
// Free room on nodes over time: a step function for each node, and the two questions asked of many of them at once.
// Seconds since the epoch as plain integers: this header stays inside the folder's own types.

#include "broker/domain/job.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace hansa::routing {

using Instant = std::int64_t;                                            // seconds since 1970, UTC
inline constexpr Instant kBeginning = std::numeric_limits<Instant>::min();
inline constexpr Instant kForever = std::numeric_limits<Instant>::max();

/// Nothing is predicted beyond this far from the moment of playing: what ends later counts as ending then.
inline constexpr std::int64_t kHorizon = 366LL * 86400;

/// No node has more of anything: sums of millions of these still fit.
inline constexpr std::int64_t kMostOnNode = std::int64_t{1} << 40;

/// An amount on one node. Free room may be negative (a reservation over running work, a site that over-commits):
/// then taking and giving back stay plain sums.
struct Room {
  std::int64_t cores = 0;
  std::int64_t memory_mib = 0;
  std::int64_t gpus = 0;

  [[nodiscard]] bool holds(const Room& need) const {
    return cores >= need.cores && memory_mib >= need.memory_mib && gpus >= need.gpus;
  }
  friend Room operator+(Room a, Room b) { return {a.cores + b.cores, a.memory_mib + b.memory_mib, a.gpus + b.gpus}; }
  friend Room operator-(Room a) { return {-a.cores, -a.memory_mib, -a.gpus}; }
  [[nodiscard]] friend Room least(const Room& a, const Room& b) {
    return {std::min(a.cores, b.cores), std::min(a.memory_mib, b.memory_mib), std::min(a.gpus, b.gpus)};
  }
  friend bool operator==(const Room&, const Room&) = default;
  friend auto operator<=>(const Room&, const Room&) = default;  // an order for maps, no measure
};

struct Step {
  Instant from = kBeginning;
  Room free;
  friend bool operator==(const Step&, const Step&) = default;
  friend auto operator<=>(const Step&, const Step&) = default;
};

/// One node's free room. The first step reaches back for ever, each one ends where the next begins, the last never ends.
class Timeline {
 public:
  explicit Timeline(Room always) : steps_{{kBeginning, always}} {}
  /// `steps` as steps() gave them: not empty, the first from kBeginning, rising.
  explicit Timeline(std::vector<Step> steps) : steps_(std::move(steps)) {}

  void add(Instant from, Instant until, const Room& delta);

  /// Whether `need` is free throughout [from, until).
  [[nodiscard]] bool holds(Instant from, Instant until, const Room& need) const;

  [[nodiscard]] std::size_t index_at(Instant t) const;
  [[nodiscard]] const Room& free_at(Instant t) const { return steps_[index_at(t)].free; }
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }

  /// Forgets what was before `now`, joins equal neighbours and thins the far future: the first eight steps stay exact,
  /// later ones must lie half as far again from `now` as the one before, and what is joined keeps the least room of its
  /// parts. A start found afterwards is possible in the exact function too; it may only be later than need be.
  void reduce(Instant now);

  friend bool operator==(const Timeline&, const Timeline&) = default;

 private:
  std::size_t split(Instant at);  // index of the step that now begins at `at`

  std::vector<Step> steps_;
};

inline constexpr std::uint32_t kAnyModel = 0;

/// What a job asks of the nodes it is given.
struct Demand {
  std::int32_t nodes = 1;
  Room per_node;                       // of the fullest node; memory 0: the site's default, which never makes it wait
  std::uint32_t gpu_model = kAnyModel;
  std::int64_t duration = 1;           // 1 to kHorizon seconds
  bool whole = false;                  // takes its nodes whole: what holds per_node, and nobody else is on
  friend bool operator==(const Demand&, const Demand&) = default;
  friend auto operator<=>(const Demand&, const Demand&) = default;
};

/// Reads a request as a demand; values that cannot be (none or negative, sums beyond reason) are brought into range.
/// The GPU model is left to the caller, who knows the site's models.
Demand demand_of(const domain::Resources& resources, Seconds time_limit);

/// The nodes of one site: timelines, each node's GPU model (a number, kAnyModel for none or unknown) and all that it has.
class Fleet {
 public:
  Fleet() = default;
  Fleet(std::vector<Timeline> timelines, std::vector<std::uint32_t> models, std::vector<Room> wholes)
      : timelines_(std::move(timelines)), models_(std::move(models)), wholes_(std::move(wholes)) {}

  [[nodiscard]] bool suits(std::uint32_t node, const Demand& demand) const {
    return (demand.gpu_model == kAnyModel || models_[node] == demand.gpu_model) &&
           (!demand.whole || wholes_[node].holds(demand.per_node));
  }
  /// What the job takes of a node that suits it.
  [[nodiscard]] const Room& need(std::uint32_t node, const Demand& demand) const {
    return demand.whole ? wholes_[node] : demand.per_node;
  }

  /// The earliest instant from `not_before` on at which as many of `candidates` as the demand wants can each spare the
  /// room throughout its duration; none if that never happens. Exact: no instant before it would do.
  [[nodiscard]] std::optional<Instant> earliest(std::span<const std::uint32_t> candidates, const Demand& demand,
                                                Instant not_before) const;

  /// The first of `candidates`, in their order, that hold the demand at `at`: as many as it wants, or none at all.
  [[nodiscard]] std::vector<std::uint32_t> pick(std::span<const std::uint32_t> candidates, const Demand& demand,
                                                Instant at) const;

  void add(std::span<const std::uint32_t> nodes, Instant from, Instant until, const Room& delta);
  /// What the demand needs of each of these, for its duration.
  void take(std::span<const std::uint32_t> nodes, Instant from, const Demand& demand);

  [[nodiscard]] std::size_t size() const { return timelines_.size(); }
  [[nodiscard]] const Timeline& operator[](std::size_t node) const { return timelines_[node]; }
  void reduce(Instant now);

 private:
  std::vector<Timeline> timelines_;
  std::vector<std::uint32_t> models_;
  std::vector<Room> wholes_;
};

/// When each of some nodes has the room of one demand, whatever the number of nodes and the duration: for many questions to a
/// fleet that does not change in between.
class Openings {
 public:
  Openings(const Fleet& fleet, std::span<const std::uint32_t> candidates, const Demand& demand);

  /// What Fleet::earliest says of the same nodes.
  [[nodiscard]] std::optional<Instant> earliest(std::int32_t nodes, std::int64_t duration, Instant not_before) const;

 private:
  struct Opening {
    Instant from = 0;
    Instant until = 0;  // it is over then
  };
  std::vector<Opening> openings_;  // of all nodes, by `from`; those of one node do not touch
};

}  // namespace hansa::routing
