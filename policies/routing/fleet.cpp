// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/fleet.hpp"

#include <algorithm>
#include <functional>

namespace hansa::routing {
namespace {

constexpr std::size_t kExactSteps = 8;

/// The start times from `not_before` on at which one node could spare `need` for so long, as closed intervals.
template <typename Visit>
void visit_windows(const Timeline& timeline, const Room& need, std::int64_t duration, Instant not_before, Visit visit) {
  const auto& steps = timeline.steps();
  for (std::size_t i = timeline.index_at(not_before); i < steps.size(); ++i) {
    if (!steps[i].free.holds(need)) continue;
    const auto opens = std::max(steps[i].from, not_before);
    while (i < steps.size() && steps[i].free.holds(need)) ++i;
    if (i == steps.size()) return visit(opens, kForever);
    if (steps[i].from - opens >= duration) visit(opens, steps[i].from - duration);
  }
}

}  // namespace

std::size_t Timeline::index_at(Instant t) const {
  const auto after = std::ranges::upper_bound(steps_, t, {}, &Step::from);
  return static_cast<std::size_t>(after - steps_.begin()) - 1;  // the first step is from the beginning
}

std::size_t Timeline::split(Instant at) {
  const auto i = index_at(at);
  if (steps_[i].from == at) return i;
  steps_.insert(steps_.begin() + static_cast<std::ptrdiff_t>(i) + 1, Step{at, steps_[i].free});
  return i + 1;
}

void Timeline::add(Instant from, Instant until, const Room& delta) {
  if (from >= until) return;
  const auto first = split(from);
  const auto end = until == kForever ? steps_.size() : split(until);
  for (std::size_t i = first; i < end; ++i) steps_[i].free = steps_[i].free + delta;
}

bool Timeline::holds(Instant from, Instant until, const Room& need) const {
  std::size_t i = index_at(from);
  do {
    if (!steps_[i].free.holds(need)) return false;
    ++i;
  } while (i < steps_.size() && steps_[i].from < until);
  return true;
}

void Timeline::reduce(Instant now) {
  std::vector<Step> joined;
  for (std::size_t i = index_at(now); i < steps_.size(); ++i) {
    if (joined.empty() || joined.back().free != steps_[i].free) joined.push_back(steps_[i]);
  }
  joined.front().from = kBeginning;
  const auto last = joined.back();
  std::vector<Step> kept;
  for (std::size_t i = 0; i + 1 < joined.size(); ++i) {
    const auto& step = joined[i];
    if (kept.size() < kExactSteps || (step.from - now) / 3 >= (kept.back().from - now) / 2) {
      kept.push_back(step);
    } else {
      kept.back().free = least(kept.back().free, step.free);
    }
  }
  if (kept.empty() || kept.back().free != last.free) kept.push_back(last);
  steps_ = std::move(kept);
}

Demand demand_of(const domain::Resources& resources, Seconds time_limit) {
  const std::int64_t nodes = std::max(resources.nodes, 1);
  const std::int64_t tasks = std::max<std::int64_t>(resources.tasks, nodes);
  const std::int64_t cpus = std::max(resources.cpus_per_task, 1);
  return {.nodes = static_cast<std::int32_t>(nodes),
          .per_node = {.cores = std::min((tasks + nodes - 1) / nodes * cpus, kMostOnNode),
                       .memory_mib = std::clamp<std::int64_t>(resources.memory_per_node.value, 0, kMostOnNode),
                       .gpus = std::max(resources.gpus_per_node, 0)},
          .gpu_model = kAnyModel,
          .duration = std::clamp<std::int64_t>(time_limit.count(), 1, kHorizon),
          .whole = resources.exclusive};
}

Openings::Openings(const Fleet& fleet, std::span<const std::uint32_t> candidates, const Demand& demand) {
  openings_.reserve(candidates.size());
  for (const auto node : candidates) {
    if (!fleet.suits(node, demand)) continue;
    const auto& steps = fleet[node].steps();
    const auto& need = fleet.need(node, demand);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (!steps[i].free.holds(need)) continue;
      const auto from = steps[i].from;
      while (i < steps.size() && steps[i].free.holds(need)) ++i;
      openings_.push_back({.from = from, .until = i == steps.size() ? kForever : steps[i].from});
    }
  }
  std::ranges::sort(openings_, {}, &Opening::from);
}

