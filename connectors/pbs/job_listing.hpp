// SPDX-License-Identifier: Apache-2.0
#pragma once
// qstat -f: the server's jobs, with -x those in its history as well.

#include "broker/domain/usage.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/pbs/records.hpp"
#include "connectors/pbs/values.hpp"

#include <expected>
#include <string>
#include <string_view>

namespace hansa::connectors::pbs {

struct JobRow {
  std::string id;                     // "12.pbs01"
  std::string name;
  std::string user;                   // of Job_Owner, "alice@login1"
  std::string server;
  std::string account;
  QueueName queue;
  std::string state;                  // one letter
  std::int64_t substate = 0;
  std::string held;                   // Hold_Types, "" for none
  std::string comment;                // the scheduler's or an operator's
  std::string place;
  bool array = false;                 // the array itself, no job of it
  std::string array_id;               // "12[].pbs01" of a subjob, "12[3].pbs01"; "": it is none
  std::int32_t task = 0;
  bool made_up = false;               // a subjob of which the server has no record: what is not its state is its array's
  UtcTime submitted_at{};
  std::optional<UtcTime> eligible_at;  // since when, or from when on
  std::optional<UtcTime> started_at;   // of its last run
  std::optional<UtcTime> expected_start;
  std::optional<UtcTime> ended_at;
  std::optional<Seconds> time_limit;
  Seconds elapsed{0};
  std::int64_t priority = 0;
  std::int64_t starts = 0;            // run_count
  std::optional<std::int64_t> exit;   // none, too, for what was deleted or given up before it started
  std::vector<Chunk> asked;
  std::vector<Chunk> granted;         // of each node; none while it has none
  std::string line;                   // its fields as read, joined with '|', without its variables and arguments
};

/// One record with qstat's names, or what in it is not understood.
std::expected<JobRow, std::string> read_job(const Record& record, const GpuNames& gpus);

Listing<JobRow> parse_qstat(std::string_view text, std::string_view separator, const GpuNames& gpus);

/// qselect: ids, one a line. What is none is dropped.
Listing<std::string> parse_qselect(std::string_view text);

/// Of a run that is over.
domain::UsageRecord to_usage(const JobRow& row, const SiteId& site);

}  // namespace hansa::connectors::pbs
