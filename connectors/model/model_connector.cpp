// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/model_connector.hpp"

#include "broker/ports/task_statuses.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace hansa::connectors::model {

using async::Deadline;
using async::Task;
using domain::CancelOutcome;
using domain::Outcome;

namespace {

constexpr std::size_t kUsagePageRecords = 1000;
constexpr Milliseconds kTakenAgainAfter{5'000};  // sbatch to a controller that has MaxJobCount jobs

std::unexpected<Error> too_late() {
  return fail(ErrorKind::deadline_exceeded, "DEADLINE_EXCEEDED", "the site did not answer in time");
}

std::unexpected<Error> no_scheduler() {
  return fail(ErrorKind::unavailable, "SITE_DOWN", "the site's scheduler does not answer");
}

std::unexpected<Error> unknown_submit(std::string why) {
  return fail(ErrorKind::unknown_outcome, "SUBMIT_UNKNOWN", "the site may have taken the job: " + why);
}

std::optional<std::int32_t> if_not_zero(std::int32_t value) { return value == 0 ? std::nullopt : std::optional(value); }

bool ran_nothing(const domain::Reason& reason) {
  return reason.code == "DUPLICATE" || reason.code == "SITE_REQUEUED" || reason.code == "FENCE_FAILED";
}

/// Another account's job of that id and name is not the one that is meant, nor is a task of an array of that id.
const ClusterJob* ours(const Cluster& cluster, const ports::SiteJob& asked) {
  const auto* job = cluster.job(asked.id, asked.tag.str());
  return job != nullptr && job->id == asked.id && job->request.account == asked.account ? job : nullptr;
}

/// The task of an array whose output is asked for, or the job.
const ClusterJob* one_of(const Cluster& cluster, const ports::SiteJob& asked) {
  if (asked.tasks.empty()) return ours(cluster, asked);
  auto task = asked;
  task.id = SiteJobId(asked.id.str() + '_' + std::to_string(asked.tasks.front()));
  return ours(cluster, task);
}

/// What lies at a path of its working folder, whole.
ports::FileChunk file_at(const ClusterJob* job, const std::string& path) {
  using enum ports::FileState;
  ports::FileChunk chunk;
  if (job == nullptr || job->payload_starts == 0) return chunk;
  const auto& leaves = job->request.behaviour.leaves;
  for (auto end = path.find('/');; end = path.find('/', end + 1)) {
    const auto at = leaves.find(path.substr(0, end));
    if (at != leaves.end() && at->second.kind == Behaviour::Left::Kind::link)
      return {.bytes = {}, .facts = {.state = link, .version = {}}};
    if (end == std::string::npos) break;
    if (at != leaves.end() && at->second.kind == Behaviour::Left::Kind::file) return chunk;
  }
  const auto at = leaves.find(path);
  const auto beneath = leaves.lower_bound(path + '/');
  const bool holds = beneath != leaves.end() && beneath->first.starts_with(path + '/');
  if (at == leaves.end() ? holds : at->second.kind == Behaviour::Left::Kind::folder) {
    chunk.facts.state = folder;
  } else if (at != leaves.end()) {
    chunk.bytes = at->second.text;
    chunk.facts = {.state = file, .size = chunk.bytes.size(), .version = std::to_string(job->payload_starts)};
  }
  return chunk;
}

/// Sites tell times in whole seconds.
UtcTime whole(UtcTime t) { return UtcTime{std::chrono::floor<Seconds>(t)}; }

domain::UsageRecord usage_record(const SiteId& site, const Cluster& cluster, const AccountingLine& line) {
  const auto& job = cluster.job_of(line);
  const auto& run = line.run;
  domain::UsageRecord record{.site = site,
                             .cluster = cluster.options().name,
                             .site_job_id = job.id,
                             .tag = Tag(job.request.name),
                             .account = job.request.account,
                             .scheduler_account = job.request.scheduler_account,
                             .queue = job.request.queue,
                             .submitted_at = whole(cluster.told(job.submitted_at)),
                             .ended_at = whole(cluster.told(run.ended_at)),
                             .site_state = run.site_state,
                             .exit_code = run.exit_code,
                             .source_line = {},
                             .array_id = job.array_id};
  if (run.started_at) {
    record.started_at = whole(cluster.told(*run.started_at));
    record.elapsed = std::chrono::floor<Seconds>(whole(run.ended_at) - whole(*run.started_at));
  }
  if (run.started_at || run.number > 0) {  // what waits to run again keeps its last allocation in the books
    record.nodes = job.request.resources.nodes;
    record.cores = run.cores;
    record.gpus = run.gpus;
    record.core_seconds = {record.elapsed.count() * record.cores};
    record.gpu_seconds = {record.elapsed.count() * record.gpus};
    record.node_seconds = {record.elapsed.count() * record.nodes};
  }
  record.source_line = job.id.str() + "|" + job.request.name + "|" + job.request.account.str() + "|" + run.site_state + "|" +
                       std::to_string(record.elapsed.count()) + "|" + std::to_string(record.cores);
  return record;
}

}  // namespace

ModelSite::ModelSite(const Clock& clock, ClusterOptions options, Milliseconds skew)
    : clock_(clock), origin_(clock.now_monotonic()), start_(clock.now_utc() + skew), cluster_(std::move(options), start_) {}

Cluster& ModelSite::cluster() {
  cluster_.advance_to(start_ + (clock_.now_monotonic() - origin_));
  return cluster_;
}

std::vector<domain::UsageRecord> ModelSite::usage_records(const SiteId& site) {
  std::vector<domain::UsageRecord> records;
  for (const auto& line : cluster().accounting()) records.push_back(usage_record(site, cluster_, line));
  return records;
}

// ---- the way there and back

boost::asio::awaitable<bool> ModelConnector::pass(Milliseconds time, Deadline deadline) {
  if (time.count() == 0) co_return true;
  const auto until = scheduler_.now_monotonic() + time;
  co_await scheduler_.sleep_until(std::min(until, deadline.at));
  co_return scheduler_.now_monotonic() >= until;
}

Task<void> ModelConnector::reach(Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  const auto& faults = model_->faults;
  if (faults.down) co_return fail(ErrorKind::unavailable, "SITE_DOWN", "the site refuses the connection");
  if (faults.over_budget) co_return fail(ErrorKind::rate_limited, "OVER_BUDGET", "the load budget of the site is used up");
  if (faults.silent) {
    co_await scheduler_.sleep_until(deadline.at);
    co_return too_late();
  }
  if (!co_await pass(faults.latency / 2, deadline)) co_return too_late();
  co_return Result<void>{};
}

Task<void> ModelConnector::come_back(Deadline deadline) {
  if (model_->faults.mute) {
    co_await scheduler_.sleep_until(deadline.at);
    co_return too_late();
  }
  if (!co_await pass(model_->faults.latency - model_->faults.latency / 2, deadline)) co_return too_late();
  if (model_->faults.garbage) {
    co_return fail(ErrorKind::internal, "SITE_GARBAGE", "the site's answer was not understood", "<html>502 Bad Gateway</html>");
  }
  co_return Result<void>{};
}

// ---- the calls

Task<domain::SiteSnapshot> ModelConnector::snapshot(Deadline deadline) {
  ++model_->calls.snapshot;
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  if (model_->faults.queue_off) co_return no_scheduler();
  domain::SiteSnapshot snapshot{.taken_at = scheduler_.now_utc()};
  model_->cluster().describe(snapshot);
  snapshot.scheduler = model_->version;
  snapshot.site_rules = model_->site_rules;
  snapshot.quiet_until = model_->quiet_until;
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  co_return snapshot;
}

Task<domain::DoctorReport> ModelConnector::doctor(ports::DoctorRequest request, Deadline deadline) {
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  if (model_->faults.no_doctor) co_return no_scheduler();
  auto report = co_await SiteConnector::doctor(std::move(request), deadline);
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  if (report) {
    report->questions = model_->faults.questions;
    for (auto found : model_->faults.findings) {
      found.at = scheduler_.now_utc();
      report->findings.push_back(std::move(found));
    }
  }
  co_return report;
}

Task<ports::SubmitReceipt> ModelConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  ++model_->calls.submit;
  const auto refused = [](const std::string& words) {
    return fail(ErrorKind::unknown_outcome, "SITE_REFUSED", "the site refused the job: " + words);
  };
  if (deadline.passed(scheduler_)) co_return too_late();  // for certain, nothing has left
  auto behaviour = parse_behaviour(request.payload.script);
  if (!behaviour) co_return refused(behaviour.error().message);
  ClusterRequest asked{.name = request.tag.str(),
                       .account = request.account,
                       .scheduler_account = request.scheduler_account,
                       .queue = request.queue,
                       .resources = request.spec.resources,
                       .time_limit = request.spec.time_limit,
                       .requeue = request.spec.requeue,
                       .singleton = true,
                       .fenced = true,
                       .behaviour = std::move(*behaviour),
                       .array = request.spec.array};

