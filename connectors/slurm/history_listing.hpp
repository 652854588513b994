// SPDX-License-Identifier: Apache-2.0
#pragma once
// sacct: the accounting's list of runs. A requeued job has one row for each run (--duplicates), in the order they ran.

#include "broker/domain/usage.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/slurm/records.hpp"
#include "connectors/slurm/values.hpp"

#include <string>
#include <string_view>

namespace hansa::connectors::slurm {

struct HistoryRow {
  std::string shown_id;  // of an array's: "7_3" of a task, "7_[4-9]" of those that were cancelled together before any started
  std::string id;  // of a task its array's
  bool of_array = false;
  std::vector<std::int32_t> tasks;  // of the array, that the row is of
  std::string cluster;
  std::string name;  // accounting turns bytes it cannot keep into '?'
  std::string user;
  std::string account;
  QueueName queue;
  UtcTime submitted_at{};  // of a requeued run: when it was requeued
  std::optional<UtcTime> started_at;
  std::optional<UtcTime> ended_at;
  Seconds elapsed{0};  // without the time it was suspended
  std::string state;  // "COMPLETED", "CANCELLED by 1001", ...
  std::optional<ExitCode> exit;
  Tres granted;  // all zero if it never got nodes
  CoreSeconds core_seconds{0};  // the site's CPUTimeRAW
  std::int32_t run = 0;  // how many rows of this id and name stand before it
  std::string line;  // its fields as read, joined with '|'
};

/// For sacct's -o.
std::string history_format();

Listing<HistoryRow> parse_sacct(std::string_view text, std::string_view separator);

/// The same from rows already split, in the order of history_format. Steps ("12.batch") are skipped.
Listing<HistoryRow> read_history(const Listing<Fields>& rows);

/// The row of tasks that were cancelled together may name some that had started by then (22.05.8): their own rows tell of them.
void drop_told_tasks(std::vector<HistoryRow>& rows);

ports::JobStatus to_status(const HistoryRow& row);

/// Of a run that is over.
domain::UsageRecord to_usage(const HistoryRow& row, const SiteId& site);

}  // namespace hansa::connectors::slurm
