// SPDX-License-Identifier: Apache-2.0
#pragma once
// slurmrestd's lists, of each version that we speak, as the same records that Slurm's commands are read into. A record that is
// odd is left out alone; an answer without its list is no answer.

#include "connectors/slurm/history_listing.hpp"
#include "connectors/slurm/inventory.hpp"
#include "connectors/slurm/queue_listing.hpp"
#include "connectors/slurmrest/json.hpp"

#include <string>

namespace hansa::connectors::slurmrest {

/// "jobs" of /slurm: the tasks of an array that wait are one record there, and one row each here. Of many with no order in them
/// slurmrestd tells but the first (SLURM_BITSTR_LEN, 64 bytes): more_tasks.
Result<slurm::Listing<slurm::QueueRow>> read_queue(const JsonNode& root);

/// "jobs" of /slurmdb, of one cluster: those of an id in the order of its runs.
///
/// 0.0.38 tells no exit code but 0 (22.05.8: tests/data/slurm/rest/22.05/rest.v0.0.38.dbjob-exit3.out): a failed job has none
/// then.
Result<slurm::Listing<slurm::HistoryRow>> read_history(const JsonNode& root, std::string_view cluster);

/// Numbers the runs of each id, in the order in which they were submitted.
void in_order_of_runs(slurm::Listing<slurm::HistoryRow>& listing);

Result<void> read_nodes(const JsonNode& root, slurm::Inventory& inventory);
Result<void> read_partitions(const JsonNode& root, slurm::Inventory& inventory);
Result<void> read_reservations(const JsonNode& root, slurm::Inventory& inventory);

/// Of any answer: the version, and the cluster, which 0.0.38 does not say.
slurm::Configuration read_meta(const JsonNode& root);

/// "clusters" of /slurmdb, by name.
std::vector<std::string> read_clusters(const JsonNode& root);

}  // namespace hansa::connectors::slurmrest
