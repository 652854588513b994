// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/lists.hpp"

#include "connectors/slurm/host_list.hpp"

#include <algorithm>
#include <array>
#include <expected>
#include <tuple>
#include <unordered_map>

namespace hansa::connectors::slurmrest {

namespace {

using slurm::HistoryRow;
using slurm::Listing;
using slurm::QueueRow;
using slurm::Tres;

constexpr std::int64_t kMaxCount = 1'000'000'000;        // of cores, nodes, minutes: no site has more
constexpr std::int64_t kMaxElapsed = 3'153'600'000;      // a century, in seconds

template <class T>
using Read = std::expected<T, std::string>;

std::unexpected<std::string> bad(std::string what) { return std::unexpected("its " + std::move(what) + " is odd"); }

/// Calls `read` for each member of the list `name`, and `drop` with the reason why one is left out.
template <class Use, class Drop>
Result<void> for_each_in(const JsonNode& root, std::string_view name, Use read, Drop drop) {
  const auto* list = root.find(name);
  if (list == nullptr || !list->is_array()) {
    return fail(ErrorKind::internal, "SITE_GARBLED", "slurmrestd's answer has no list \"" + std::string(name) + '"');
  }
  std::size_t row = 0;
  for (const auto& member : list->members()) {
    ++row;
    if (auto done = read(member); !done) drop(slurm::Dropped{row, std::move(done.error())});
  }
  return {};
}

const JsonNode* either(const JsonNode& node, std::string_view older, std::string_view newer) {
  const auto* found = at(node, newer);
  return found != nullptr ? found : at(node, older);
}

/// Up to kMaxCount; none for what is not told, Slurm's own marks for that among it.
Field<std::int64_t> count(const JsonNode* node) {
  constexpr std::int64_t kNoValue = 0xfffffffe, kInfinite = 0xffffffff;  // slurm.h
  const auto value = number(node);
  if (value && (*value == kNoValue || *value == kInfinite)) return std::optional<std::int64_t>{};
  if (!value || value->value_or(0) > kMaxCount) return std::unexpected(Malformed{});
  return value;
}

/// A job's number; of a federation's job the upper bits are its cluster's.
std::optional<std::string> job_id(const JsonNode* node) {
  const auto value = number(node);
  if (!value || value->value_or(0) < 1 || **value > 0xffffffff) return std::nullopt;
  return std::to_string(**value);
}

/// One word of several, as squeue and sacct print it: a flag hides the state beneath.
std::string one_state(const std::vector<std::string>& words, bool of_history) {
  constexpr std::array<std::string_view, 12> kFlags{"COMPLETING",   "CONFIGURING",   "POWER_UP_NODE", "REQUEUE_FED",
                                                    "REQUEUE_HOLD", "SPECIAL_EXIT",  "STOPPED",       "RESIZING",
                                                    "REVOKED",      "RESV_DEL_HOLD", "SIGNALING",     "STAGE_OUT"};
  const auto said = [&](std::string_view word) { return std::ranges::find(words, word) != words.end(); };
  if (of_history && said("REQUEUED")) return "REQUEUED";  // that run; the job's next row follows
  for (const auto flag : kFlags) {
    if (said(flag)) return std::string(flag);
  }
  const auto state = std::ranges::find_if(words, [](const std::string& word) { return word != "REQUEUED"; });
  return state == words.end() ? "" : *state;
}

/// Tasks of an array, "0-2,7,10-20:5%3", or its bitmap in hex ("0x1F", the first task last) as 22.05's accounting keeps it.
struct Tasks {
  std::vector<std::int32_t> indices;  // rising, at most `most`
  bool all = true;                    // false: a list that was cut ("..."), or that is no list
};

Tasks tasks_in(std::string_view list, std::size_t most) {
  Tasks tasks;
  if (list.starts_with("0x")) {
    list.remove_prefix(2);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const char digit = list[list.size() - 1 - i];
      const int bits = digit >= '0' && digit <= '9'   ? digit - '0'
                       : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                       : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                                      : -1;
      if (bits < 0) return {.indices = {}, .all = false};
      for (int bit = 0; bit < 4; ++bit) {
        if ((bits >> bit & 1) == 0) continue;
        if (tasks.indices.size() == most || i > std::size_t{domain::kMaxTaskIndex} / 4) return tasks.all = false, tasks;
        tasks.indices.push_back(static_cast<std::int32_t>(4 * i) + bit);
      }
    }
    return tasks;
  }
  if (list.starts_with('[')) list.remove_prefix(1);
  list = list.substr(0, list.find(']'));
  list = list.substr(0, list.find('%'));
  while (!list.empty()) {
    auto range = batch::cut(list, ',');
    const auto first = slurm::parse_count(batch::cut(range, '-'));
    auto rest = range;
    const auto last = range.empty() ? first : slurm::parse_count(batch::cut(rest, ':'));
    const auto step = rest.empty() ? std::optional<std::int64_t>(1) : slurm::parse_count(rest);
    tasks.all = first && last && step && *step >= 1 && *last <= domain::kMaxTaskIndex;
    if (!tasks.all) break;
    for (auto i = *first; i <= *last && tasks.all; i += *step) {
      tasks.all = tasks.indices.size() < most;
      if (tasks.all) tasks.indices.push_back(static_cast<std::int32_t>(i));
    }
    if (!tasks.all) break;
  }
  std::ranges::sort(tasks.indices);
  const auto repeated = std::ranges::unique(tasks.indices);
  tasks.indices.erase(repeated.begin(), repeated.end());
  return tasks;
}

Read<QueueRow> read_job(const JsonNode& job) {
  QueueRow row;
  const auto id = job_id(job.find("job_id"));
  if (!id) return bad("job_id");
  row.id = *id;
  row.display_id = row.id;
  const auto array = number(job.find("array_job_id")), task = count(job.find("array_task_id"));
  const auto het = number(job.find("het_job_id")), offset = count(job.find("het_job_offset"));
  if (!array || !task || !het || !offset) return bad("array or het job");
  if (array->value_or(0) > 0) {
    if (**array > 0xffffffff || task->value_or(0) > domain::kMaxTaskIndex) return bad("array");
    row.array_id = std::to_string(**array);
    if (*task) {
      row.tasks = {static_cast<std::int32_t>(**task)};
      row.display_id = row.array_id + '_' + std::to_string(**task);
    }
  }
  if (het->value_or(0) > 0) row.display_id = std::to_string(**het) + '+' + std::to_string(offset->value_or(0));

  const auto name = text(job.find("name")), user = text(job.find("user_name")), cluster = text(job.find("cluster"));
  const auto partition = text(job.find("partition")), reason = text(job.find("state_reason")), nodes = text(job.find("nodes"));
  if (!name || !user || !cluster || !partition || !reason || !nodes) return bad("name, user, cluster, partition or nodes");
  row.name = *name;
  row.user = *user;
  row.cluster = *cluster;
  row.queue = QueueName(partition->substr(0, partition->find(',')));
  if (*reason != "None") row.reason = *reason;
  row.nodes = *nodes;
  const auto state = words(job.find("job_state"));
  if (!state) return bad("job_state");
  row.state = one_state(*state, false);
  if (row.state.empty()) return bad("job_state");

  const auto submitted = time(job.find("submit_time")), eligible = time(job.find("eligible_time"));
  const auto starts = time(job.find("start_time")), ends = time(job.find("end_time"));
  if (!submitted || !*submitted || !eligible || !starts || !ends) return bad("submit, eligible, start or end time");
  row.submitted_at = **submitted;
  row.eligible_at = *eligible;
  row.starts_at = *starts;
  row.ends_at = *ends;
  const auto minutes = count(job.find("time_limit")), restarts = count(job.find("restart_cnt"));
  const auto priority = number(job.find("priority"));
  if (!minutes || !restarts || !priority) return bad("time_limit, restart_cnt or priority");
  if (*minutes) row.time_limit = Seconds{**minutes * 60};
  row.restarts = batch::to_int32(restarts->value_or(0));
  row.priority = priority->value_or(1);  // 0 is a held job's alone
  row.exit = exit_code(job.find("exit_code"));
  row.account = text(job.find("account")).value_or("");
  row.tasks_asked = batch::to_int32(count(job.find("tasks")).value_or(std::nullopt).value_or(0));
  // Of who has its nodes alone; of others nothing is said.
  const auto sharing = words(job.find("shared"));
  if (sharing && std::ranges::find(*sharing, "NONE") != sharing->end()) row.exclusive = true;
  const auto granted = text(job.find("tres_alloc_str")), asked = text(job.find("tres_req_str"));
  if (!granted || !asked) return bad("TRES");
  const auto tres = slurm::parse_tres(granted->empty() ? *asked : *granted);
  if (!tres) return bad("TRES");
  row.tres = *tres;
  return row;
}

Read<Tres> read_tres(const JsonNode* list, std::string& line) {
  if (list == nullptr || list->kind == JsonNode::Kind::null) return Tres{};
  if (!list->is_array()) return bad("tres");
  for (const auto& entry : list->members()) {
    const auto type = text(entry.find("type")), name = text(entry.find("name"));
    const auto amount = number(entry.find("count"));
    if (!type || !name || !amount) return bad("tres");
    const bool gpus = *type == "gres" && (*name == "gpu" || name->starts_with("gpu:"));
    const bool energy = *type == "energy" && *amount && **amount > 0 && **amount <= kMaxCount;  // else nobody measures
    if (!*amount || (*type != "cpu" && *type != "node" && *type != "mem" && !gpus && !energy)) continue;
    if (**amount > kMaxCount) return bad("tres");
    if (!line.empty()) line += ',';
    line.append(*type);
    if (gpus) line.append("/").append(*name);
    line.append("=").append(std::to_string(**amount)).append(*type == "mem" ? "M" : "");
  }
  const auto tres = slurm::parse_tres(line);
  if (!tres) return bad("tres");
  return *tres;
}

Read<HistoryRow> read_run(const JsonNode& job) {
  HistoryRow row;
  const auto id = job_id(job.find("job_id"));
  if (!id) return bad("job_id");
  row.id = row.shown_id = *id;
  const auto array = number(at(job, "array/job_id")), task = count(at(job, "array/task_id"));
  const auto together = text(at(job, "array/task"));
  if (!array || !task || !together || array->value_or(0) > 0xffffffff || task->value_or(0) > domain::kMaxTaskIndex)
    return bad("array");
  if (array->value_or(0) > 0 && (*task || !together->empty())) {
    row.of_array = true;
    row.id = std::to_string(**array);
    row.tasks = *task ? std::vector{static_cast<std::int32_t>(**task)} : tasks_in(*together, domain::kMaxTasks).indices;
    row.shown_id = row.id + '_' + (*task ? std::to_string(**task) : '[' + domain::task_ranges(row.tasks) + ']');
  }
  const auto cluster = text(job.find("cluster")), name = text(job.find("name")), user = text(job.find("user"));
  const auto account = text(job.find("account")), partition = text(job.find("partition"));
  if (!cluster || !name || !user || !account || !partition) return bad("cluster, name, user, account or partition");
  row.cluster = *cluster;
  row.name = *name;
  row.user = *user;
  row.account = *account;
  row.queue = QueueName(*partition);
  const auto state = words(at(job, "state/current"));
  if (!state) return bad("state");
  row.state = one_state(*state, true);
  if (row.state.empty()) return bad("state");
  std::string tres_line;
  const auto tres = read_tres(at(job, "tres/allocated"), tres_line);
  if (!tres) return std::unexpected(tres.error());
  row.granted = *tres;
  const auto submitted = time(at(job, "time/submission")), started = time(at(job, "time/start"));
  const auto ended = time(at(job, "time/end"));
  if (!submitted || !*submitted || !started || !ended) return bad("submission, start or end time");
  row.submitted_at = **submitted;
  if (row.granted.nodes > 0) row.started_at = *started;  // else the time it was given up
  row.ended_at = *ended;
  const auto elapsed = number(at(job, "time/elapsed"));
  if (!elapsed || elapsed->value_or(0) > kMaxElapsed) return bad("elapsed time");
  row.elapsed = Seconds{elapsed->value_or(0)};
  row.core_seconds = CoreSeconds{row.elapsed.count() * row.granted.cpus};  // as sacct's CPUTimeRAW
  row.exit = exit_code(job.find("exit_code"));
  if (row.state == "FAILED" && row.exit && row.exit->code == 0 && row.exit->signal == 0) row.exit.reset();

  const auto seconds = [](const std::optional<UtcTime>& at_time) {
    return at_time ? std::to_string(to_unix_ms(*at_time) / 1000) : "Unknown";
  };
  // The fields of sacct's lines, in their order (connectors/slurm/history_listing.cpp).
  const auto exit = row.exit ? std::to_string(row.exit->code) + ':' + std::to_string(row.exit->signal) : "";
  for (const auto& field : {row.shown_id, row.cluster, row.user, row.account, row.queue.str(), seconds(row.submitted_at),
                            seconds(row.started_at), seconds(row.ended_at), std::to_string(row.elapsed.count()), row.state, exit,
                            tres_line, std::to_string(row.core_seconds.value), row.name}) {
    row.line.append(field).append("|");
  }
  row.line.pop_back();
  return row;
}

Read<slurm::NodeRecord> read_node(const JsonNode& node) {
  slurm::NodeRecord record;
  const auto name = text(node.find("name")), gres = text(node.find("gres")), used = text(node.find("tres_used"));
  if (!name || name->empty() || !gres || !used) return bad("name, gres or tres_used");
  record.name = *name;
  const auto cpus = count(either(node, "cpus", "effective_cpus")), memory = count(node.find("real_memory"));
  const auto kept = count(node.find("specialized_memory"));
  const auto allocated = count(node.find("alloc_cpus")), allocated_memory = count(node.find("alloc_memory"));
  if (!cpus || !*cpus || !memory || !*memory || !kept || !allocated || !allocated_memory) return bad("cpus or memory");
  record.cpus = **cpus;
  record.memory = Mebibytes{std::max<std::int64_t>(0, **memory - kept->value_or(0))};
  record.gpus = slurm::parse_node_gpus(*gres);
  record.architecture = text(node.find("architecture")).value_or("");
  record.allocated = slurm::parse_tres(*used).value_or(Tres{});
  record.allocated.cpus = allocated->value_or(0);
  record.allocated.memory = Mebibytes{allocated_memory->value_or(0)};
  const auto states = words(node.find("state")), flags = words(node.find("state_flags"));
  if (!states || states->empty() || !flags) return bad("state");
  for (const auto& word : *states) slurm::note_state(record, word);
  for (const auto& word : *flags) slurm::note_state(record, word);
  return record;
}

Read<slurm::PartitionRecord> read_partition(const JsonNode& node) {
  slurm::PartitionRecord record;
  const auto name = text(node.find("name"));
  if (!name || name->empty()) return bad("name");
  record.name = *name;
  const auto minutes = count(either(node, "max_time_limit", "maximums/time"));
  const auto most = count(either(node, "maximum_nodes_per_job", "maximums/nodes"));
  const auto least = count(either(node, "min nodes per job", "minimums/nodes"));
  const auto tier = count(either(node, "priority_tier", "priority/tier"));
  if (!minutes || !most || !least || !tier) return bad("limits");
  if (*minutes) record.max_time = Seconds{**minutes * 60};
  record.max_nodes = *most;
  record.min_nodes = std::max<std::int64_t>(1, least->value_or(1));
  record.priority_tier = tier->value_or(1);
  const auto state = words(either(node, "state", "partition/state")), flags = words(node.find("flags"));
  if (!state || state->empty() || !flags) return bad("state or flags");
  const auto has = [&](std::string_view flag) { return std::ranges::find(*flags, flag) != flags->end(); };
  record.is_default = has("DEFAULT");
  record.up = state->front() == "UP" && !has("HIDDEN") && !has("ROOT_ONLY") && !has("REQ_RESV");
  const auto* list = node.find("nodes");
  const auto nodes = text(list != nullptr && list->is_object() ? list->find("configured") : list);
  auto hosts = nodes ? slurm::expand_hosts(*nodes) : std::nullopt;
  if (!hosts) return bad("node list");
  record.nodes = std::move(*hosts);
  return record;
}

Read<slurm::ReservationRecord> read_reservation(const JsonNode& node) {
  slurm::ReservationRecord record;
  const auto name = text(node.find("name")), nodes = text(node.find("node_list"));
  const auto start = time(node.find("start_time")), end = time(node.find("end_time"));
  auto hosts = nodes ? slurm::expand_hosts(*nodes) : std::nullopt;
  if (!name || !start || !*start || !end || !*end || !hosts) return bad("name, times or node list");
  record.name = *name;
  record.start = **start;
  record.end = **end;
  record.nodes = std::move(*hosts);
  return record;
}

/// Reads one kind of record into its list, and notes what is left out.
template <class Record>
Result<void> read_into(const JsonNode& root, std::string_view name, Read<Record> (*read)(const JsonNode&),
                       std::vector<Record>& records, std::vector<slurm::Dropped>& dropped) {
  std::size_t hosts = 0;
  return for_each_in(
      root, name,
      [&](const JsonNode& node) -> Read<void> {
        auto record = read(node);
        if (!record) return std::unexpected(std::move(record.error()));
        if constexpr (requires { record->nodes.front().size(); }) {
          if ((hosts += record->nodes.size()) > slurm::kMaxHostsInAll) return std::unexpected(std::string(slurm::kTooManyHosts));
        }
        records.push_back(std::move(*record));
        return {};
      },
      [&](slurm::Dropped why) { dropped.push_back(std::move(why)); });
}

}  // namespace

