// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/slurm_connector.hpp"

#include "broker/domain/code_archive.hpp"
#include "connectors/slurm/job_state.hpp"
#include "connectors/slurm/snapshot.hpp"
#include "connectors/slurm/submission.hpp"
#include "connectors/slurm/usage_window.hpp"
#include "connectors/transport/own_account.hpp"
#include "connectors/transport/wrapper.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace hansa::connectors::slurm {

namespace {

using domain::CancelOutcome;
using ports::CancelWhen;
using ports::Deadline;
using ports::JobStatus;
using ports::Phase;
using ports::SiteJob;
using ports::Task;

// What is asked for by id needs no beginning: ids are an index of slurmdbd's, and its MaxQueryTimeRange does not count there.
// What is asked for by name does; a site's clock may be that far behind without its jobs being overlooked.
constexpr UtcTime kEver = std::chrono::sys_days{std::chrono::year{2000} / 1 / 1};
constexpr Seconds kLookBack{86'400};
constexpr Milliseconds kFirstPause{250};    // between two looks at a job that is being cancelled
constexpr Milliseconds kLongestPause{4000};

}  // namespace

Result<std::unique_ptr<SlurmConnector>> SlurmConnector::make(Options options, transport::Transport& transport,
                                                             async::Scheduler& scheduler, Random& random) {
  std::vector<Fault> faults;
  if (!options.bin_dir.starts_with('/')) faults.push_back({"slurm.bin_dir", "must be an absolute path"});
  if (!options.slurm_conf.empty() && !options.slurm_conf.starts_with('/')) {
    faults.push_back({"slurm.conf", "must be an absolute path"});
  }
  if (options.work_dir.starts_with("~/")) {
    options.work_dir.erase(0, 2);
  } else if (!options.work_dir.starts_with('/')) {
    faults.push_back({"work_dir", "must begin with \"~/\" or \"/\""});
  }
  while (options.work_dir.size() > 1 && options.work_dir.ends_with('/')) options.work_dir.pop_back();
  auto example = options.work_dir;
  if (const auto at = example.find("{account}"); at != std::string::npos) example.replace(at, 9, "a");
  if (!transport::is_safe_work_dir(example)) {
    faults.push_back({"work_dir", "may hold letters, digits and ._/@+,- only, and no \"..\""});
  }
  const auto own = transport::own_account();
  if (!own) faults.push_back({"run_as", "the account that this broker runs as has no name on this machine"});
  if (!faults.empty()) {
    return std::unexpected(
        Error{.kind = ErrorKind::invalid_argument,
              .code = "SLURM_OPTIONS",
              .message = "site \"" + options.site.str() + "\": " + faults.front().where + ' ' + faults.front().message,
              .faults = std::move(faults)});
  }
  return std::unique_ptr<SlurmConnector>(new SlurmConnector(std::move(options), own->name, transport, scheduler, random));
}

SlurmConnector::SlurmConnector(Options options, std::string own_account, transport::Transport& transport,
                               async::Scheduler& scheduler, Random& random)
    : options_(std::move(options)),
      own_account_(std::move(own_account)),
      transport_(transport),
      scheduler_(scheduler),
      commands_(options_.bin_dir, options_.slurm_conf, transport, random),
      work_dirs_(options_.site, options_.work_dir, own_account_, transport, scheduler) {}

/// Of a job that has this id. Ids are used again, a tag is not; the submit time says nothing more, and a site's clock may be
/// wrong.
bool SlurmConnector::is_ours(const SiteJob& job, std::string_view name, const std::string& user) const {
  return name == job.tag.str() && user == (job.account.empty() ? own_account_ : job.account.str());
}

// ---- questions

Task<domain::SiteSnapshot> SlurmConnector::snapshot(Deadline deadline) {
  const auto taken_at = scheduler_.now_utc();
  auto jobs = co_await commands_.queue({.viewer = {}, .names = {}, .ended_too = false}, deadline);
  if (!jobs) co_return std::unexpected(jobs.error());
  const auto inventory = co_await commands_.inventory(deadline);
  if (!inventory) co_return std::unexpected(inventory.error());
  const auto configuration = co_await commands_.configuration(deadline);
  if (!configuration) co_return std::unexpected(configuration.error());
  co_return build_snapshot(*inventory, *configuration, *jobs, taken_at);
}

Task<std::vector<JobStatus>> SlurmConnector::status(std::vector<SiteJob> jobs, Deadline deadline) {
  std::vector<JobStatus> statuses(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) statuses[i].id = jobs[i].id;
  if (jobs.empty()) co_return statuses;

  std::unordered_multimap<std::string, std::size_t> places;  // by site job id
  std::vector<std::string> names;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    places.emplace(jobs[i].id.str(), i);
    names.push_back(jobs[i].tag.str());
  }
  const auto keep = [&](const auto& row, JobStatus status) {
    bool kept = false;
    for (auto [at, end] = places.equal_range(row.id); at != end; ++at) {
      if (!is_ours(jobs[at->second], row.name, row.user)) continue;
      statuses[at->second] = status;
      kept = true;
    }
    return kept;
  };
  const auto viewers = co_await commands_.viewers_of(jobs, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  bool answered = false;
  std::size_t blind = 0;
  for (const auto& viewer : *viewers) {
    auto queue = co_await commands_.queue({.viewer = viewer, .names = names, .ended_too = true}, deadline);
    // One account that may not ask any more does not hide the others' jobs.
    if (!queue && ++blind == viewers->size()) co_return std::unexpected(queue.error());
    for (const auto& row : queue ? queue->rows : std::vector<QueueRow>{}) answered = keep(row, to_status(row)) || answered;
  }

  std::vector<SiteJob> forgotten;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (statuses[i].phase == Phase::not_seen && parse_count(jobs[i].id.str())) forgotten.push_back(jobs[i]);
  }
  if (!forgotten.empty()) {
    const auto history = co_await history_of(forgotten, deadline);
    if (!history && !answered) co_return std::unexpected(history.error());
    for (const auto& row : history ? *history : std::vector<HistoryRow>{}) {
      auto told = to_status(row);  // the last run is the last row
      // The accounting alone calls it alive: its end may be on its way there. That proves nothing.
      if (told.phase != Phase::ended) told.phase = Phase::not_seen;
      keep(row, std::move(told));
    }
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (statuses[i].phase != Phase::ended) continue;
    statuses[i] = co_await work_dirs_.explain_end(jobs[i], std::move(statuses[i]), deadline);
  }
  co_return statuses;
}

