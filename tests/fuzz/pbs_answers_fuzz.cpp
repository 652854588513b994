// SPDX-License-Identifier: Apache-2.0
// Any bytes are an answer of qstat, qselect, pbsnodes or qsub. What is made of them can be told on: integers in range, no row
// from nothing, and no record that another one forged.

#include "broker/core/encoding.hpp"
#include "connectors/batch/answers.hpp"
#include "connectors/pbs/access.hpp"
#include "connectors/pbs/accounting.hpp"
#include "connectors/pbs/job_state.hpp"
#include "connectors/pbs/snapshot.hpp"
#include "connectors/pbs/submission.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::connectors;
using namespace hansa::connectors::pbs;

namespace {

constexpr std::string_view kSeparator = "|";  // short, so that records are found; the parsers do not care
const GpuNames kGpus{.count = "ngpus", .model = "gpu_model"};

void check_chunks(const std::vector<Chunk>& chunks) {
  for (const auto& chunk : chunks) require(chunk.copies >= 0 && chunk.cores >= 0 && chunk.gpus >= 0 && chunk.memory.value >= 0);
}

void check_jobs(const Listing<JobRow>& jobs) {
  for (const auto& row : jobs.rows) {
    require(is_job_id(row.id) && !row.name.empty() && !row.user.empty() && row.state.size() == 1);
    require(row.elapsed.count() >= 0 && row.starts >= 0);
    check_chunks(row.asked);
    check_chunks(row.granted);
    const auto status = to_status(row);
    require((status.phase == ports::Phase::ended) == status.outcome.has_value());
    require(status.run >= 0 && is_utf8(status.pending_reason) && is_utf8(status.reason.message));
    const auto usage = to_usage(row, SiteId("s"));
    require(usage.core_seconds.value >= 0 && usage.gpu_seconds.value >= 0 && usage.node_seconds.value >= 0 && usage.cores >= 0);
  }
}

void check_snapshot(const SiteRecords& site) {
  const auto snapshot = build_snapshot(site, from_unix_seconds(1'800'000'000));
  for (const auto& queue : snapshot.queues) {
    for (const auto node : queue.nodes) require(node < snapshot.nodes.size());
    require(!queue.max_time || queue.max_time->count() >= 0);
  }
  for (const auto& node : snapshot.nodes) require(node.cores > 0 && node.gpus >= 0 && node.memory.value >= 0);
  for (const auto& work : snapshot.running) {
    for (const auto& share : work.shares) {
      require(share.node < snapshot.nodes.size() && share.cores >= 0 && share.cores <= snapshot.nodes[share.node].cores);
      require(share.gpus >= 0 && share.memory.value >= 0);
    }
  }
  for (const auto& work : snapshot.waiting) require(work.resources.nodes >= 1 && work.resources.tasks >= work.resources.nodes);
}

void check_runs(const Listing<JobRow>& jobs, const Listing<JobRow>& reruns) {
  for (const auto& run : reruns.rows) require(run.started_at && run.ended_at && run.starts >= 1 && is_job_id(run.id));
  for (const auto& job : jobs.rows) {
    const auto runs = runs_before(job, reruns.rows);
    require(std::ssize(runs) < std::max<std::int64_t>(1, job.starts));
    for (const auto& run : runs) require(run.id == job.id && run.user == job.user && *run.ended_at >= *run.started_at);
  }
  require(log_files(jobs.rows).size() <= kMostDays);
}

void check_access(const Settings& settings) {
  for (const auto& queue : settings.queues.rows) {
    if (refuses_user(queue.users, "alice")) require(queue.users.enabled);
    static_cast<void>(refusal_of(settings, queue, {.user = "alice", .groups = {{"lab"}}}));
  }
}

void check_endings(const std::string& text) {
  for (const int status : {0, 35, 153, 159, 255}) {
    async::ChildResult result;
    result.exit_status = status;
    result.err = text;
    result.out = text;
    if (const auto receipt = read_qsub_answer(result)) require(status == 0 && is_job_id(receipt->site_job_id.str()));
    const auto all = read_ending("qstat", result);
    require(all || !all.error().message.empty());
    if (!read_change("qdel", result)) require(status != 0);
  }
  require(is_utf8(batch::words_of(text)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  SiteRecords site{.settings = {.server = parse_server(text, kSeparator).value_or(ServerRecord{.hides_jobs = true}),
                                .queues = parse_queues(text, kSeparator)},
                   .nodes = parse_nodes(text, kSeparator, kGpus),
                   .jobs = parse_qstat(text, kSeparator, kGpus)};
  require(site.jobs.rows.size() <= size && site.nodes.rows.size() <= size);
  check_jobs(site.jobs);
  check_snapshot(site);
  check_runs(site.jobs, parse_reruns(text, kGpus));
  check_access(site.settings);
  for (const auto& id : parse_qselect(text).rows) require(is_job_id(id));
  if (const auto chunks = parse_select(text, kGpus)) check_chunks(*chunks);
  if (const auto chunks = parse_exec_vnode(text, kGpus)) check_chunks(*chunks);
  if (const auto size_of = parse_size(text)) require(size_of->value >= 0);
  if (const auto length = parse_length(text)) require(length->count() >= 0);
  static_cast<void>(parse_time(text));
  check_endings(std::string(text));
  return 0;
}
