// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/batch_connector.hpp"

#include "broker/ports/task_statuses.hpp"
#include "connectors/batch/wrapped_job.hpp"
#include "connectors/transport/own_account.hpp"

#include <algorithm>
#include <utility>

namespace hansa::connectors::batch {

using domain::CancelOutcome;
using ports::CancelWhen;
using ports::Deadline;
using ports::Phase;
using ports::SiteJob;
using ports::Task;

namespace {

constexpr Milliseconds kFirstPause{250};  // between two looks at a job that is being cancelled
constexpr Milliseconds kLongestPause{4000};

}  // namespace

void check_bin_dir(const std::string& kind, const std::string& bin_dir, std::vector<Fault>& faults) {
  if (!bin_dir.starts_with('/')) faults.push_back({kind + ".bin_dir", "must be an absolute path"});
}

Result<std::string> check_options(const SiteId& site, std::string& work_dir, std::vector<Fault> faults) {
  if (work_dir.starts_with("~/")) {
    work_dir.erase(0, 2);
  } else if (!work_dir.starts_with('/')) {
    faults.push_back({"work_dir", "must begin with \"~/\" or \"/\""});
  }
  while (work_dir.size() > 1 && work_dir.ends_with('/')) work_dir.pop_back();
  auto example = work_dir;
  if (const auto at = example.find("{account}"); at != std::string::npos) example.replace(at, 9, "a");
  if (!transport::is_safe_work_dir(example)) {
    faults.push_back({"work_dir", "may hold letters, digits and ._/@+,- only, and no \"..\""});
  }
  auto own = transport::own_account();
  if (!own) faults.push_back({"run_as", "the account that this broker runs as has no name on this machine"});
  if (faults.empty()) return std::move(own->name);
  return std::unexpected(Error{.kind = ErrorKind::invalid_argument,
                               .code = "SITE_OPTIONS",
                               .message = "site \"" + site.str() + "\": " + faults.front().where + ' ' + faults.front().message,
                               .faults = std::move(faults)});
}

BatchConnector::BatchConnector(SiteId site, std::string work_dir, transport::SiteProfile profile, std::string own_account,
                               transport::Transport& transport, async::Scheduler& scheduler)
    : own_account_(std::move(own_account)),
      transport_(transport),
      scheduler_(scheduler),
      work_dirs_(site, std::move(work_dir), own_account_, transport, scheduler),
      site_(std::move(site)),
      profile_(std::move(profile)) {}

bool BatchConnector::is_ours(const SiteJob& job, std::string_view name, std::string_view user) const {
  return name == job.tag.str() && user == (job.account.empty() ? own_account_ : job.account.str());
}

LocalAccount BatchConnector::account_of(const std::vector<SiteJob>& wanted, std::string_view name,
                                        const std::string& user) const {
  const bool own = user == own_account_ &&
                   std::ranges::any_of(wanted, [&](const SiteJob& job) { return job.account.empty() && job.tag.str() == name; });
  return own ? LocalAccount() : LocalAccount(user);
}

void BatchConnector::put(ports::JobStatus& into, ports::JobStatus told, const std::vector<std::int32_t>& of,
                         const std::vector<std::int32_t>& wanted, SiteJobId (*name)(const SiteJobId& array, std::int32_t task)) {
  if (wanted.empty()) {
    into = std::move(told);
    return;
  }
  into.id = told.id;
  for (const auto task : of) {
    if (!std::ranges::binary_search(wanted, task)) continue;
    auto at = std::ranges::lower_bound(into.tasks, task, {}, &ports::JobStatus::task_index);
    if (at == into.tasks.end() || at->task_index != task) at = into.tasks.insert(at, ports::JobStatus{});
    *at = told;
    at->id = name(told.id, task);
    at->task_index = task;
  }
}

// ---- submission

Task<std::string> BatchConnector::bring(ports::SubmitRequest* request, transport::WrapperSpec site, Deadline deadline) {
  site.work_dir = work_dirs_.path_of(request->account);
  fill(site, *request, site_, profile_, request->account.empty() ? own_account_ : request->account.str());
  auto script = transport::make_wrapper(site);
  if (!script) co_return std::unexpected(script.error());

  if (auto prepared = co_await work_dirs_.prepare(request->account, request->person, request->tag.str(), deadline); !prepared) {
    auto error = prepared.error();  // nothing of the job has left yet
    if (error.kind == ErrorKind::unknown_outcome) error.kind = ErrorKind::unavailable;
    co_return std::unexpected(std::move(error));
  }
  if (!request->code.id.empty()) {  // half of the time is the submission's
    const auto until = deadline.shortened_to(scheduler_, deadline.remaining(scheduler_) / 2);
    auto staged =
        co_await work_dirs_.stage_code(request->account, request->person, request->tag.str(), std::move(request->code), until);
    if (!staged) co_return std::unexpected(staged.error());
  }
  if (!request->secrets.empty()) {
    const auto secrets = std::exchange(request->secrets, {});
    const auto until = deadline.shortened_to(scheduler_, deadline.remaining(scheduler_) / 2);  // as above
    auto brought = co_await work_dirs_.bring_secrets(request->account, request->person, request->tag, &secrets, until);
    if (!brought) co_return std::unexpected(brought.error());
  }
  co_return script;
}

Task<ports::SubmitReceipt> BatchConnector::send(ports::SubmitRequest request, transport::WrapperSpec site,
                                                transport::Command command,
                                                Result<ports::SubmitReceipt> (*read_answer)(const transport::CommandResult&),
                                                Deadline deadline) {
  const auto account = request.account;
  command.tag = request.tag.str();
  auto script = co_await bring(&request, std::move(site), deadline);
  if (!script) co_return std::unexpected(script.error());
  command.input = std::move(*script);
  command.output_limit = std::size_t{64} << 10;
  command.self_limit = std::chrono::floor<Seconds>(deadline.remaining(scheduler_)) - Seconds{1};
  if (command.self_limit < Seconds{1}) {
    co_return fail(ErrorKind::deadline_exceeded, "DEADLINE", "no time left to submit to site \"" + site_.str() + "\"");
  }
  const auto result = co_await transport_.run(std::move(command), deadline);
  if (!result) co_return std::unexpected(result.error());
  auto receipt = read_answer(*result);
  if (!receipt) work_dirs_.forget(account);
  co_return receipt;
}

std::string BatchConnector::quality_for(const ports::SubmitRequest& request) const {
  return transport::quality_for(profile_, request.queue.str(), request.spec.resources.nodes, request.spec.time_limit);
}

// ---- ends

boost::asio::awaitable<ports::JobStatus> BatchConnector::explained(SiteJob job, ports::JobStatus status, Deadline deadline) {
  const auto run = status.run;
  status.run = wrapper_run(run);
  status = co_await work_dirs_.explain_end(std::move(job), std::move(status), deadline);
  status.run = run;
  co_return status;
}

Task<> BatchConnector::explain_tasks(SiteJob job, ports::JobStatus* array, Deadline deadline) {
  for (auto& task : array->tasks) {
    if (task.phase == Phase::ended) task = co_await explained(job, std::move(task), deadline);
  }
  ports::sum_up(*array, job.tasks.size());
  co_return Result<void>{};
}

Task<> BatchConnector::explain_ends(const std::vector<SiteJob>* jobs, std::vector<ports::JobStatus>* statuses,
                                    Deadline deadline) {
  for (std::size_t i = 0; i < jobs->size(); ++i) {
    auto& status = (*statuses)[i];
    if (!(*jobs)[i].tasks.empty())
      co_await explain_tasks((*jobs)[i], &status, deadline);
    else if (status.phase == Phase::ended)
      status = co_await explained((*jobs)[i], std::move(status), deadline);
  }
  co_return Result<void>{};
}

Task<> BatchConnector::explain_ends(const std::vector<SiteJob>* wanted, std::vector<ports::Sighting>* sightings,
                                    Deadline deadline) {
  for (auto& sighting : *sightings) {
    const auto ours = std::ranges::find_if(
        *wanted, [&](const SiteJob& job) { return job.tag == sighting.tag && job.account == sighting.account; });
    if (ours == wanted->end()) continue;
    auto job = *ours;
    job.id = sighting.status.id;
    if (!job.tasks.empty()) {
      co_await explain_tasks(job, &sighting.status, deadline);
      continue;
    }
    if (sighting.status.phase != Phase::ended) continue;
    sighting.status = co_await explained(std::move(job), std::move(sighting.status), deadline);
  }
  co_return Result<void>{};
}

// ---- cancel

std::optional<CancelOutcome> BatchConnector::outcome_of(const ports::JobStatus& status) {
  if (status.phase != Phase::ended) return std::nullopt;
  if (status.outcome == domain::Outcome::never_started) return CancelOutcome::never_started;
  if (status.outcome != domain::Outcome::cancelled) return CancelOutcome::already_ended;
  // Cancelled between two runs it had started, too.
  return status.started_at || status.run > 0 ? CancelOutcome::stopped : CancelOutcome::never_started;
}

Task<bool> BatchConnector::hold_while_pending(SiteJob job, Deadline deadline) {
  if (const auto held = co_await hold(job, deadline); !held) co_return std::unexpected(held.error());
  const auto waits = co_await waits_held(job, deadline);
  if (waits && *waits) co_return true;
  // Also when it could not be read back: a hold left behind would keep the job waiting for ever.
  const auto released = co_await release(job, deadline);
  if (!waits) co_return std::unexpected(waits.error());
  if (!released) co_return std::unexpected(released.error());
  co_return false;
}

Task<CancelOutcome> BatchConnector::cancel(SiteJob job, CancelWhen when, Deadline deadline) {
  if (!is_job_id(job.id.str())) {
    co_return fail(ErrorKind::invalid_argument, "SITE_JOB_ID", "\"" + job.id.str() + "\" is not the id of a job of this site");
  }
  if (job.these_tasks_only) co_return co_await cancel_tasks(std::move(job), deadline);
  if (when == CancelWhen::only_while_pending) {
    const auto before = co_await outcome_so_far(job, deadline);
    if (!before) co_return std::unexpected(before.error());
    if (*before) co_return **before;
    const auto now = co_await status({job}, deadline);
    if (!now) co_return std::unexpected(now.error());
    if (now->front().phase != Phase::queued) co_return CancelOutcome::unknown;
    const auto held = co_await hold_while_pending(job, deadline);
    if (!held) co_return std::unexpected(held.error());
    if (!*held) co_return CancelOutcome::unknown;
  }
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    // Again now and then: a scheduler may answer "try again later".
    if (pause == kFirstPause || pause == kLongestPause) {
      const auto asked = co_await end_job(job, deadline);
      if (!asked) co_return std::unexpected(asked.error());
    }
    const auto outcome = co_await outcome_so_far(job, deadline);
    if (!outcome) co_return std::unexpected(outcome.error());
    if (*outcome) co_return **outcome;
    const auto next = scheduler_.now_monotonic() + pause;
    if (next >= deadline.at) co_return CancelOutcome::unknown;
    co_await scheduler_.sleep_until(next);
  }
}