  if (auto there = co_await reach(deadline); !there) {
    if (ports::surely_not_sent(there.error())) co_return std::unexpected(std::move(there.error()));
    co_return unknown_submit("it did not answer in time");
  }
  auto& faults = model_->faults;
  if (faults.veto) {
    if (auto refusal = faults.veto(request)) co_return std::unexpected(std::move(*refusal));
  }
  if (faults.queue_off) {
    co_return fail(ErrorKind::unknown_outcome, "SITE_SILENT", "the site's scheduler does not answer: it may have taken the job");
  }
  for (const auto& [file, value] : request.secrets) model_->secrets[request.tag][file] = value.reveal();
  if (faults.refuse) co_return refused(*faults.refuse);

  while (faults.max_jobs && model_->cluster().alive_jobs() >= *faults.max_jobs) {
    if (!co_await pass(kTakenAgainAfter, deadline)) co_return unknown_submit("it was told to wait, and did not answer in time");
  }
  if (faults.submit_delay.count() > 0) {  // the client's command waits in the scheduler's queue, and may be dead by then
    const auto delay = faults.submit_delay;
    if (scheduler_.now_monotonic() + delay >= deadline.at) {
      auto& cluster = model_->cluster();
      cluster.submit_later(cluster.now() + delay, std::move(asked));
      co_await scheduler_.sleep_until(deadline.at);
      co_return unknown_submit("it did not answer in time");
    }
    if (!co_await pass(delay, deadline)) co_return unknown_submit("the call was given up");
  }
  auto id = model_->cluster().submit(std::move(asked));
  if (!id) {
    if (id.error().kind == ErrorKind::permission_denied) co_return std::unexpected(std::move(id.error()));
    co_return refused(id.error().message);
  }
  if (faults.lose_submit_replies > 0) {
    --faults.lose_submit_replies;
    co_return unknown_submit("the connection was lost");
  }
  if (!co_await come_back(deadline)) co_return unknown_submit("its answer was lost or not understood");
  co_return ports::SubmitReceipt{.site_job_id = std::move(*id)};
}

