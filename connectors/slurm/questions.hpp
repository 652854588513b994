// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a Slurm cluster is asked, whatever way leads there: its own commands (commands.hpp), or slurmrestd (connectors/slurmrest).
//
// Strand: the engine's.

#include "broker/ports/site_connector.hpp"
#include "connectors/batch/programs.hpp"
#include "connectors/slurm/history_listing.hpp"
#include "connectors/slurm/inventory.hpp"
#include "connectors/slurm/queue_listing.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hansa::connectors::slurm {

using batch::Viewer;

struct QueueQuestion {
  Viewer viewer;
  std::vector<std::string> names;  // none: every job. An answer may have others' as well
  bool ended_too = true;
};

struct HistoryQuestion {
  Viewer viewer;
  std::vector<std::string> names;  // with `ids` empty too: every job
  std::vector<std::string> ids;
  UtcTime from{};  // of `ids` it may be any time before they were submitted
  std::optional<UtcTime> to;  // none: now
  bool only_ended = false;
};

class Questions {
 public:
  virtual ~Questions() = default;

  virtual ports::Task<Listing<QueueRow>> queue(QueueQuestion question, ports::Deadline deadline) = 0;
  /// Rows of one id in the order of its runs.
  virtual ports::Task<Listing<HistoryRow>> history(HistoryQuestion question, ports::Deadline deadline) = 0;
  virtual ports::Task<Inventory> inventory(ports::Deadline deadline) = 0;
  /// Nodes and all that stand in inventory() change; this is asked once.
  virtual ports::Task<Configuration> configuration(ports::Deadline deadline) = 0;
  /// The broker sees everybody's jobs where it may; else each account is asked for its own.
  virtual ports::Task<std::vector<Viewer>> viewers_of(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) = 0;
};

}  // namespace hansa::connectors::slurm
