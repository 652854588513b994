// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/inventory.hpp"

#include "connectors/slurm/host_list.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::slurm {

namespace {

constexpr std::size_t kMaxLine = 1 << 20;

using Record = std::map<std::string_view, std::string_view>;

std::string_view value_of(const Record& record, std::string_view key) {
  const auto found = record.find(key);
  return found == record.end() ? std::string_view{} : found->second;
}

/// Calls `use` for each word of "IDLE+DRAIN", "DOWN*+NOT_RESPONDING", without the marks of sinfo's short states.
template <class Use>
void for_each_state(std::string_view states, Use use) {
  while (!states.empty()) {
    const auto plus = states.find('+');
    auto word = states.substr(0, plus);
    word = word.substr(0, word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"));
    use(word);
    if (plus == std::string_view::npos) return;
    states.remove_prefix(plus + 1);
  }
}

bool keeps_jobs_off(std::string_view state) {
  // Powered down and cloud nodes are not here: Slurm starts them when a job needs them.
  constexpr std::array<std::string_view, 15> kOff{"DOWN",           "DRAIN",      "DRAINED",     "DRAINING", "FAIL",
                                                  "FAILING",        "NO_RESPOND", "FUTURE",      "UNKNOWN",  "ERROR",
                                                  "NOT_RESPONDING", "INVALID",    "INVALID_REG", "INVAL",    "BLOCKED"};
  return std::ranges::find(kOff, state) != kOff.end();
}

bool is_reserved(std::string_view state) { return state == "RESERVED" || state == "MAINT" || state == "MAINTENANCE"; }

std::expected<NodeRecord, std::string> read_node(const Record& record) {
  NodeRecord node;
  node.name = value_of(record, "NodeName");
  const auto effective = parse_count(value_of(record, "CPUEfctv"));
  const auto total = parse_count(value_of(record, "CPUTot"));
  if (!effective && !total) return std::unexpected("node " + node.name + ": no CPUTot");
  node.cpus = effective.value_or(total.value_or(0));
  node.allocated = parse_tres(value_of(record, "AllocTRES")).value_or(Tres{});
  node.allocated.cpus = parse_count(value_of(record, "CPUAlloc")).value_or(0);
  if (const auto memory = parse_memory(value_of(record, "AllocMem")); memory && *memory) node.allocated.memory = **memory;
  const auto memory = parse_memory(value_of(record, "RealMemory"));
  if (!memory || !*memory) return std::unexpected("node " + node.name + ": no RealMemory");
  node.memory = **memory;
  if (const auto kept = parse_memory(value_of(record, "MemSpecLimit")); kept && *kept) {
    node.memory.value = std::max<std::int64_t>(0, node.memory.value - (*kept)->value);
  }
  node.gpus = parse_node_gpus(value_of(record, "Gres"));
  node.architecture = value_of(record, "Arch");
  const auto state = value_of(record, "State");
  if (state.empty()) return std::unexpected("node " + node.name + ": no State");
  for_each_state(state, [&](std::string_view word) { note_state(node, word); });
  return node;
}

std::expected<PartitionRecord, std::string> read_partition(const Record& record) {
  PartitionRecord partition;
  partition.name = value_of(record, "PartitionName");
  const auto limit = parse_limit(value_of(record, "MaxTime"));
  if (!limit) return std::unexpected("partition " + partition.name + ": MaxTime is not a time");
  partition.max_time = *limit;
  partition.max_nodes = parse_count(value_of(record, "MaxNodes"));  // "UNLIMITED" is none
  partition.min_nodes = std::max<std::int64_t>(1, parse_count(value_of(record, "MinNodes")).value_or(1));
  partition.priority_tier = parse_count(value_of(record, "PriorityTier")).value_or(1);
  partition.is_default = value_of(record, "Default") == "YES";
  // Seen with --all so that the work on shared nodes is; nobody is sent to one that is hidden or reserved for others.
  partition.up = value_of(record, "State") == "UP" && value_of(record, "Hidden") != "YES" &&
                 value_of(record, "RootOnly") != "YES" && value_of(record, "ReqResv") != "YES";
  auto nodes = expand_hosts(value_of(record, "Nodes"));
  if (!nodes) return std::unexpected("partition " + partition.name + ": Nodes is not a node list");
  partition.nodes = std::move(*nodes);
  return partition;
}

std::expected<ReservationRecord, std::string> read_reservation(const Record& record) {
  ReservationRecord reservation;
  reservation.name = value_of(record, "ReservationName");
  const auto start = parse_time(value_of(record, "StartTime"));
  const auto end = parse_time(value_of(record, "EndTime"));
  if (!start || !*start || !end || !*end) {
    return std::unexpected("reservation " + reservation.name + ": StartTime or EndTime is not a time");
  }
  reservation.start = **start;
  reservation.end = **end;
  auto nodes = expand_hosts(value_of(record, "Nodes"));
  if (!nodes) return std::unexpected("reservation " + reservation.name + ": Nodes is not a node list");
  reservation.nodes = std::move(*nodes);
  return reservation;
}

/// "PrivateData             = jobs,usage".
void read_configuration_line(std::string_view line, Configuration& configuration) {
  const auto equals = line.find(" = ");
  if (equals == std::string_view::npos) return;
  auto key = line.substr(0, equals);
  key = key.substr(0, key.find(' '));
  const auto value = line.substr(equals + 3);
  if (key == "ClusterName") configuration.cluster = value;
  if (key == "MaxArraySize") configuration.max_array_size = parse_count(value).value_or(configuration.max_array_size);
  if (key == "SLURM_VERSION") configuration.version = value;
  if (key == "PriorityType") configuration.priority = value;
  if (key == "AccountingStorageEnforce") configuration.enforced = value;
  if (key == "PrivateData") { configuration.hides_jobs = (',' + std::string(value) + ',').contains(",jobs,") || value == "all"; }
}

}  // namespace

void note_state(NodeRecord& node, std::string_view word) {
  node.usable = node.usable && !keeps_jobs_off(word);
  node.reserved = node.reserved || is_reserved(word);
}

std::string inventory_questions(bool with_configuration) {
  std::string questions = "show node\nshow partition\nshow reservation\n";
  if (with_configuration) questions += "show config\n";
  return questions;
}

Inventory parse_inventory(std::string_view text) {
  Inventory inventory;
  std::size_t hosts = 0;
  const auto keep = [&](std::size_t row, auto& records, auto record) {
    if constexpr (requires { record->nodes; }) {
      if (record && (hosts += record->nodes.size()) > kMaxHostsInAll) record = std::unexpected(std::string(kTooManyHosts));
    }
    if (record) {
      records.push_back(std::move(*record));
    } else {
      inventory.dropped.push_back({row, std::move(record.error())});
    }
  };
  for (std::size_t row = 1; !text.empty(); ++row) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    // Without readline, scontrol writes its prompt in front of the first line of each answer.
    while (line.starts_with("scontrol: ")) line.remove_prefix(10);
    if (line.size() > kMaxLine) {
      inventory.dropped.push_back({row, "a line of more than 1 MiB"});
    } else if (line.starts_with("NodeName=")) {
      keep(row, inventory.nodes, read_node(parse_key_values(line)));
    } else if (line.starts_with("PartitionName=")) {
      keep(row, inventory.partitions, read_partition(parse_key_values(line)));
    } else if (line.starts_with("ReservationName=")) {
      keep(row, inventory.reservations, read_reservation(parse_key_values(line)));
    } else {
      read_configuration_line(line, inventory.configuration);
    }
  }
  return inventory;
}

}  // namespace hansa::connectors::slurm