Task<> ModelConnector::remove_secrets(ports::SiteJob job, std::vector<std::string>, Deadline deadline) {
  if (auto there = co_await reach(deadline); !there) co_return there;
  model_->secrets.erase(job.tag);
  co_return co_await come_back(deadline);
}

ports::JobStatus ModelConnector::status_of(const ClusterJob& job) const {
  const auto& cluster = model_->cluster();
  ports::JobStatus status{.id = job.id, .run = job.run, .site_state = {}, .pending_reason = {}, .reason = {}};
  const auto& asked = job.request;
  const bool listed = cluster.is_listed(job) && !model_->faults.queue_off;
  const bool history = !model_->faults.history_off && !model_->faults.history_empty;
  if (job.forgotten || (!listed && (!history || !cluster.is_recorded(job)))) return status;
  const auto whole_told = [&](const std::optional<UtcTime>& t) { return t ? std::optional(whole(cluster.told(*t))) : t; };

  // The queue tells what is; the history what was `accounting_lag` ago.
  const auto known = [&](const std::optional<UtcTime>& event) { return event && (listed || cluster.recorded_by_now(*event)); };
  if (!listed && !known(job.ended_at)) return status;  // the accounting alone calls it alive: that proves nothing
  const bool runs = !job.shares.empty();
  status.granted = domain::Grant{.nodes = asked.resources.nodes,
                                 .tasks = asked.resources.tasks,
                                 .cores = runs ? job.cores : asked.resources.tasks * asked.resources.cpus_per_task,
                                 .gpus = runs ? job.gpus : asked.resources.gpus_per_node * asked.resources.nodes,
                                 .memory = {asked.resources.memory_per_node.value * asked.resources.nodes},
                                 .time_limit = asked.time_limit,
                                 .queue = asked.queue,
                                 .account = asked.scheduler_account,
                                 .exclusive = asked.resources.exclusive};
  if (!known(job.started_at) && !known(job.ended_at)) {
    status.phase = ports::Phase::queued;
    status.site_state = "PENDING";
    status.pending_reason = job.pending_reason;
    return status;
  }
  status.started_at = whole_told(job.started_at);
  if (!known(job.ended_at)) {
    status.phase = ports::Phase::running;
    status.site_state = "RUNNING";
    return status;
  }
  if (job.state == ClusterState::completing && listed) {
    status.phase = ports::Phase::finishing;
    status.site_state = "COMPLETING";
    return status;
  }
  status.phase = ports::Phase::ended;
  status.site_state = job.site_state;
  status.ended_at = whole_told(job.ended_at);
  status.outcome = job.outcome;
  status.reason = job.reason;
  if (job.started_at) {
    // Whoever was cut off has no exit code of its own; a start that ran nothing has none either.
    const bool own = job.outcome == Outcome::succeeded || (job.outcome == Outcome::failed && job.signal == 0);
    if (own && !ran_nothing(job.reason)) status.exit_code = job.exit_code;
    status.signal = if_not_zero(job.signal);
  }
  return status;
}

