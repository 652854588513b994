// SPDX-License-Identifier: Apache-2.0
#pragma once
// squeue: the controller's own list of jobs.

#include "broker/ports/site_connector.hpp"
#include "connectors/slurm/records.hpp"
#include "connectors/slurm/values.hpp"

#include <string>
#include <string_view>

namespace hansa::connectors::slurm {

struct QueueRow {
  std::string id;                     // the job's own number; a task of an array has one of its own once it started
  std::string display_id;             // "7_3", "34+1", or the same
  std::string array_id;               // "7" of the first; "": it is no task of an array
  std::vector<std::int32_t> tasks;    // of that array
  bool more_tasks = false;            // and others of it, which are not told
  std::string name;
  std::string user;
  std::string cluster;
  QueueName queue;                    // the first, if it waits for several
  std::string state;                  // full word
  std::string reason;                 // "" for none
  UtcTime submitted_at{};
  std::optional<UtcTime> eligible_at;
  std::optional<UtcTime> starts_at;   // was started, or is expected to be
  std::optional<UtcTime> ends_at;     // ended, or will be ended by its limit
  std::optional<Seconds> time_limit;
  std::int64_t priority = 0;
  std::int32_t restarts = 0;
  std::optional<ExitCode> exit;
  Tres tres;                          // granted, or asked for while pending
  std::string nodes;                  // Slurm's short form; "" while it has none
  std::string account;                // "": none
  std::int32_t tasks_asked = 0;       // 0: not said
  std::optional<bool> exclusive;      // its nodes are its own
};

/// For squeue's -O, every field ended by `separator`.
std::string queue_format(std::string_view separator);

Listing<QueueRow> parse_squeue(std::string_view text, std::string_view separator);

/// The same from rows already split, in the order of queue_format.
Listing<QueueRow> read_queue(const Listing<Fields>& rows);

/// Live, or over and still remembered by the controller.
ports::JobStatus to_status(const QueueRow& row);

}  // namespace hansa::connectors::slurm
