// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/inventory.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::pbs {

namespace {

using batch::cut;

/// 0, too, for what is no number: of a node or queue the rest is worth knowing.
std::int64_t count_of(const Record& record, std::string_view name) { return parse_count(record.get(name)).value_or(0); }

std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    if (const auto part = batch::trim(cut(text, ',')); !part.empty()) parts.emplace_back(part);
  }
  return parts;
}

/// Fields of that prefix, without it.
std::vector<std::pair<std::string, std::string>> fields_below(const Record& record, std::string_view prefix) {
  std::vector<std::pair<std::string, std::string>> below;
  for (const auto& [name, value] : record.fields) {
    if (name.starts_with(prefix)) below.emplace_back(name.substr(prefix.size()), value);
  }
  return below;
}

AccessList access_list(const Record& record, std::string_view kind) {  // "user", "group", "host"
  const auto name = "acl_" + std::string(kind);
  return {.enabled = parse_truth(record.get(name + "_enable")), .entries = list_of(record.get(name + "s"))};
}

bool is_number(std::string_view value) { return value.empty() || (value.front() >= '0' && value.front() <= '9'); }

/// Each word of a node's state ("down,offline") leaves it in use.
bool is_usable_state(const std::vector<std::string>& words) {
  constexpr std::array<std::string_view, 6> kInUse{"free", "busy", "job-busy", "job-exclusive", "job-sharing", "sleep"};
  return !words.empty() &&
         std::ranges::all_of(words, [&](const auto& word) { return std::ranges::find(kInUse, word) != kInUse.end(); });
}

std::expected<QueueRecord, std::string> read_queue(const Record& record) {
  QueueRecord queue;
  queue.name = record.id;
  queue.enabled = parse_truth(record.get("enabled"));
  queue.started = parse_truth(record.get("started"));
  queue.from_route_only = parse_truth(record.get("from_route_only"));
  queue.has_nodes = parse_truth(record.get("hasnodes"));
  queue.destinations = list_of(record.get("route_destinations"));
  queue.max_time = parse_length(record.get("resources_max.walltime"));
  queue.max_nodes = parse_count(record.get("resources_max.nodect"));
  queue.min_nodes = std::max<std::int64_t>(1, count_of(record, "resources_min.nodect"));
  queue.priority = parse_integer(record.get("Priority")).value_or(0);
  queue.users = access_list(record, "user");
  queue.groups = access_list(record, "group");
  queue.hosts = access_list(record, "host");
  queue.wants = fields_below(record, "default_chunk.");
  std::erase_if(queue.wants, [](const auto& want) { return is_number(want.second); });
  return queue;
}

std::expected<NodeRecord, std::string> read_node(const Record& record, const GpuNames& gpus) {
  NodeRecord node;
  node.name = record.id;
  const auto states = list_of(record.get("state"));
  // An unknown node is told as a record with nothing in it but its error (pbsnodes.unknown_json.out).
  if (states.empty()) return std::unexpected("it tells no state of node \"" + node.name.substr(0, 64) + "\"");
  const auto memory_of = [&](std::string_view name) { return parse_size(record.get(name)).value_or(Mebibytes{0}); };
  node.cores =
      record.has("resources_available.ncpus") ? count_of(record, "resources_available.ncpus") : count_of(record, "pcpus");
  node.memory = parse_room(record.get("resources_available.mem")).value_or(Mebibytes{0});
  node.gpus = count_of(record, "resources_available." + gpus.count);
  if (!gpus.model.empty()) node.gpu_model = record.get("resources_available." + gpus.model);
  node.architecture = record.get("resources_available.arch");
  node.usable = is_usable_state(states);
  const auto sharing = record.get("sharing");
  node.exclusive = sharing.starts_with("force_excl");
  node.exclusive_by_default = sharing.starts_with("default_excl");
  node.full = std::ranges::any_of(states, [](const auto& word) { return word == "job-busy" || word == "job-exclusive"; });
  node.taken = {.node = node.name,
                .copies = 1,
                .cores = count_of(record, "resources_assigned.ncpus"),
                .memory = memory_of("resources_assigned.mem"),
                .gpus = count_of(record, "resources_assigned." + gpus.count),
                .gpu_model = {}};
  node.queue = record.get("queue");
  node.offers = fields_below(record, "resources_available.");
  return node;
}

}  // namespace

std::vector<const QueueRecord*> destinations_of(const Settings& settings, const QueueRecord& queue) {
  if (!queue.routes()) return {&queue};
  std::vector<const QueueRecord*> found;
  for (const auto& name : queue.destinations) {
    const auto next =
        std::ranges::find(settings.queues.rows, std::string_view(name).substr(0, name.find('@')), &QueueRecord::name);
    if (next != settings.queues.rows.end() && !next->routes()) found.push_back(&*next);
  }
  return found;
}

bool is_of_reservation(const QueueRecord& queue) {
  return queue.name.size() > 1 && std::string_view("RSM").contains(queue.name.front()) && parse_count(queue.name.substr(1));
}

std::optional<ServerRecord> parse_server(std::string_view text, std::string_view separator) {
  const auto records = split_records(text, "Server: ", separator);
  if (records.rows.empty()) return std::nullopt;
  const auto& record = records.rows.front();
  ServerRecord server;
  server.name = record.id;
  server.version = record.get("pbs_version");
  server.default_queue = record.get("default_queue");
  server.scheduling = parse_truth(record.get("scheduling"));
  server.keeps_history = parse_truth(record.get("job_history_enable"));
  server.hides_jobs = !parse_truth(record.get("query_other_jobs"));
  server.history_kept = record.get("job_history_duration");
  server.last_job_id = parse_count(record.get("max_job_sequence_id"));
  server.array_size = parse_count(record.get("max_array_size"));
  server.users = access_list(record, "user");
  return server;
}

Listing<QueueRecord> parse_queues(std::string_view text, std::string_view separator) {
  return read_records<QueueRecord>(split_records(text, "Queue: ", separator), read_queue);
}

Listing<NodeRecord> parse_nodes(std::string_view text, std::string_view separator, const GpuNames& gpus) {
  return read_records<NodeRecord>(split_records(text, "Name=", separator),
                                  [&](const Record& record) { return read_node(record, gpus); });
}

}  // namespace hansa::connectors::pbs
