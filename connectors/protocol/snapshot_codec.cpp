// SPDX-License-Identifier: Apache-2.0
// A snapshot may tell of tens of thousands of jobs: what is usual is left out, and shares are lists of four numbers.
#include "connectors/protocol/codec.hpp"
#include "connectors/protocol/fields.hpp"

#include <utility>

namespace hansa::connectors::protocol {

using domain::put;
using domain::SiteSnapshot;

namespace {

template <typename T>
void put_unless(Json& json, const char* key, const T& value, const T& usual) {
  if (value != usual) json[key] = value;
}

Json queue_to_json(const domain::Queue& queue) {
  Json json{{"name", queue.name.str()}, {"nodes", queue.nodes}};
  put_unless(json, "up", queue.up, true);
  put_unless(json, "is_default", queue.is_default, false);
  put_unless(json, "min_nodes", queue.min_nodes, 1);
  put_unless(json, "priority_tier", queue.priority_tier, 1);
  if (queue.max_time) json["max_time_s"] = queue.max_time->count();
  put(json, "max_nodes", queue.max_nodes);
  return json;
}

Json node_to_json(const domain::Node& node) {
  Json json{{"name", node.name}, {"cores", node.cores}, {"memory_mib", node.memory.value}};
  put_unless(json, "gpus", node.gpus, 0);
  put_unless(json, "gpu_model", node.gpu_model, std::string());
  put_unless(json, "usable", node.usable, true);
  put_unless(json, "architecture", node.architecture, std::string());
  return json;
}

Json running_to_json(const domain::RunningWork& work) {
  Json shares = Json::array();
  for (const auto& share : work.shares) shares.push_back({share.node, share.cores, share.memory.value, share.gpus});
  return {{"id", work.id.str()},
          {"queue", work.queue.str()},
          {"shares", std::move(shares)},
          {"expected_end_ms", to_unix_ms(work.expected_end)}};
}

Json waiting_to_json(const domain::WaitingWork& work) {
  const auto& r = work.resources;
  Json json{{"id", work.id.str()}, {"queue", work.queue.str()}, {"time_limit_s", work.time_limit.count()}};
  put_unless(json, "nodes", r.nodes, 1);
  put_unless(json, "tasks", r.tasks, 1);
  put_unless(json, "cpus_per_task", r.cpus_per_task, 1);
  put_unless(json, "memory_per_node_mib", r.memory_per_node.value, std::int64_t{0});
  put_unless(json, "gpus_per_node", r.gpus_per_node, 0);
  put_unless(json, "gpu_model", r.gpu_model, std::string());
  put_unless(json, "exclusive", r.exclusive, false);
  put_unless(json, "priority", work.priority, std::int64_t{0});
  put_unless(json, "eligible", work.eligible, true);
  put(json, "eligible_at_ms", work.eligible_at);
  return json;
}

std::int32_t or_one(Fields& f, const char* key) { return f.has(key) ? f.number(key) : 1; }
bool or_true(Fields& f, const char* key) { return !f.has(key) || f.flag(key); }

/// Indices of nodes, rising.
std::vector<std::uint32_t> read_nodes(Fields& f, std::size_t nodes) {
  std::vector<std::uint32_t> indices;
  for (const auto& item : f.array("nodes")) {
    const bool index = item.is_number_unsigned() && item.get<std::uint64_t>() < nodes;
    if (!index || (!indices.empty() && item.get<std::uint64_t>() <= indices.back())) {
      f.miss("nodes");
      return {};
    }
    indices.push_back(item.get<std::uint32_t>());
  }
  return indices;
}

domain::Queue read_queue(Fields& f, std::size_t nodes) {
  domain::Queue queue{.name = QueueName(f.needed_word("name")),
                      .up = or_true(f, "up"),
                      .is_default = f.flag("is_default"),
                      .max_time = {},
                      .max_nodes = {},
                      .min_nodes = or_one(f, "min_nodes"),
                      .priority_tier = or_one(f, "priority_tier"),
                      .nodes = read_nodes(f, nodes)};
  if (f.has("max_time_s")) queue.max_time = Seconds{f.amount("max_time_s")};
  if (f.has("max_nodes")) queue.max_nodes = f.number("max_nodes");
  return queue;
}

domain::Node read_node(Fields& f) {
  return {.name = f.needed_word("name"),
          .cores = f.number("cores"),
          .memory = {f.amount("memory_mib")},
          .gpus = f.number("gpus"),
          .gpu_model = f.word("gpu_model"),
          .usable = or_true(f, "usable"),
          .architecture = f.word("architecture")};
}

domain::RunningWork read_running(Fields& f, std::size_t nodes) {
  domain::RunningWork work{
      .id = f.as<SiteJobId>("id"), .queue = f.as<QueueName>("queue"), .shares = {}, .expected_end = f.at("expected_end_ms")};
  for (const auto& share : f.array("shares")) {
    const auto whole = [&](std::size_t i, std::uint64_t most) {
      return share[i].is_number_unsigned() && share[i].get<std::uint64_t>() <= most;
    };
    if (!share.is_array() || share.size() != 4 || !whole(0, UINT32_MAX) || share[0].get<std::uint64_t>() >= nodes ||
        !whole(1, INT32_MAX) || !whole(2, static_cast<std::uint64_t>(kMaxAmount)) || !whole(3, INT32_MAX)) {
      f.miss("shares");
      break;
    }
    work.shares.push_back({.node = share[0].get<std::uint32_t>(),
                           .cores = share[1].get<std::int32_t>(),
                           .memory = {share[2].get<std::int64_t>()},
                           .gpus = share[3].get<std::int32_t>()});
  }
  return work;
}

domain::WaitingWork read_waiting(Fields& f) {
  domain::WaitingWork work{.id = f.as<SiteJobId>("id"),
                           .queue = f.as<QueueName>("queue"),
                           .resources = {.nodes = or_one(f, "nodes"),
                                         .tasks = or_one(f, "tasks"),
                                         .cpus_per_task = or_one(f, "cpus_per_task"),
                                         .memory_per_node = {f.amount("memory_per_node_mib")},
                                         .gpus_per_node = f.number("gpus_per_node"),
                                         .gpu_model = f.word("gpu_model"),
                                         .exclusive = f.flag("exclusive")},
                           .time_limit = Seconds{f.amount("time_limit_s")},
                           .priority = f.has("priority") ? f.integer("priority") : 0,
                           .eligible = or_true(f, "eligible"),
                           .eligible_at = f.maybe_at("eligible_at_ms")};
  const auto& r = work.resources;
  if (r.nodes < 1) f.miss("nodes");
  if (r.tasks < r.nodes) f.miss("tasks");
  if (r.cpus_per_task < 1) f.miss("cpus_per_task");
  return work;
}

domain::Reservation read_reservation(Fields& f, std::size_t nodes) {
  return {.name = f.word("name"), .start = f.at("start_ms"), .end = f.at("end_ms"), .nodes = read_nodes(f, nodes)};
}

/// Of the kinds that are known.
std::vector<domain::BudgetShare> read_budget(Fields& f) {
  std::vector<domain::BudgetShare> budget;
  Fields kinds(f.object("budget"));
  for (const auto* kind : {"queries", "submits", "cancels", "concurrent_calls"}) {
    if (!kinds.has(kind)) continue;
    Fields share(kinds.object(kind));
    budget.push_back({.kind = kind, .used = share.amount("used"), .limit = share.amount("limit")});
    if (!share.ok()) kinds.miss(kind);
  }
  if (!kinds.ok()) f.miss("budget");
  return budget;
}

/// Each item by `read`, its faults told as the list's.
template <typename T, typename Read>
std::vector<T> read_all(Fields& f, const char* key, Read read) {
  std::vector<T> all;
  for (const auto& item : f.array(key)) {
    Fields fields(item);
    all.push_back(read(fields));
    if (!fields.ok()) {
      f.miss((std::string(key) + "\" (" + fields.problem() + "), \"" + key).c_str());
      break;
    }
  }
  return all;
}

}  // namespace

Json to_json(const SiteSnapshot& snapshot) {
  Json json{{"cluster", snapshot.cluster}, {"scheduler", snapshot.scheduler}, {"sees_everyone", snapshot.sees_everyone},
            {"queues", Json::array()},     {"nodes", Json::array()},          {"running", Json::array()},
            {"waiting", Json::array()},    {"reservations", Json::array()}};
  if (const auto& arrays = snapshot.arrays) {
    json["arrays"] = {{"max_index", arrays->max_index}};
    put_unless(json["arrays"], "any_indices", arrays->any_indices, true);
    put_unless(json["arrays"], "at_most", arrays->at_most, true);
  }
  if (snapshot.quiet_until) json["quiet_until_ms"] = to_unix_ms(*snapshot.quiet_until);
  for (const auto& share : snapshot.own_budget) json["budget"][share.kind] = {{"used", share.used}, {"limit", share.limit}};
  if (!snapshot.site_rules.empty()) json["site_rules"] = snapshot.site_rules;
  for (const auto& queue : snapshot.queues) json["queues"].push_back(queue_to_json(queue));
  for (const auto& node : snapshot.nodes) json["nodes"].push_back(node_to_json(node));
  for (const auto& work : snapshot.running) json["running"].push_back(running_to_json(work));
  for (const auto& work : snapshot.waiting) json["waiting"].push_back(waiting_to_json(work));
  for (const auto& taken : snapshot.reservations) {
    json["reservations"].push_back(
        {{"name", taken.name}, {"start_ms", to_unix_ms(taken.start)}, {"end_ms", to_unix_ms(taken.end)}, {"nodes", taken.nodes}});
  }
  return json;
}

Result<SiteSnapshot> read_snapshot(const Json& json) {
  Fields f(json);
  SiteSnapshot snapshot{.taken_at = {},
                        .cluster = f.needed_word("cluster"),
                        .scheduler = f.word("scheduler"),
                        .queues = {},
                        .nodes = read_all<domain::Node>(f, "nodes", read_node),
                        .running = {},
                        .waiting = read_all<domain::WaitingWork>(f, "waiting", read_waiting),
                        .reservations = {},
                        .sees_everyone = !f.has("sees_everyone") || f.flag("sees_everyone")};
  snapshot.quiet_until = f.maybe_at("quiet_until_ms");
  snapshot.site_rules = f.word("site_rules");
  if (f.has("budget")) snapshot.own_budget = read_budget(f);
  const auto nodes = snapshot.nodes.size();
  snapshot.queues = read_all<domain::Queue>(f, "queues", [&](Fields& q) { return read_queue(q, nodes); });
  snapshot.running = read_all<domain::RunningWork>(f, "running", [&](Fields& r) { return read_running(r, nodes); });
  snapshot.reservations = read_all<domain::Reservation>(f, "reservations", [&](Fields& r) { return read_reservation(r, nodes); });
  if (f.has("arrays")) {
    Fields arrays(f.object("arrays"));
    snapshot.arrays.emplace();
    if (arrays.has("max_index")) snapshot.arrays->max_index = static_cast<std::int32_t>(arrays.amount("max_index", INT32_MAX));
    snapshot.arrays->any_indices = or_true(arrays, "any_indices");
    snapshot.arrays->at_most = or_true(arrays, "at_most");
    if (!arrays.ok()) f.miss("arrays");
  }
  if (!f.ok()) return f.refused("a snapshot");
  return snapshot;
}

}  // namespace hansa::connectors::protocol