Task<CancelOutcome> BatchConnector::cancel_tasks(SiteJob job, Deadline deadline) {
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    auto seen = co_await status({job}, deadline);
    if (!seen) co_return std::unexpected(seen.error());
    auto& told = seen->front();
    auto open = job;
    open.tasks.clear();
    for (const auto& task : told.tasks) {
      if (task.phase != Phase::ended) open.tasks.push_back(task.task_index);
    }
    if (open.tasks.empty()) {
      ports::sum_up(told, told.tasks.size());
      co_return outcome_of(told).value_or(CancelOutcome::unknown);
    }
    if (pause == kFirstPause || pause == kLongestPause) {
      const auto asked = co_await end_job(open, deadline);
      if (!asked) co_return std::unexpected(asked.error());
    }
    const auto next = scheduler_.now_monotonic() + pause;
    if (next >= deadline.at) co_return CancelOutcome::unknown;
    co_await scheduler_.sleep_until(next);
  }
}

// ---- the account's folders

Task<ports::SealOutcome> BatchConnector::seal(ports::Fence fence, Deadline deadline) {
  return work_dirs_.seal(std::move(fence), deadline);
}

Task<ports::OutputChunk> BatchConnector::read_output(SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                                     Deadline deadline) {
  return work_dirs_.read_output(std::move(job), stream, offset, limit, deadline);
}

Task<std::vector<ports::FileFacts>> BatchConnector::look_at(SiteJob job, std::vector<std::string> paths, Deadline deadline) {
  return work_dirs_.look_at(std::move(job), std::move(paths), deadline);
}

Task<ports::FileChunk> BatchConnector::read_file(SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                                 Deadline deadline) {
  return work_dirs_.read_file(std::move(job), std::move(path), offset, limit, deadline);
}

}  // namespace hansa::connectors::batch