Result<Listing<QueueRow>> read_queue(const JsonNode& root) {
  Listing<QueueRow> listing;
  const auto add = [&](QueueRow row) {
    if (listing.rows.size() < slurm::kMaxRows) {
      listing.rows.push_back(std::move(row));
    } else {
      listing.complete = false;
    }
  };
  const auto read = [&](const JsonNode& job) -> Read<void> {
    auto row = read_job(job);
    if (!row) return std::unexpected(std::move(row.error()));
    const auto waiting = row->array_id.empty() || !row->tasks.empty() ? "" : text(job.find("array_task_string")).value_or("");
    const auto tasks = tasks_in(waiting, slurm::kMaxRows - std::min(slurm::kMaxRows, listing.rows.size()));
    for (const auto task : tasks.indices) {
      row->display_id = row->array_id + '_' + std::to_string(task);
      row->tasks = {task};
      row->more_tasks = !tasks.all && task == tasks.indices.back();
      add(*row);
    }
    if (tasks.indices.empty()) add(std::move(*row));
    return {};
  };
  auto done = for_each_in(root, "jobs", read, [&](slurm::Dropped why) { listing.dropped.push_back(std::move(why)); });
  if (!done) return std::unexpected(done.error());
  // The order in which Slurm looks at them, as squeue is asked for.
  std::ranges::sort(listing.rows, {}, [](const QueueRow& row) {
    return std::tuple(-row.priority, row.id.size(), std::string_view(row.id), std::string_view(row.display_id));
  });
  return listing;
}

