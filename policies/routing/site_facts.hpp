// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a snapshot says that does not change with time: queues and their limits, nodes by kind. Read from a hostile snapshot:
// indices out of range are dropped, amounts brought into range, of two queues with one name the first counts.

#include "broker/domain/snapshot.hpp"
#include "policies/routing/fleet.hpp"

#include <string>
#include <vector>

namespace hansa::routing {

/// Nodes that differ in nothing but their name.
struct NodeKind {
  Room room;                           // when nothing runs
  std::string gpu_model;
  bool usable = true;                  // false: down, drained: it counts for what the site could ever hold, not for now
  std::string architecture = {};
  friend bool operator==(const NodeKind&, const NodeKind&) = default;
  friend auto operator<=>(const NodeKind&, const NodeKind&) = default;
};

struct QueueFacts {
  QueueName name;
  bool up = true;
  bool is_default = false;
  std::optional<Seconds> max_time;
  std::optional<std::int32_t> max_nodes;
  std::int32_t min_nodes = 1;
  std::vector<std::uint32_t> nodes;    // rising
  std::vector<std::uint32_t> of_kind;  // how many of them are of each of the site's kinds
  /// In (from, until) the site is busy with waiting work that was not played job by job: a further job does not start then.
  Instant backlog_from = kForever;
  Instant backlog_until = kForever;
  friend bool operator==(const QueueFacts&, const QueueFacts&) = default;
};

struct SiteFacts {
  bool sees_everyone = true;
  std::vector<QueueFacts> queues;      // by name
  std::vector<NodeKind> kinds;
  std::vector<std::uint32_t> kind_of;  // for each node, index into kinds
  std::vector<std::string> models;     // GPU models by number; number 0 (kAnyModel) is ""

  [[nodiscard]] const QueueFacts* find(const QueueName& queue) const;
  /// The number of a model: 0 for "", none if no node has it.
  [[nodiscard]] std::optional<std::uint32_t> model_number(const std::string& model) const;
  [[nodiscard]] std::vector<std::uint32_t> models_of_nodes() const;
  [[nodiscard]] std::vector<Room> rooms_of_nodes() const;  // when nothing runs
  friend bool operator==(const SiteFacts&, const SiteFacts&) = default;
};

SiteFacts facts_of(const domain::SiteSnapshot& snapshot);

/// Sets what follows from kinds and nodes: `models`, and each queue's `of_kind`.
void number_kinds(SiteFacts& facts);

/// What the job asks of this site; none if it wants a GPU model that no node has.
std::optional<Demand> demand_at(const SiteFacts& facts, const domain::Resources& resources, Seconds time_limit);

}  // namespace hansa::routing
