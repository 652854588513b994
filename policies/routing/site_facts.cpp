// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/site_facts.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace hansa::routing {
namespace {

std::vector<std::uint32_t> valid_nodes(std::vector<std::uint32_t> nodes, std::size_t count) {
  std::ranges::sort(nodes);
  const auto twice = std::ranges::unique(nodes);
  nodes.erase(twice.begin(), twice.end());
  nodes.erase(std::ranges::lower_bound(nodes, count), nodes.end());
  return nodes;
}

}  // namespace

const QueueFacts* SiteFacts::find(const QueueName& queue) const {
  const auto at = std::ranges::lower_bound(queues, queue, {}, &QueueFacts::name);
  return at != queues.end() && at->name == queue ? &*at : nullptr;
}

std::optional<std::uint32_t> SiteFacts::model_number(const std::string& model) const {
  const auto at = std::ranges::find(models, model);
  if (at == models.end()) return std::nullopt;
  return static_cast<std::uint32_t>(at - models.begin());
}

std::vector<std::uint32_t> SiteFacts::models_of_nodes() const {
  std::vector<std::uint32_t> numbers;
  for (const auto& kind : kinds) numbers.push_back(model_number(kind.gpu_model).value_or(kAnyModel));
  std::vector<std::uint32_t> result;
  result.reserve(kind_of.size());
  for (const auto kind : kind_of) result.push_back(numbers[kind]);
  return result;
}

std::vector<Room> SiteFacts::rooms_of_nodes() const {
  std::vector<Room> rooms;
  rooms.reserve(kind_of.size());
  for (const auto kind : kind_of) rooms.push_back(kinds[kind].room);
  return rooms;
}

void number_kinds(SiteFacts& facts) {
  facts.models = {""};
  for (const auto& kind : facts.kinds) {
    if (std::ranges::find(facts.models, kind.gpu_model) == facts.models.end()) facts.models.push_back(kind.gpu_model);
  }
  for (auto& queue : facts.queues) {
    queue.of_kind.assign(facts.kinds.size(), 0);
    for (const auto node : queue.nodes) ++queue.of_kind[facts.kind_of[node]];
  }
}

SiteFacts facts_of(const domain::SiteSnapshot& snapshot) {
  SiteFacts facts;
  facts.sees_everyone = snapshot.sees_everyone;
  std::map<NodeKind, std::uint32_t> known;
  for (const auto& node : snapshot.nodes) {
    NodeKind kind{.room = {.cores = std::max(node.cores, 0),
                           .memory_mib = std::clamp<std::int64_t>(node.memory.value, 0, kMostOnNode),
                           .gpus = std::max(node.gpus, 0)},
                  .gpu_model = node.gpus > 0 ? node.gpu_model : "",
                  .usable = node.usable,
                  .architecture = node.architecture};
    const auto [at, is_new] = known.try_emplace(kind, static_cast<std::uint32_t>(facts.kinds.size()));
    if (is_new) facts.kinds.push_back(std::move(kind));
    facts.kind_of.push_back(at->second);
  }
  std::set<QueueName> names;
  for (const auto& queue : snapshot.queues) {
    if (!names.insert(queue.name).second) continue;
    facts.queues.push_back({.name = queue.name,
                            .up = queue.up,
                            .is_default = queue.is_default,
                            .max_time = queue.max_time,
                            .max_nodes = queue.max_nodes,
                            .min_nodes = queue.min_nodes,
                            .nodes = valid_nodes(queue.nodes, snapshot.nodes.size())});
  }
  std::ranges::sort(facts.queues, {}, &QueueFacts::name);
  number_kinds(facts);
  return facts;
}

std::optional<Demand> demand_at(const SiteFacts& facts, const domain::Resources& resources, Seconds time_limit) {
  auto demand = demand_of(resources, time_limit);
  if (demand.per_node.gpus == 0) return demand;
  const auto model = facts.model_number(resources.gpu_model);
  if (!model) return std::nullopt;
  demand.gpu_model = *model;
  return demand;
}

}  // namespace hansa::routing
