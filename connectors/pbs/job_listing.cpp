// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/job_listing.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace hansa::connectors::pbs {

namespace {

using batch::to_int32;

/// Reads a record's fields; what is there and is not understood is a fault.
class Reader {
 public:
  explicit Reader(const Record& record) : record_(record) {}

  template <class T>
  void read(std::string_view name, std::optional<T> (*parse)(std::string_view), std::optional<T>& into) {
    const auto text = record_.get(name);
    if (text.empty()) return;
    into = parse(text);
    if (!into) fault(name, text);
  }
  template <class T>
  void read(std::string_view name, std::optional<T> (*parse)(std::string_view), T& into) {
    std::optional<T> value;
    read(name, parse, value);
    if (value) into = *value;
  }
  void fault(std::string_view name, std::string_view text) {
    if (fault_.empty()) fault_ = std::string(name) + " is \"" + std::string(text.substr(0, 64)) + "\"";
  }
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  const Record& record_;
  std::string fault_;
};

/// What people put there: long, and not for a ledger.
bool is_peoples_own(std::string_view name) {
  constexpr std::array<std::string_view, 5> kOwn{"Variable_List", "Submit_arguments", "argument_list", "executable", "comment"};
  return std::ranges::find(kOwn, name) != kOwn.end();
}

}  // namespace

std::expected<JobRow, std::string> read_job(const Record& record, const GpuNames& gpus) {
  Reader reader(record);
  JobRow row;
  row.id = record.id;
  if (!is_job_id(record.id)) reader.fault("the job id", record.id);
  row.name = record.get("Job_Name");
  if (row.name.empty()) reader.fault("Job_Name", "");
  auto owner = record.get("Job_Owner");
  row.user = batch::cut(owner, '@');
  if (row.user.empty()) reader.fault("Job_Owner", record.get("Job_Owner"));
  row.state = record.get("job_state");
  if (row.state.size() != 1) reader.fault("job_state", row.state);
  row.server = record.get("server");
  row.account = record.get("Account_Name");
  row.queue = QueueName(record.get("queue"));
  if (const auto held = record.get("Hold_Types"); held != "n") row.held = held;
  row.comment = record.get("comment");
  row.place = record.get("Resource_List.place");
  row.array = parse_truth(record.get("array"));
  if (const auto open = row.id.find('['); !row.array && open != std::string::npos) {
    const auto close = std::min(row.id.find(']', open), row.id.size());
    const auto index = parse_count(std::string_view(row.id).substr(open + 1, close - open - 1));
    row.task = batch::to_int32(index.value_or(0));
    row.array_id = row.id.substr(0, open + 1) + row.id.substr(close);
  }

  if (!record.has("ctime")) reader.fault("ctime", "");
  reader.read("ctime", parse_time, row.submitted_at);
  reader.read("etime", parse_time, row.eligible_at);
  reader.read("Execution_Time", parse_time, row.eligible_at);
  reader.read("stime", parse_time, row.started_at);
  reader.read("estimated.start_time", parse_time, row.expected_start);
  reader.read("mtime", parse_time, row.ended_at);  // when it changed last, if nothing better tells
  reader.read("history_timestamp", parse_time, row.ended_at);
  reader.read("obittime", parse_time, row.ended_at);
  reader.read("Resource_List.walltime", parse_length, row.time_limit);
  reader.read("resources_used.walltime", parse_length, row.elapsed);
  reader.read("substate", parse_integer, row.substate);
  reader.read("Priority", parse_integer, row.priority);
  reader.read("run_count", parse_count, row.starts);
  reader.read("Exit_status", parse_integer, row.exit);
  if (row.exit && (*row.exit < -1000 || *row.exit > 0xffff)) reader.fault("Exit_status", record.get("Exit_status"));
  if (const auto select = record.get("Resource_List.select"); !select.empty()) {
    auto asked = parse_select(select, gpus);
    if (!asked) reader.fault("Resource_List.select", select);
    row.asked = std::move(asked).value_or(std::vector<Chunk>{});
  }
  if (const auto vnodes = record.get("exec_vnode"); !vnodes.empty()) {
    auto granted = parse_exec_vnode(vnodes, gpus);
    if (!granted) reader.fault("exec_vnode", vnodes);
    row.granted = std::move(granted).value_or(std::vector<Chunk>{});
  }
  // Of a subjob that has never run, or whose history was purged, the server has nothing of its own: it makes the record up from
  // the array's (status_subjob in stat_job.c, 23.06.06), with the array's start (qstat.array2_f_json: 20[10] waits, and has one),
  // its exit status, which is that of whatever ended last, and "Subjob finished".
  if (!row.array_id.empty() && row.starts == 0 && row.granted.empty()) {
    row.made_up = true;
    row.started_at.reset();
    row.exit.reset();
    row.elapsed = Seconds{0};
    if (row.comment.starts_with("Subjob ")) row.comment.clear();
  }
  if (!reader.fault().empty()) return std::unexpected(reader.fault());

  row.line = row.id;
  for (const auto& [name, value] : record.fields) {
    if (!is_peoples_own(name)) row.line.append("|").append(name).append("=").append(value);
  }
  return row;
}

Listing<JobRow> parse_qstat(std::string_view text, std::string_view separator, const GpuNames& gpus) {
  return read_records<JobRow>(split_records(text, "Job Id: ", separator),
                              [&](const Record& record) { return read_job(record, gpus); });
}

Listing<std::string> parse_qselect(std::string_view text) {
  Listing<std::string> ids;
  for (std::size_t row = 1; !text.empty(); ++row) {
    if (!text.contains('\n')) ids.complete = false;  // it was cut here
    const auto id = batch::cut(text, '\n');
    if (ids.complete && is_job_id(id)) {
      ids.rows.emplace_back(id);
    } else {
      ids.dropped.push_back({row, "\"" + std::string(id.substr(0, 64)) + "\" is no job id"});
    }
  }
  return ids;
}

domain::UsageRecord to_usage(const JobRow& row, const SiteId& site) {
  std::int64_t cores = 0;
  std::int64_t gpus = 0;
  for (const auto& part : row.granted) {
    cores += part.cores;
    gpus += part.gpus;
  }
  const auto seconds = row.elapsed.count();
  domain::UsageRecord record;
  record.site = site;
  record.cluster = row.server;
  record.site_job_id = SiteJobId(row.id);
  record.tag = Tag(row.name);
  record.account = LocalAccount(row.user);
  record.scheduler_account = row.account;
  record.queue = row.queue;
  record.submitted_at = row.submitted_at;
  record.started_at = row.started_at;
  record.ended_at = row.ended_at.value_or(row.submitted_at);
  record.site_state = row.state;
  if (row.exit) record.exit_code = static_cast<std::int32_t>(*row.exit);
  record.elapsed = row.elapsed;
  record.nodes = to_int32(static_cast<std::int64_t>(row.granted.size()));
  record.cores = to_int32(cores);
  record.gpus = to_int32(gpus);
  record.core_seconds = CoreSeconds{seconds * record.cores};
  record.gpu_seconds = GpuSeconds{seconds * record.gpus};
  record.node_seconds = NodeSeconds{seconds * record.nodes};
  record.source_line = row.line;
  record.array_id = SiteJobId(row.array_id);
  return record;
}

}  // namespace hansa::connectors::pbs