Result<Listing<HistoryRow>> read_history(const JsonNode& root, std::string_view cluster) {
  Listing<HistoryRow> listing;
  auto done = read_into(root, "jobs", read_run, listing.rows, listing.dropped);
  if (!done) return std::unexpected(done.error());
  std::erase_if(listing.rows, [&](const HistoryRow& row) { return !cluster.empty() && row.cluster != cluster; });
  in_order_of_runs(listing);
  return listing;
}

void in_order_of_runs(Listing<HistoryRow>& listing) {
  std::ranges::sort(listing.rows, {},
                    [](const HistoryRow& row) { return std::tie(row.shown_id, row.submitted_at, row.started_at, row.line); });
  std::unordered_map<std::string, std::int32_t> runs;  // id and name -> rows so far
  for (auto& row : listing.rows) row.run = runs[row.shown_id + ' ' + row.name]++;
  slurm::drop_told_tasks(listing.rows);
}

Result<void> read_nodes(const JsonNode& root, slurm::Inventory& inventory) {
  return read_into(root, "nodes", read_node, inventory.nodes, inventory.dropped);
}

Result<void> read_partitions(const JsonNode& root, slurm::Inventory& inventory) {
  return read_into(root, "partitions", read_partition, inventory.partitions, inventory.dropped);
}

Result<void> read_reservations(const JsonNode& root, slurm::Inventory& inventory) {
  return read_into(root, "reservations", read_reservation, inventory.reservations, inventory.dropped);
}

slurm::Configuration read_meta(const JsonNode& root) {
  slurm::Configuration configuration;
  for (const auto* path : {"meta/Slurm", "meta/slurm"}) {
    const auto* slurm = at(root, path);
    if (slurm == nullptr) continue;
    configuration.version = text(slurm->find("release")).value_or("");
    configuration.cluster = text(slurm->find("cluster")).value_or("");
  }
  return configuration;
}

std::vector<std::string> read_clusters(const JsonNode& root) {
  std::vector<std::string> names;
  const auto* clusters = root.find("clusters");
  if (clusters == nullptr || !clusters->is_array()) return names;
  for (const auto& cluster : clusters->members()) {
    if (const auto name = text(cluster.find("name")); name && !name->empty()) names.emplace_back(*name);
  }
  return names;
}

}  // namespace hansa::connectors::slurmrest
