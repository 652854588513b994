// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/profile.hpp"

#include "broker/core/digest.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::routing {

namespace {
constexpr std::size_t kMostAsked = 8;  // of a site of 1,000 nodes, 16 KB and more each
}  // namespace

AvailabilityProfile build_profile(const domain::SiteSnapshot& snapshot, UtcTime now, std::int64_t effort) {
  auto played = play_forward(snapshot, now, effort);
  const auto start = to_unix_seconds(now);
  AvailabilityProfile profile;
  profile.taken_at_ = snapshot.taken_at;
  profile.facts_ = std::move(played.facts);
  profile.fleet_ = std::move(played.fleet);
  profile.fleet_.reduce(start);
  for (const auto& running : snapshot.running) {
    auto& held = profile.running_[running.id.str()];
    for (const auto& share : running.shares) {
      if (share.node >= profile.fleet_.size() || !profile.facts_.kinds[profile.facts_.kind_of[share.node]].usable) continue;
      const auto room = room_of(share);
      if (held.empty() || held.back().room != room) {
        held.push_back({.nodes = {}, .from = start, .until = counted_end(running.expected_end, start), .room = room});
      }
      held.back().nodes.push_back(share.node);
    }
  }
  for (std::size_t i = 0; i < snapshot.waiting.size(); ++i) {
    if (played.starts[i]) profile.waiting_.emplace(snapshot.waiting[i].id.str(), played.starts[i]->at);
  }
  profile.keep(profile.base_document());
  return profile;
}

std::optional<Instant> AvailabilityProfile::earliest(const QueueFacts& queue, const Demand& demand, Instant not_before) const {
  const auto at = earliest_room(queue, demand, not_before);
  if (!at || *at <= queue.backlog_from || *at >= queue.backlog_until) return at;
  return earliest_room(queue, demand, queue.backlog_until);
}

std::optional<Instant> AvailabilityProfile::earliest_room(const QueueFacts& queue, const Demand& demand,
                                                          Instant not_before) const {
  const Asked asked{static_cast<std::size_t>(&queue - facts_.queues.data()), demand.per_node, demand.gpu_model, demand.whole};
  if (openings_.size() == kMostAsked && !openings_.contains(asked)) openings_.clear();
  const auto [known, first_time] = openings_.try_emplace(asked);
  if (first_time) return fleet_.earliest(queue.nodes, demand, not_before);  // there may be no second
  if (!known->second) known->second.emplace(fleet_, queue.nodes, demand);
  return known->second->earliest(demand.nodes, demand.duration, not_before);
}

void AvailabilityProfile::change_room(std::span<const std::uint32_t> nodes, Instant from, Instant until, const Room& room) {
  fleet_.add(nodes, from, until, room);
  openings_.clear();
}

std::optional<UtcTime> AvailabilityProfile::earliest_time(const QueueFacts& queue, const domain::Resources& resources,
                                                          Seconds time_limit, UtcTime not_before) const {
  const auto demand = demand_at(facts_, resources, time_limit);
  const auto at = demand ? earliest(queue, *demand, to_unix_seconds(not_before)) : std::nullopt;
  return at ? std::optional(from_unix_seconds(*at)) : std::nullopt;
}

std::optional<Start> AvailabilityProfile::earliest_start(const QueueName& name, const domain::Resources& resources,
                                                         Seconds time_limit, UtcTime not_before) const {
  const auto* queue = facts_.find(name);
  const auto demand = demand_at(facts_, resources, time_limit);
  if (queue == nullptr || !demand) return std::nullopt;
  const auto at = earliest(*queue, *demand, to_unix_seconds(not_before));
  if (!at) return std::nullopt;
  return Start{.at = from_unix_seconds(*at), .nodes = fleet_.pick(queue->nodes, *demand, *at)};
}

std::optional<Start> AvailabilityProfile::occupy(const Tag& tag, const QueueName& queue, const domain::Resources& resources,
                                                 Seconds time_limit, UtcTime not_before) {
  auto start = earliest_start(queue, resources, time_limit, not_before);
  if (!start) return std::nullopt;
  const auto demand = demand_of(resources, time_limit);
  const auto from = to_unix_seconds(start->at);
  std::vector<Held> held;  // whole nodes may differ
  for (const auto node : start->nodes) {
    const auto& room = fleet_.need(node, demand);
    if (held.empty() || held.back().room != room)
      held.push_back({.nodes = {}, .from = from, .until = from + demand.duration, .room = room});
    held.back().nodes.push_back(node);
  }
  auto taken = held;
  for (auto& part : taken) part.room = -part.room;
  change(taken);
  std::ranges::move(held, std::back_inserter(placed_[tag.str()]));
  return start;
}

void AvailabilityProfile::release(const Tag& tag, UtcTime at) {
  if (const auto held = placed_.extract(tag.str())) give_back(held.mapped(), to_unix_seconds(at));
}

void AvailabilityProfile::release(const SiteJobId& id, UtcTime at) {
  if (const auto held = running_.extract(id.str())) give_back(held.mapped(), to_unix_seconds(at));
}

std::optional<UtcTime> AvailabilityProfile::start_of(const SiteJobId& id) const {
  const auto at = waiting_.find(id.str());
  return at == waiting_.end() ? std::nullopt : std::optional(from_unix_seconds(at->second));
}

void AvailabilityProfile::give_back(const std::vector<Held>& held, Instant at) {
  std::vector<Held> deltas;
  for (auto delta : held) {
    delta.from = std::max(delta.from, at);
    if (delta.from < delta.until) deltas.push_back(std::move(delta));
  }
  if (!deltas.empty()) change(deltas);
}

void AvailabilityProfile::mark_stored(const domain::Documents& documents) {
  std::erase_if(documents_, [&](const auto& entry) { return documents.contains(entry.first); });
}

void AvailabilityProfile::keep(const Json& document) {
  auto text = canonical_json(document);
  hash_ = sha256_hex(text);
  documents_[hash_] = std::move(text);
}

}  // namespace hansa::routing
