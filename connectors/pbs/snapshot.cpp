// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/snapshot.hpp"

#include "broker/domain/variant.hpp"
#include "connectors/batch/hidden_work.hpp"
#include "connectors/pbs/access.hpp"
#include "connectors/pbs/job_state.hpp"

#include <algorithm>
#include <ranges>
#include <set>
#include <unordered_map>

namespace hansa::connectors::pbs {

namespace {

using batch::to_int32;

constexpr Seconds kYear{31'536'000};  // stands for "no limit" where a length is needed

class Builder {
 public:
  Builder(const SiteRecords& site, UtcTime now) : site_(site), now_(now) { snapshot_.taken_at = now; }

  domain::SiteSnapshot build() {
    snapshot_.cluster = site_.settings.server.name;
    snapshot_.scheduler = "pbs " + site_.settings.server.version;
    // "%N" came with version 20 (qsub(1B) of PBS Pro 19.2 has no max_run_subjobs). How large one may be, its operators say to
    // qsub.
    const auto& version = site_.settings.server.version;
    const auto major = parse_count(std::string_view(version).substr(0, version.find('.')));
    snapshot_.arrays = domain::ArrayLimits{.any_indices = false, .at_most = major && *major >= 20};
    add_nodes();
    for (const auto& queue : site_.settings.queues.rows) {
      if (!is_of_reservation(queue)) snapshot_.queues.push_back(to_queue(queue));
    }
    for (const auto& job : site_.jobs.rows) {
      if (!job.array) add_job(job);
    }
    if (site_.settings.server.hides_jobs) batch::show_hidden_work(snapshot_, allocated_);
    return std::move(snapshot_);
  }

 private:
  void add_nodes() {
    for (const auto& node : site_.nodes.rows) {
      if (node.cores == 0 || !index_.try_emplace(node.name, records_.size()).second) continue;
      snapshot_.nodes.push_back({.name = node.name,
                                 .cores = to_int32(node.cores),
                                 .memory = node.memory,
                                 .gpus = to_int32(node.gpus),
                                 .gpu_model = node.gpu_model,
                                 .usable = node.usable,
                                 .architecture = std::string(domain::architecture_meant_by(node.architecture))});
      allocated_.push_back({.cores = node.full ? node.cores : node.taken.cores,
                            .memory = node.full ? node.memory : node.taken.memory,
                            .gpus = node.full ? node.gpus : node.taken.gpus});
      records_.push_back(&node);
    }
  }

  [[nodiscard]] bool may_use(const QueueRecord& queue, const NodeRecord& node) const {
    if (queue.has_nodes ? node.queue != queue.name : !node.queue.empty()) return false;
    return std::ranges::all_of(queue.wants, [&](const auto& want) {
      const auto offer = std::ranges::find(node.offers, want.first, [](const auto& each) { return each.first; });
      if (offer == node.offers.end()) return false;
      std::string_view values = offer->second;
      while (!values.empty()) {
        if (batch::cut(values, ',') == want.second) return true;
      }
      return false;
    });
  }

  [[nodiscard]] bool takes_us(const QueueRecord& queue) const {
    return site_.only_user.empty() || refusal_of(site_.settings, queue, {.user = site_.only_user, .groups = {}}).empty();
  }

  [[nodiscard]] domain::Queue to_queue(const QueueRecord& record) const {
    domain::Queue queue{
        .name = QueueName(record.name),
        .up = site_.settings.server.scheduling && record.enabled && record.started && !record.from_route_only && takes_us(record),
        .is_default = record.name == site_.settings.server.default_queue,
        .max_time = Seconds{0},
        .max_nodes = {},
        .min_nodes = to_int32(record.min_nodes),
        .priority_tier = 1,
        .nodes = {}};
    std::set<std::uint32_t> nodes;
    std::int64_t max_nodes = 0;
    bool bounded = true;
    for (const auto* runs : destinations_of(site_.settings, record)) {
      if (!runs->started) continue;
      for (std::uint32_t i = 0; i < records_.size(); ++i) {
        if (may_use(*runs, *records_[i])) nodes.insert(i);
      }
      queue.max_time = runs->max_time && queue.max_time ? std::max(queue.max_time, runs->max_time) : std::nullopt;
      bounded = bounded && runs->max_nodes;
      max_nodes = std::max(max_nodes, runs->max_nodes.value_or(0));
      queue.priority_tier = std::max(queue.priority_tier, to_int32(runs->priority));
    }
    if (queue.max_time == Seconds{0}) queue.max_time.reset();  // it leads nowhere
    if (record.max_time) queue.max_time = queue.max_time ? std::min(queue.max_time, record.max_time) : record.max_time;
    if (bounded && max_nodes > 0) queue.max_nodes = to_int32(max_nodes);
    queue.nodes.assign(nodes.begin(), nodes.end());
    return queue;
  }