/// All runs of these ids, whoever's they are.
Task<std::vector<HistoryRow>> SlurmConnector::history_of(std::vector<SiteJob> jobs, Deadline deadline) {
  std::vector<std::string> ids;
  for (const auto& job : jobs) ids.push_back(job.id.str());
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  const auto viewers = co_await commands_.viewers_of(jobs, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  std::vector<HistoryRow> rows;
  std::size_t blind = 0;
  for (const auto& viewer : *viewers) {
    auto listing = co_await commands_.history({.viewer = viewer, .names = {}, .ids = ids, .from = kEver}, deadline);
    if (!listing && ++blind == viewers->size()) co_return std::unexpected(listing.error());
    for (auto& row : listing ? listing->rows : std::vector<HistoryRow>{}) {
      if (std::ranges::binary_search(ids, row.id)) rows.push_back(std::move(row));
    }
  }
  co_return rows;
}

Task<ports::FindResult> SlurmConnector::find(std::vector<SiteJob> wanted, Deadline deadline) {
  ports::FindResult found;
  if (wanted.empty()) co_return found;
  std::vector<std::string> names;
  auto oldest = scheduler_.now_utc();
  for (const auto& job : wanted) {
    names.push_back(job.tag.str());
    oldest = std::min(oldest, job.intended_at);
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  const auto is_wanted = [&](const std::string& name) { return std::ranges::binary_search(names, name); };
  // The account as it was asked for: empty for the broker's own.
  const auto account_of = [&](const std::string& name, const std::string& user) {
    const bool own = user == own_account_ && std::ranges::any_of(wanted, [&](const SiteJob& job) {
                       return job.account.empty() && job.tag.str() == name;
                     });
    return own ? LocalAccount() : LocalAccount(user);
  };

  const auto viewers = co_await commands_.viewers_of(wanted, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  found.queue_seen = found.history_seen = true;
  std::optional<Error> failure;
  std::set<std::string> in_queue;
  for (const auto& viewer : *viewers) {
    auto queue = co_await commands_.queue({.viewer = viewer, .names = names, .ended_too = true}, deadline);
    found.queue_seen = found.queue_seen && queue && queue->complete && queue->dropped.empty();
    if (!queue) failure = queue.error();
    for (const auto& row : queue ? queue->rows : std::vector<QueueRow>{}) {
      if (!is_wanted(row.name) || !in_queue.insert(row.id).second) continue;
      found.sightings.push_back({.tag = Tag(row.name),
                                 .cluster = row.cluster,
                                 .account = account_of(row.name, row.user),
                                 .submitted_at = row.submitted_at,
                                 .status = to_status(row)});
    }
  }
  for (const auto& viewer : *viewers) {
    const auto history =
        co_await commands_.history({.viewer = viewer, .names = names, .ids = {}, .from = oldest - kLookBack}, deadline);
    found.history_seen = found.history_seen && history && history->complete && history->dropped.empty();
    if (!history && !failure) failure = history.error();
    for (const auto& row : history ? history->rows : std::vector<HistoryRow>{}) {
      // sacct compares names without regard to case. What is in the queue as well, the controller knows better.
      if (!is_wanted(row.name) || in_queue.contains(row.id)) continue;
      auto status = to_status(row);
      if (status.phase != Phase::ended) status.phase = Phase::not_seen;
      const auto same = std::ranges::find_if(found.sightings, [&](const auto& s) { return s.status.id == status.id; });
      if (same != found.sightings.end()) {  // a later run; its submit time is the requeue's, so the first one's counts
        same->status = status;
      } else {
        found.sightings.push_back({.tag = Tag(row.name),
                                   .cluster = row.cluster,
                                   .account = account_of(row.name, row.user),
                                   .submitted_at = row.submitted_at,
                                   .status = status});
      }
    }
  }
  if (!found.queue_seen && !found.history_seen && found.sightings.empty() && failure) co_return std::unexpected(*failure);
  for (auto& sighting : found.sightings) {  // as status() tells it, where it is the account's that was asked for
    const auto ours = std::ranges::find_if(
        wanted, [&](const SiteJob& job) { return job.tag == sighting.tag && job.account == sighting.account; });
    if (ours == wanted.end() || sighting.status.phase != Phase::ended) continue;
    auto job = *ours;
    job.id = sighting.status.id;
    sighting.status = co_await work_dirs_.explain_end(std::move(job), std::move(sighting.status), deadline);
  }
  co_return found;
}

Task<ports::UsagePage> SlurmConnector::usage(ports::UsageCursor from, Deadline deadline) {
  auto window = next_window(from.text, scheduler_.now_utc(), options_.usage_history);
  if (!window) co_return std::unexpected(window.error());
  const auto ask = [&] {
    return commands_.history({.viewer = {}, .names = {}, .ids = {}, .from = window->from, .to = window->to, .only_ended = true},
                             deadline);
  };
  auto history = co_await ask();
  while (history && !history->complete && window->can_be_halved()) {
    window->halve();
    history = co_await ask();
  }
  if (!history) co_return std::unexpected(history.error());
  ports::UsagePage page;
  for (const auto& row : history->rows) {
    const bool over = phase_of(row.state) == Phase::ended || state_word(row.state) == "REQUEUED";
    if (!over || !row.ended_at || !domain::parse_tag(row.name)) continue;
    page.records.push_back(to_usage(row, options_.site));
    if (options_.own_account_only && row.user == own_account_) page.records.back().account = LocalAccount();
  }
  page.next.text = window->next_cursor;
  page.complete = window->reaches_now;
  co_return page;
}

// ---- submission

Task<ports::SubmitReceipt> SlurmConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  const auto work_dir = work_dirs_.path_of(request.account);
  auto arguments = sbatch_arguments(request, work_dir);
  if (!arguments) co_return std::unexpected(arguments.error());
  auto script =
      transport::make_wrapper({.tag = request.tag,
                               .work_dir = work_dir,
                               .may_requeue = request.spec.requeue,
                               // Of sbatch's own environment; and what --export=NONE would make of every srun of the job's.
                               .unset = {"SLURM_TIME_FORMAT", "SLURM_EXPORT_ENV", "SLURM_GET_USER_ENV"},
                               .exported = {{"HANSA_JOB_ID", request.job.str()},
                                            {"HANSA_ATTEMPT", std::to_string(request.attempt)},
                                            {"HANSA_SITE", options_.site.str()},
                                            {"HANSA_PROJECT", request.spec.project.str()}},
                               .code = request.code.id.empty() ? "" : std::string(domain::digest_of(request.code.id)),
                               .script = std::move(request.payload.script),
                               .arguments = std::move(request.payload.arguments),
                               .environment = std::move(request.payload.environment)});
  if (!script) co_return std::unexpected(script.error());

  if (auto prepared = co_await work_dirs_.prepare(request.account, request.person, request.tag.str(), deadline); !prepared) {
    auto error = prepared.error();  // nothing of the job has left yet
    if (error.kind == ErrorKind::unknown_outcome) error.kind = ErrorKind::unavailable;
    co_return std::unexpected(std::move(error));
  }
  if (!request.code.id.empty()) {  // half of the time is sbatch's
    const auto until = deadline.shortened_to(scheduler_, deadline.remaining(scheduler_) / 2);
    auto staged =
        co_await work_dirs_.stage_code(request.account, request.person, request.tag.str(), std::move(request.code), until);
    if (!staged) co_return std::unexpected(staged.error());
  }
  // sbatch ends itself a moment before the deadline: also when the broker dies meanwhile, no submission is under way past it.
  const auto lifetime = std::chrono::floor<Seconds>(deadline.remaining(scheduler_)) - Seconds{1};
  if (lifetime < Seconds{1}) {
    co_return fail(ErrorKind::deadline_exceeded, "DEADLINE", "no time left to submit to site \"" + options_.site.str() + "\"");
  }
  auto command = commands_.command({request.account, request.person}, "sbatch", std::move(*arguments));
  command.input = std::move(*script);
  command.output_limit = std::size_t{64} << 10;
  command.self_limit = lifetime;
  command.tag = request.tag.str();
  const auto result = co_await transport_.run(std::move(command), deadline);
  if (!result) co_return std::unexpected(result.error());
  auto receipt = read_sbatch_answer(*result);
  if (!receipt) work_dirs_.forget(request.account);
  co_return receipt;
}

// ---- cancel

Task<> SlurmConnector::change_job(SiteJob job, std::string program, std::vector<std::string> arguments, Deadline deadline) {
  auto command = commands_.command({job.account, job.person}, program, std::move(arguments));
  command.tag = job.tag.str();
  const auto result = co_await commands_.run(std::move(command), deadline);
  if (!result) co_return std::unexpected(result.error());
  if (!result->exit_status || result->timed_out || result->cancelled) co_return no_answer(program, *result);
  // A job that is over or unknown is no failure; it is seen when its state is read back.
  const bool denied = result->err.contains("Access/permission denied");
  if (!result->succeeded() && (denied || is_communication_failure(result->err))) co_return no_answer(program, *result);
  co_return Result<void>{};
}

Task<std::optional<CancelOutcome>> SlurmConnector::outcome_so_far(SiteJob job, Deadline deadline) {
  const auto statuses = co_await status({job}, deadline);
  if (!statuses) co_return std::unexpected(statuses.error());
  auto now = statuses->front();
  if (now.phase == Phase::finishing) {
    // Being cleaned up: the accounting knows already why.
    const auto history = co_await history_of({job}, deadline);
    JobStatus last;  // of its runs
    for (const auto& row : history ? *history : std::vector<HistoryRow>{}) {
      if (is_ours(job, row.name, row.user)) last = to_status(row);
    }
    if (last.phase == Phase::ended) now = std::move(last);
  }
  if (now.phase != Phase::ended) co_return std::nullopt;
  if (now.outcome != domain::Outcome::cancelled) {
    co_return now.outcome == domain::Outcome::never_started ? CancelOutcome::never_started : CancelOutcome::already_ended;
  }
  // Cancelled between two runs it had started, too.
  co_return now.started_at || now.run > 0 ? CancelOutcome::stopped : CancelOutcome::never_started;
}

/// True: it is pending, held by us, and cannot start. False: it is not pending, and not held.
Task<bool> SlurmConnector::hold_while_pending(SiteJob job, Deadline deadline) {
  const auto held = co_await change_job(job, "scontrol", {"hold", job.id.str()}, deadline);
  if (!held) co_return std::unexpected(held.error());
  const auto viewers = co_await commands_.viewers_of({job}, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  const auto queue =
      co_await commands_.queue({.viewer = viewers->front(), .names = {job.tag.str()}, .ended_too = true}, deadline);
  if (queue) {
    const auto row = std::ranges::find(queue->rows, job.id.str(), &QueueRow::id);
    if (row != queue->rows.end() && phase_of(row->state) == Phase::queued && row->nodes.empty() && row->priority == 0)
      co_return true;
  }
  // Also when it could not be read back: a hold left behind would keep the job waiting for ever.
  const auto released = co_await change_job(job, "scontrol", {"release", job.id.str()}, deadline);
  if (!queue) co_return std::unexpected(queue.error());
  if (!released) co_return std::unexpected(released.error());
  co_return false;
}

Task<CancelOutcome> SlurmConnector::cancel(SiteJob job, CancelWhen when, Deadline deadline) {
  if (!parse_count(job.id.str())) {
    co_return fail(ErrorKind::invalid_argument, "SITE_JOB_ID", "\"" + job.id.str() + "\" is not the id of a Slurm job");
  }
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
    // By name as well: a recycled id of the same account's is not touched. Again now and then: Slurm may answer "try again
    // later".
    if (pause == kFirstPause || pause == kLongestPause) {
      const auto cancelled = co_await change_job(job, "scancel", {"--name=" + job.tag.str(), job.id.str()}, deadline);
      if (!cancelled) co_return std::unexpected(cancelled.error());
    }
    const auto outcome = co_await outcome_so_far(job, deadline);
    if (!outcome) co_return std::unexpected(outcome.error());
    if (*outcome) co_return **outcome;
    const auto next = scheduler_.now_monotonic() + pause;
    if (next >= deadline.at) co_return CancelOutcome::unknown;
    co_await scheduler_.sleep_until(next);
  }
}

Task<ports::SealOutcome> SlurmConnector::seal(ports::Fence fence, Deadline deadline) {
  return work_dirs_.seal(std::move(fence), deadline);
}

Task<ports::OutputChunk> SlurmConnector::read_output(SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                                     Deadline deadline) {
  return work_dirs_.read_output(std::move(job), stream, offset, limit, deadline);
}

Task<std::vector<ports::FileFacts>> SlurmConnector::look_at(SiteJob job, std::vector<std::string> paths, Deadline deadline) {
  return work_dirs_.look_at(std::move(job), std::move(paths), deadline);
}

Task<ports::FileChunk> SlurmConnector::read_file(SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                                 Deadline deadline) {
  return work_dirs_.read_file(std::move(job), std::move(path), offset, limit, deadline);
}

}  // namespace hansa::connectors::slurm
