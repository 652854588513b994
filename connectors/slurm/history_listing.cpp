// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/history_listing.hpp"

#include "connectors/slurm/job_state.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace hansa::connectors::slurm {

namespace {

enum Column : std::size_t {
  kId,
  kCluster,
  kUser,
  kAccount,
  kPartition,
  kSubmit,
  kStart,
  kEnd,
  kElapsed,
  kState,
  kExit,
  kTres,
  kCpuTime,
  kName,
  kColumns
};

// Known to 22.05 and 26.05; "Restarts" is not (22.05 refuses the whole call for it).
constexpr std::array<std::string_view, kColumns> kFieldNames{"JobID",    "Cluster",   "User",       "Account",    "Partition",
                                                             "Submit",   "Start",     "End",        "ElapsedRaw", "State",
                                                             "ExitCode", "AllocTRES", "CPUTimeRAW", "JobName"};

constexpr std::int64_t kMaxElapsed = 3'153'600'000;  // a century, in seconds: products with any count stay in range

std::expected<HistoryRow, std::string> read_row(const Fields& fields) {
  const auto bad = [&](std::string_view what, Column column) {
    return std::unexpected(std::string(what) + " is \"" + std::string(fields[column].substr(0, 64)) + "\"");
  };
  HistoryRow row;
  auto shown = parse_shown_id(fields[kId]);
  if (shown.id.empty()) return bad("the job id", kId);
  row.shown_id = fields[kId];
  row.id = std::move(shown.id);
  row.of_array = shown.of_array;
  row.tasks = std::move(shown.tasks);
  row.cluster = fields[kCluster];
  row.name = fields[kName];
  row.user = fields[kUser];
  row.account = fields[kAccount];
  row.queue = QueueName(fields[kPartition]);
  row.state = fields[kState];
  if (row.state.empty()) return bad("the state", kState);
  const auto submitted = parse_time(fields[kSubmit]);
  if (!submitted || !*submitted) return bad("the submit time", kSubmit);
  row.submitted_at = **submitted;
  const auto tres = parse_tres(fields[kTres]);
  if (!tres) return bad("the resources", kTres);
  row.granted = *tres;
  const auto started = parse_time(fields[kStart]);
  if (!started) return bad("the start time", kStart);
  if (row.granted.nodes > 0) row.started_at = *started;  // 22.05 writes a start for jobs it failed without one
  const auto ended = parse_time(fields[kEnd]);
  if (!ended) return bad("the end time", kEnd);
  row.ended_at = *ended;
  const auto elapsed = parse_count(fields[kElapsed]);
  if (!elapsed || *elapsed > kMaxElapsed) return bad("the elapsed time", kElapsed);
  row.elapsed = Seconds{*elapsed};
  const auto cpu_time = parse_count(fields[kCpuTime]);
  if (!cpu_time) return bad("the CPU time", kCpuTime);
  row.core_seconds = CoreSeconds{*cpu_time};
  row.exit = parse_exit_code(fields[kExit]);
  for (const auto field : fields) row.line.append(field).append("|");
  row.line.pop_back();
  return row;
}

}  // namespace

void drop_told_tasks(std::vector<HistoryRow>& rows) {
  std::unordered_set<std::string> told;
  for (const auto& row : rows) {
    if (row.of_array && !row.shown_id.contains('[')) told.insert(row.shown_id + ' ' + row.name);
  }
  for (auto& row : rows) {
    if (!row.shown_id.contains('[')) continue;
    std::erase_if(row.tasks,
                  [&](std::int32_t task) { return told.contains(row.id + '_' + std::to_string(task) + ' ' + row.name); });
  }
}

std::string history_format() {
  std::string format;
  for (const auto name : kFieldNames) {
    if (!format.empty()) format += ',';
    format += name;
  }
  return format;
}

Listing<HistoryRow> read_history(const Listing<Fields>& rows) {
  Listing<HistoryRow> listing{.rows = {}, .dropped = rows.dropped, .complete = rows.complete};
  std::unordered_map<std::string, std::int32_t> runs;  // id and name -> rows so far
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    if (rows.rows[i][kId].contains('.')) continue;
    auto row = read_row(rows.rows[i]);
    if (!row) {
      listing.dropped.push_back({i + 1, std::move(row.error())});
      continue;
    }
    row->run = runs[row->shown_id + ' ' + row->name]++;
    listing.rows.push_back(std::move(*row));
  }
  drop_told_tasks(listing.rows);
  return listing;
}

Listing<HistoryRow> parse_sacct(std::string_view text, std::string_view separator) {
  return read_history(split_rows(text, separator, kColumns));
}

ports::JobStatus to_status(const HistoryRow& row) {
  ports::JobStatus status;
  status.id = SiteJobId(row.id);
  status.phase = phase_of(row.state);
  status.run = row.run;
  status.site_state = row.state;
  status.started_at = row.started_at;
  if (row.granted.nodes > 0) {
    status.granted = domain::Grant{.nodes = batch::to_int32(row.granted.nodes),
                                   .cores = batch::to_int32(row.granted.cpus),
                                   .gpus = batch::to_int32(row.granted.gpus),
                                   .memory = row.granted.memory,
                                   .queue = row.queue,
                                   .account = row.account};
  }
  if (status.phase == ports::Phase::ended) {
    status.ended_at = row.ended_at;
    describe_end(status, {.state = row.state, .reason = "", .had_nodes = row.granted.nodes > 0, .exit = row.exit});
  }
  return status;
}

domain::UsageRecord to_usage(const HistoryRow& row, const SiteId& site) {
  const auto seconds = row.elapsed.count();
  domain::UsageRecord record;
  record.site = site;
  record.cluster = row.cluster;
  record.site_job_id = SiteJobId(row.of_array ? row.shown_id : row.id);
  if (row.of_array) record.array_id = SiteJobId(row.id);
  record.tag = Tag(row.name);
  record.account = LocalAccount(row.user);
  record.scheduler_account = row.account;
  record.queue = row.queue;
  record.submitted_at = row.submitted_at;
  record.started_at = row.started_at;
  record.ended_at = row.ended_at.value_or(row.submitted_at);
  record.site_state = row.state;
  if (row.exit) record.exit_code = row.exit->code;
  record.elapsed = row.elapsed;
  record.nodes = batch::to_int32(row.granted.nodes);
  record.cores = batch::to_int32(row.granted.cpus);
  record.gpus = batch::to_int32(row.granted.gpus);
  record.core_seconds = row.core_seconds;
  record.gpu_seconds = GpuSeconds{seconds > 0 && row.granted.gpus > 0 ? seconds * record.gpus : 0};
  record.node_seconds = NodeSeconds{seconds > 0 && row.granted.nodes > 0 ? seconds * record.nodes : 0};
  record.gpu_model = row.granted.gpu_model;
  record.energy_j = row.granted.energy_j;
  record.source_line = row.line;
  return record;
}

}  // namespace hansa::connectors::slurm