std::optional<Instant> Openings::earliest(std::int32_t nodes, std::int64_t duration, Instant not_before) const {
  constexpr std::ranges::greater kLater;
  std::vector<Instant> closes;  // a heap, the soonest first: the last start of each that is open, unless it is for ever
  std::int32_t open = 0;
  for (const auto& opening : openings_) {
    const auto at = std::max(opening.from, not_before);
    const auto last = opening.until == kForever ? kForever : opening.until - duration;
    if (last < at) continue;
    for (; !closes.empty() && closes.front() < at; closes.pop_back(), --open) std::ranges::pop_heap(closes, kLater);
    if (++open == nodes) return at;
    if (last == kForever) continue;
    closes.push_back(last);
    std::ranges::push_heap(closes, kLater);
  }
  return std::nullopt;
}

std::optional<Instant> Fleet::earliest(std::span<const std::uint32_t> candidates, const Demand& demand,
                                       Instant not_before) const {
  const auto wanted = static_cast<std::size_t>(demand.nodes);
  if (candidates.size() < wanted) return std::nullopt;
  std::vector<Instant> opens;
  std::vector<Instant> closes;
  std::size_t open_at_once = 0;
  for (const auto node : candidates) {
    if (!suits(node, demand)) continue;
    visit_windows(timelines_[node], need(node, demand), demand.duration, not_before, [&](Instant first, Instant last) {
      if (first == not_before) ++open_at_once;
      opens.push_back(first);
      if (last != kForever) closes.push_back(last);
    });
    if (open_at_once == wanted) return not_before;
  }
  if (opens.size() < wanted) return std::nullopt;
  if (closes.empty()) {
    const auto nth = opens.begin() + static_cast<std::ptrdiff_t>(wanted - 1);
    std::ranges::nth_element(opens, nth);
    return *nth;
  }
  // Windows of one node never overlap, so the number of open windows is the number of nodes. Few of them are passed before enough
  // are open: heaps give these in order, and leave the others as they are.
  constexpr std::ranges::greater kLater;
  std::ranges::make_heap(opens, kLater);
  std::ranges::make_heap(closes, kLater);
  const auto next = [&](std::vector<Instant>& instants) {
    std::ranges::pop_heap(instants, kLater);
    const auto at = instants.back();
    instants.pop_back();
    return at;
  };
  for (std::size_t open = 0; !opens.empty();) {
    const auto at = next(opens);
    for (; !closes.empty() && closes.front() < at; next(closes)) --open;
    if (++open == wanted) return at;
  }
  return std::nullopt;
}

std::vector<std::uint32_t> Fleet::pick(std::span<const std::uint32_t> candidates, const Demand& demand, Instant at) const {
  std::vector<std::uint32_t> picked;
  const auto wanted = static_cast<std::size_t>(demand.nodes);
  for (const auto node : candidates) {
    if (!suits(node, demand) || !timelines_[node].holds(at, at + demand.duration, need(node, demand))) continue;
    picked.push_back(node);
    if (picked.size() == wanted) return picked;
  }
  return {};
}

void Fleet::add(std::span<const std::uint32_t> nodes, Instant from, Instant until, const Room& delta) {
  for (const auto node : nodes) timelines_[node].add(from, until, delta);
}

void Fleet::take(std::span<const std::uint32_t> nodes, Instant from, const Demand& demand) {
  for (const auto node : nodes) timelines_[node].add(from, from + demand.duration, -need(node, demand));
}

void Fleet::reduce(Instant now) {
  for (auto& timeline : timelines_) timeline.reduce(now);
}

}  // namespace hansa::routing