  void add_job(const JobRow& job) {
    const auto phase = phase_of(job.state);
    if (phase == ports::Phase::queued) add_waiting(job);
    const bool gave_back = job.state == "S" || job.state == "U";  // PBS takes a suspended job's room for others
    if ((phase == ports::Phase::running || phase == ports::Phase::finishing) && !gave_back) add_running(job, phase);
  }

  void add_running(const JobRow& job, ports::Phase phase) {
    domain::RunningWork work{.id = SiteJobId(job.id), .queue = job.queue, .shares = {}, .expected_end = now_};
    for (const auto& part : job.granted) {
      const auto at = index_.find(part.node);
      if (at == index_.end()) continue;
      const auto& node = snapshot_.nodes[at->second];
      const auto& record = *records_[at->second];
      const bool whole =
          record.exclusive || job.place.contains("excl") || (record.exclusive_by_default && !job.place.contains("shared"));
      work.shares.push_back({.node = static_cast<std::uint32_t>(at->second),
                             .cores = whole ? node.cores : std::min(node.cores, to_int32(part.cores)),
                             .memory = whole ? node.memory : std::min(node.memory, part.memory),
                             .gpus = whole ? node.gpus : std::min(node.gpus, to_int32(part.gpus))});
    }
    if (phase == ports::Phase::running) work.expected_end = job.started_at.value_or(now_) + job.time_limit.value_or(kYear);
    snapshot_.running.push_back(std::move(work));
  }

  void add_waiting(const JobRow& job) {
    std::int64_t chunks = 0;
    Chunk all;
    for (const auto& chunk : job.asked) {
      constexpr std::int64_t kMost = 1'000'000'000;
      const auto sum = [&](std::int64_t& into, std::int64_t each) {
        into = std::min(kMost, into + std::min(kMost, each) * std::min<std::int64_t>(chunk.copies, kMost));
      };
      sum(chunks, 1);
      sum(all.cores, std::max<std::int64_t>(1, chunk.cores));
      sum(all.memory.value, chunk.memory.value);
      sum(all.gpus, chunk.gpus);
      if (all.gpu_model.empty()) all.gpu_model = chunk.gpu_model;
    }
    const auto largest = std::max<std::int64_t>(1, largest_node());
    const auto fewest = (all.cores + largest - 1) / largest;
    domain::WaitingWork work;
    work.id = SiteJobId(job.id);
    work.queue = job.queue;
    auto& asked = work.resources;
    asked.nodes = std::max(1, to_int32(job.place.contains("scatter") ? chunks : job.place.contains("pack") ? 1 : fewest));
    asked.tasks = std::max(asked.nodes, to_int32(all.cores));
    asked.memory_per_node = Mebibytes{(all.memory.value + asked.nodes - 1) / asked.nodes};
    asked.gpus_per_node = to_int32((all.gpus + asked.nodes - 1) / asked.nodes);
    asked.gpu_model = all.gpu_model;
    asked.exclusive = job.place.contains("excl");
    work.time_limit = job.time_limit.value_or(kYear);
    work.priority = job.priority;
    // Held, waiting for its time, or for what the site does not have: it stands in nobody's way.
    work.eligible = (job.state == "Q" || job.state == "T") && !job.comment.starts_with("Can Never Run");
    if (job.eligible_at && *job.eligible_at > now_) work.eligible_at = job.eligible_at;
    snapshot_.waiting.push_back(std::move(work));
  }

  [[nodiscard]] std::int64_t largest_node() const {
    std::int64_t cores = 0;
    for (const auto& node : snapshot_.nodes) cores = std::max<std::int64_t>(cores, node.cores);
    return cores;
  }

  const SiteRecords& site_;
  UtcTime now_;
  std::vector<const NodeRecord*> records_;  // as snapshot_.nodes
  std::vector<batch::Allocated> allocated_;
  std::unordered_map<std::string, std::size_t> index_;
  domain::SiteSnapshot snapshot_;
};

}  // namespace

domain::SiteSnapshot build_snapshot(const SiteRecords& site, UtcTime taken_at) { return Builder(site, taken_at).build(); }

}  // namespace hansa::connectors::pbs
