// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the controller says about itself: nodes, partitions, reservations, configuration. All in one call: scontrol reads
// commands from its standard input, so that four questions cost a site one process and one login.

#include "broker/core/clock.hpp"
#include "connectors/slurm/records.hpp"
#include "connectors/slurm/values.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurm {

struct NodeRecord {
  std::string name;
  std::int64_t cpus = 0;       // those that jobs can have (CPUEfctv)
  Mebibytes memory{0};         // the same, without what the site keeps (MemSpecLimit)
  NodeGpus gpus;
  Tres allocated;              // of all of it, to whomever (CPUAlloc, AllocMem, AllocTRES)
  bool usable = true;          // no word in State that keeps jobs off it; reservations apart
  std::string architecture;    // Arch: slurmd's uname; "" of a node that never answered
  bool reserved = false;       // RESERVED or MAINT: a reservation holds it now
};

/// One word of a node's state, upper case: "IDLE", "DRAIN", "RESERVED".
void note_state(NodeRecord& node, std::string_view word);

struct PartitionRecord {
  std::string name;
  bool up = true;              // takes and starts jobs of anybody who may use it
  bool is_default = false;
  std::optional<Seconds> max_time;
  std::optional<std::int64_t> max_nodes;
  std::int64_t min_nodes = 1;
  std::int64_t priority_tier = 1;
  std::vector<std::string> nodes;
};

struct ReservationRecord {
  std::string name;
  UtcTime start{};
  UtcTime end{};
  std::vector<std::string> nodes;  // also where it takes some cores of each only
};

struct Configuration {
  std::string cluster;         // "" if it was not asked for
  std::string version;         // "22.05.8"
  std::int64_t max_array_size = 0;  // an index is less; 0: no arrays, or none that this way to the site runs
  bool hides_jobs = false;     // PrivateData=jobs: who is no operator sees their own only
  std::string priority;        // "priority/multifactor", which alone adds up what accounts use
  std::string enforced;        // "associations,limits": and that only if limits are
};

struct Inventory {
  std::vector<NodeRecord> nodes;
  std::vector<PartitionRecord> partitions;
  std::vector<ReservationRecord> reservations;
  Configuration configuration;
  std::vector<Dropped> dropped;
};

/// Why a partition or reservation is left out once all together name more than kMaxHostsInAll nodes.
inline constexpr const char* kTooManyHosts = "the site's partitions and reservations name too many nodes";

/// scontrol's standard input.
std::string inventory_questions(bool with_configuration);

/// scontrol's output, one record a line (-o), its prompts ("scontrol: show node") and unknown lines skipped.
Inventory parse_inventory(std::string_view text);

}  // namespace hansa::connectors::slurm
