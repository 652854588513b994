// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/queue_listing.hpp"

#include "connectors/slurm/job_state.hpp"

#include <array>
#include <limits>

namespace hansa::connectors::slurm {

namespace {

enum Column : std::size_t {
  kId,
  kDisplayId,
  kUser,
  kCluster,
  kPartition,
  kState,
  kReason,
  kSubmit,
  kEligible,
  kStart,
  kEnd,
  kLimit,
  kPriority,
  kRestarts,
  kExit,
  kTres,
  kNodes,
  kAccount,
  kTasks,
  kSharing,
  kName,
  kColumns
};

// Names of squeue -O fields, in the order of Column; all are known to 22.05 and 26.05.
constexpr std::array<std::string_view, kColumns> kFieldNames{
    "JobID",      "JobArrayID",   "UserName",  "Cluster", "Partition", "State",         "Reason",
    "SubmitTime", "EligibleTime", "StartTime", "EndTime", "TimeLimit", "PriorityLong",  "RestartCnt",
    "exit_code",  "tres-alloc",   "NodeList",  "Account", "NumTasks",  "OverSubscribe", "Name"};

std::expected<QueueRow, std::string> read_row(const Fields& fields) {
  const auto bad = [&](std::string_view what, Column column) {
    return std::unexpected(std::string(what) + " is \"" + std::string(fields[column].substr(0, 64)) + "\"");
  };
  QueueRow row;
  if (!parse_count(fields[kId])) return bad("the job id", kId);
  row.id = fields[kId];
  row.display_id = fields[kDisplayId];
  if (auto shown = parse_shown_id(row.display_id); shown.of_array) {
    row.array_id = std::move(shown.id);
    row.tasks = std::move(shown.tasks);
  }
  row.name = fields[kName];
  row.user = fields[kUser];
  row.cluster = fields[kCluster];
  row.queue = QueueName(fields[kPartition].substr(0, fields[kPartition].find(',')));
  row.state = fields[kState];
  if (row.state.empty()) return bad("the state", kState);
  if (fields[kReason] != "None" && fields[kReason] != "(null)") row.reason = fields[kReason];

  const auto submitted = parse_time(fields[kSubmit]);
  if (!submitted || !*submitted) return bad("the submit time", kSubmit);
  row.submitted_at = **submitted;
  const auto eligible = parse_time(fields[kEligible]);
  if (!eligible) return bad("the eligible time", kEligible);
  row.eligible_at = *eligible;
  const auto starts = parse_time(fields[kStart]);
  if (!starts) return bad("the start time", kStart);
  row.starts_at = *starts;
  const auto ends = parse_time(fields[kEnd]);
  if (!ends) return bad("the end time", kEnd);
  row.ends_at = *ends;
  const auto limit = parse_limit(fields[kLimit]);
  if (!limit) return bad("the time limit", kLimit);
  row.time_limit = *limit;

  const auto priority = parse_count(fields[kPriority]);
  if (!priority) return bad("the priority", kPriority);
  row.priority = *priority;
  const auto restarts = parse_count(fields[kRestarts]);
  if (!restarts || *restarts > std::numeric_limits<std::int32_t>::max()) return bad("the restart count", kRestarts);
  row.restarts = static_cast<std::int32_t>(*restarts);
  row.exit = parse_exit_code(fields[kExit]);
  const auto tres = parse_tres(fields[kTres]);
  if (!tres) return bad("the resources", kTres);
  row.tres = *tres;
  if (fields[kNodes] != "(null)") row.nodes = fields[kNodes];
  if (fields[kAccount] != "(null)" && fields[kAccount] != "N/A") row.account = fields[kAccount];
  row.tasks_asked = batch::to_int32(parse_count(fields[kTasks]).value_or(0));
  // squeue(1): "NO" of who has its nodes alone, "OK" of who may share them as the queue has it.
  if (fields[kSharing] == "NO" || fields[kSharing] == "OK" || fields[kSharing] == "YES") row.exclusive = fields[kSharing] == "NO";
  return row;
}

}  // namespace

std::string queue_format(std::string_view separator) {
  std::string format;
  for (const auto name : kFieldNames) {
    if (!format.empty()) format += ',';
    format.append(name).append(":").append(separator);
  }
  return format;
}

Listing<QueueRow> read_queue(const Listing<Fields>& rows) {
  Listing<QueueRow> listing{.rows = {}, .dropped = rows.dropped, .complete = rows.complete};
  listing.rows.reserve(rows.rows.size());
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    auto row = read_row(rows.rows[i]);
    if (row) {
      listing.rows.push_back(std::move(*row));
    } else {
      listing.dropped.push_back({i + 1, std::move(row.error())});
    }
  }
  return listing;
}

Listing<QueueRow> parse_squeue(std::string_view text, std::string_view separator) {
  return read_queue(split_rows(text, separator, kColumns));
}

ports::JobStatus to_status(const QueueRow& row) {
  ports::JobStatus status;
  status.id = SiteJobId(row.id);
  status.phase = phase_of(row.state);
  status.run = row.restarts;
  status.site_state = row.state;
  status.granted = domain::Grant{.nodes = batch::to_int32(row.tres.nodes),
                                 .tasks = row.tasks_asked,
                                 .cores = batch::to_int32(row.tres.cpus),
                                 .gpus = batch::to_int32(row.tres.gpus),
                                 .memory = row.tres.memory,
                                 .time_limit = row.time_limit.value_or(Seconds{0}),
                                 .queue = row.queue,
                                 .account = row.account,
                                 .exclusive = row.exclusive};
  const bool had_nodes = !row.nodes.empty();
  switch (status.phase) {
    case ports::Phase::queued:
      status.pending_reason = row.reason;
      status.expected_start = row.starts_at;  // only the scheduler's plan: what squeue --start shows
      break;
    case ports::Phase::running:
    case ports::Phase::finishing: status.started_at = row.starts_at; break;
    case ports::Phase::ended:
      if (had_nodes) status.started_at = row.starts_at;  // else squeue repeats the end time here
      status.ended_at = row.ends_at;
      describe_end(status, {.state = row.state, .reason = row.reason, .had_nodes = had_nodes, .exit = row.exit});
      break;
    case ports::Phase::not_seen: break;
  }
  return status;
}

}  // namespace hansa::connectors::slurm