ports::JobStatus ModelConnector::status_of_array(const ports::SiteJob& asked) const {
  ports::JobStatus array;
  array.id = asked.id;
  for (const auto* job : model_->cluster().tasks_of(asked.id, asked.tag.str())) {
    if (job->request.account != asked.account || !std::ranges::binary_search(asked.tasks, job->task)) continue;
    auto status = status_of(*job);
    if (status.phase == ports::Phase::not_seen) continue;
    status.task_index = job->task;
    array.tasks.push_back(std::move(status));
  }
  ports::sum_up(array, asked.tasks.size());
  return array;
}

Task<ports::FindResult> ModelConnector::find(std::vector<ports::SiteJob> wanted, Deadline deadline) {
  ++model_->calls.find;
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  const auto& cluster = model_->cluster();
  const bool queue = !model_->faults.queue_off;
  const bool history = !model_->faults.history_off;
  ports::FindResult result{.sightings = {}, .queue_seen = queue, .history_seen = history};
  std::set<std::string> names;
  for (const auto& job : wanted) names.insert(job.tag.str());
  for (const auto& name : names) {
    std::set<std::int64_t> serials;
    if (queue) {
      for (const auto* job : cluster.listed(name)) serials.insert(job->serial);
    }
    if (history && !model_->faults.history_empty) {
      for (const auto* job : cluster.recorded(name)) serials.insert(job->serial);
    }
    std::set<SiteJobId> arrays;
    for (const auto serial : serials) {
      const auto& job = cluster.jobs()[static_cast<std::size_t>(serial - 1)];
      if (!job.array_id.empty()) {
        if (!arrays.insert(job.array_id).second) continue;
        auto asked = *std::ranges::find(wanted, Tag(name), &ports::SiteJob::tag);
        asked.id = job.array_id;
        asked.account = job.request.account;
        result.sightings.push_back({.tag = Tag(name),
                                    .cluster = cluster.options().name,
                                    .account = job.request.account,
                                    .submitted_at = whole(cluster.told(job.submitted_at)),
                                    .status = status_of_array(asked)});
        continue;
      }
      result.sightings.push_back({.tag = Tag(name),
                                  .cluster = cluster.options().name,
                                  .account = job.request.account,
                                  .submitted_at = whole(cluster.told(job.submitted_at)),
                                  .status = status_of(job)});
    }
  }
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  co_return result;
}

Task<std::vector<ports::JobStatus>> ModelConnector::status(std::vector<ports::SiteJob> jobs, Deadline deadline) {
  ++model_->calls.status;
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  if (model_->faults.queue_off) co_return no_scheduler();
  const auto& cluster = model_->cluster();
  std::vector<ports::JobStatus> answers;
  answers.reserve(jobs.size());
  for (const auto& asked : jobs) {
    const auto* job = ours(cluster, asked);
    if (!asked.tasks.empty()) {
      answers.push_back(status_of_array(asked));
    } else if (job == nullptr) {
      answers.push_back({.id = asked.id, .site_state = {}, .pending_reason = {}, .reason = {}});
    } else {
      answers.push_back(status_of(*job));
    }
  }
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  co_return answers;
}

Task<CancelOutcome> ModelConnector::cancel(ports::SiteJob job, ports::CancelWhen when, Deadline deadline) {
  ++model_->calls.cancel;
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  if (model_->faults.queue_off) co_return no_scheduler();
  auto& cluster = model_->cluster();
  const bool only_pending = when == ports::CancelWhen::only_while_pending;
  const auto killed = one_of(cluster, job) == nullptr ? Killed::no_such_job
                      : job.tasks.empty()             ? cluster.cancel(job.id, job.tag.str(), only_pending)
                                                      : cluster.cancel_array(job.id, job.tag.str(), only_pending,
                                                                 job.these_tasks_only ? &job.tasks : nullptr);
  if (!co_await come_back(deadline)) co_return CancelOutcome::unknown;  // it may have worked
  switch (killed) {
    case Killed::never_started: co_return CancelOutcome::never_started;
    case Killed::stopped: co_return CancelOutcome::stopped;
    case Killed::already_ended: co_return CancelOutcome::already_ended;
    case Killed::not_pending:  // nothing was cancelled: its status tells the rest
    case Killed::no_such_job: break;
  }
  co_return CancelOutcome::unknown;
}

Task<ports::SealOutcome> ModelConnector::seal(ports::Fence fence, Deadline deadline) {
  ++model_->calls.seal;
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  ports::SealOutcome outcome;
  auto& cluster = model_->cluster();
  outcome.sealed = fence.whole_array ? cluster.seal_array(fence.account, fence.tag.str(), outcome.holder)
                                     : cluster.seal(fence.account, fence.tag.str(), fence.task_index, outcome.holder);
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  co_return outcome;
}

Task<ports::UsagePage> ModelConnector::usage(ports::UsageCursor from, Deadline deadline) {
  ++model_->calls.usage;
  std::size_t next = 0;  // the number of accounting lines read so far
  const auto* end = from.text.data() + from.text.size();
  if (const auto [stop, error] = std::from_chars(from.text.data(), end, next);
      !from.text.empty() && (error != std::errc{} || stop != end)) {
    co_return fail(ErrorKind::invalid_argument, "BAD_CURSOR", "'" + from.text + "' is no usage cursor of a model site");
  }
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  if (model_->faults.history_off) co_return fail(ErrorKind::unavailable, "NO_HISTORY", "the site's accounting does not answer");
  const auto& cluster = model_->cluster();
  const auto& lines = cluster.accounting();
  ports::UsagePage page;
  for (; !model_->faults.history_empty && next < lines.size() && cluster.recorded_by_now(lines[next].run.ended_at); ++next) {
    if (page.records.size() == kUsagePageRecords) {
      page.complete = false;
      break;
    }
    const auto& job = cluster.job_of(lines[next]);
    if (job.purged || !domain::parse_tag(job.request.name)) continue;
    page.records.push_back(usage_record(site_, cluster, lines[next]));
  }
  page.next.text = std::to_string(next);
  if (const auto fault = model_->faults.history_end; page.complete && fault != Faults::End::there) {
    page.complete = false;
    page.next.text = fault == Faults::End::stuck ? from.text : std::to_string(next + 1);
  }
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  co_return page;
}

Task<ports::OutputChunk> ModelConnector::read_output(ports::SiteJob asked, ports::Stream stream, std::uint64_t offset,
                                                     std::size_t limit, Deadline deadline) {
  ++model_->calls.read_output;
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  const auto* job = one_of(model_->cluster(), asked);
  ports::OutputChunk chunk{.bytes = {}, .next_offset = offset, .exists = job != nullptr && job->payload_starts > 0};
  if (chunk.exists) {
    const auto& text = stream == ports::Stream::out ? job->request.behaviour.out : job->request.behaviour.err;
    if (offset < text.size()) chunk.bytes = text.substr(static_cast<std::size_t>(offset), limit);
    chunk.next_offset = offset + chunk.bytes.size();
  }
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  co_return chunk;
}

Task<std::vector<ports::FileFacts>> ModelConnector::look_at(ports::SiteJob asked, std::vector<std::string> paths,
                                                            Deadline deadline) {
  ++model_->calls.look_at;
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  std::vector<ports::FileFacts> facts;
  for (const auto& path : paths) facts.push_back(file_at(ours(model_->cluster(), asked), path).facts);
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  co_return facts;
}

Task<ports::FileChunk> ModelConnector::read_file(ports::SiteJob asked, std::string path, std::uint64_t offset, std::size_t limit,
                                                 Deadline deadline) {
  ++model_->calls.read_file;
  if (auto there = co_await reach(deadline); !there) co_return std::unexpected(std::move(there.error()));
  auto chunk = file_at(ours(model_->cluster(), asked), path);
  chunk.bytes = offset < chunk.bytes.size() ? chunk.bytes.substr(static_cast<std::size_t>(offset), limit) : std::string();
  if (auto back = co_await come_back(deadline); !back) co_return std::unexpected(std::move(back.error()));
  co_return chunk;
}

}  // namespace hansa::connectors::model
