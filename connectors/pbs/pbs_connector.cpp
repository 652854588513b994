// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/pbs_connector.hpp"

#include "broker/core/time_text.hpp"
#include "broker/domain/one_range.hpp"
#include "connectors/batch/answers.hpp"
#include "connectors/batch/usage_window.hpp"
#include "connectors/pbs/accounting.hpp"
#include "connectors/pbs/job_state.hpp"
#include "connectors/pbs/snapshot.hpp"
#include "connectors/pbs/submission.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <unordered_map>

namespace hansa::connectors::pbs {

namespace {

using domain::CancelOutcome;
using ports::Deadline;
using ports::JobStatus;
using ports::Phase;
using ports::SiteJob;
using ports::Task;

/// Of finished jobs at a time: of more the window is halved, or a deadline could pass again and again.
constexpr std::size_t kMostEnds = 2'000;
constexpr std::size_t kMostDeleted = 200;  // in one call: hansa-switch takes 64 KiB of arguments
constexpr std::size_t kMostDeletions = 50;  // calls in a row: what is left comes with the next look at the job

std::vector<std::pair<std::string, std::string>> environment_of(const Options& options) {
  std::vector<std::pair<std::string, std::string>> environment;
  if (!options.conf.empty()) environment.emplace_back("PBS_CONF_FILE", options.conf);
  if (!options.server.empty()) environment.emplace_back("PBS_SERVER", options.server);
  return environment;
}

/// qselect's "[CC]YYMMDDhhmm.SS", in the zone it is asked in (TZ=UTC).
std::string selecting(std::string_view option, UtcTime time) {
  auto digits = format_utc(time);  // 2026-11-22T09:05:22Z
  std::erase_if(digits, [](char c) { return c < '0' || c > '9'; });
  return std::string(option) + digits.substr(0, 12) + '.' + digits.substr(12, 2);
}

bool any_array(const std::vector<SiteJob>& jobs) {
  return std::ranges::any_of(jobs, [](const SiteJob& job) { return !job.tasks.empty(); });
}

/// "12[].pbs01" and "3-9:2" -> "12[3-9:2].pbs01".
std::string part_of(const SiteJobId& array, const std::string& indices) {
  auto text = array.str();
  return text.insert(text.find('[') + 1, indices);
}

SiteJobId subjob_id(const SiteJobId& array, std::int32_t task) { return SiteJobId(part_of(array, std::to_string(task))); }

/// In as few ranges with one step as go on without a hole; those that stand alone by themselves.
std::vector<std::string> ranges_of(const std::vector<std::int32_t>& tasks) {
  std::vector<std::string> ranges;
  for (std::size_t at = 0, end = 0; at < tasks.size(); at = end) {
    for (end = at + 1; end < tasks.size() && tasks[end] - tasks[end - 1] == tasks[at + 1] - tasks[at];) ++end;
    const std::vector some(tasks.begin() + static_cast<std::ptrdiff_t>(at), tasks.begin() + static_cast<std::ptrdiff_t>(end));
    ranges.push_back(domain::one_range({.tasks = some, .at_most = 0}).value_or(std::to_string(tasks[at])));
  }
  return ranges;
}

/// The task that the row is of; none: it is an array's own, or no task.
std::vector<std::int32_t> tasks_of(const JobRow& row) {
  return row.array_id.empty() ? std::vector<std::int32_t>() : std::vector{row.task};
}

const std::string& bound_id(const JobRow& row) { return row.array_id.empty() ? row.id : row.array_id; }

/// Of a subjob under its array's id.
JobStatus status_in(const JobRow& row) {
  auto status = to_status(row);
  status.id = SiteJobId(bound_id(row));
  return status;
}

std::unexpected<Error> no_history() {
  return fail(
      ErrorKind::unavailable, "NO_HISTORY",
      "the site's PBS server does not keep its jobs' history, so that the end of a job is never told: its operators have to set "
      "it, qmgr -c \"set server job_history_enable = True\"");
}

}  // namespace

Result<std::unique_ptr<PbsConnector>> PbsConnector::make(Options options, transport::Transport& transport,
                                                         async::Scheduler& scheduler, Random& random, ports::Log& log) {
  std::vector<Fault> faults;
  if (!options.conf.empty() && !options.conf.starts_with('/')) faults.push_back({"pbs.conf", "must be an absolute path"});
  if (!options.accounting.empty() && !options.accounting.starts_with('/'))
    faults.push_back({"pbs.accounting", "must be an absolute path"});
  const auto check_name = [&](std::string_view key, const std::string& name) {
    if (!batch::is_one_value(name)) faults.push_back({std::string(key), "must be one name"});
  };
  if (!options.server.empty()) check_name("pbs.server", options.server);
  check_name("pbs.gpu_resource", options.gpus.count);
  if (!options.gpus.model.empty()) check_name("pbs.gpu_model_resource", options.gpus.model);
  batch::check_bin_dir("pbs", options.bin_dir, faults);
  auto own = batch::check_options(options.site, options.work_dir, std::move(faults));
  if (!own) return std::unexpected(own.error());
  return std::unique_ptr<PbsConnector>(new PbsConnector(std::move(options), std::move(*own), transport, scheduler, random, log));
}

PbsConnector::PbsConnector(Options options, std::string own_account, transport::Transport& transport, async::Scheduler& scheduler,
                           Random& random, ports::Log& log)
    : BatchConnector(options.site, options.work_dir, options.profile, std::move(own_account), transport, scheduler),
      options_(std::move(options)),
      commands_(options_.site, options_.bin_dir, environment_of(options_), options_.gpus, transport, scheduler, random, log) {}

// ---- questions

Task<domain::SiteSnapshot> PbsConnector::snapshot(Deadline deadline) {
  const auto taken_at = scheduler_.now_utc();
  auto settings = co_await commands_.settings(deadline);
  if (!settings) co_return std::unexpected(settings.error());
  if (!settings->server.keeps_history) co_return no_history();  // no job should go there
  auto nodes = co_await commands_.nodes(deadline);
  if (!nodes) co_return std::unexpected(nodes.error());
  auto jobs = co_await commands_.jobs({.viewer = {}, .ids = {}, .history = false, .one_by_one = true}, deadline);
  if (!jobs) co_return std::unexpected(jobs.error());
  if (!jobs->complete) co_return batch::cut_short("qstat");
  co_return build_snapshot({.settings = std::move(*settings),
                            .nodes = std::move(*nodes),
                            .jobs = std::move(*jobs),
                            .only_user = options_.own_account_only ? own_account_ : ""},
                           taken_at);
}

Task<std::vector<JobStatus>> PbsConnector::status(std::vector<SiteJob> jobs, Deadline deadline) {
  std::vector<JobStatus> statuses(jobs.size());
  std::unordered_multimap<std::string, std::size_t> places;  // by site job id
  std::set<std::string> ids;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    statuses[i].id = jobs[i].id;
    places.emplace(jobs[i].id.str(), i);
    if (pbs::is_job_id(jobs[i].id.str())) ids.insert(jobs[i].id.str());
  }
  if (ids.empty()) co_return statuses;
  const auto viewers = co_await commands_.viewers_of(jobs, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  std::size_t blind = 0;
  for (const auto& viewer : *viewers) {
    const auto listing = co_await commands_.jobs(
        {.viewer = viewer, .ids = {ids.begin(), ids.end()}, .history = true, .one_by_one = any_array(jobs)}, deadline);
    // One account that may not ask any more does not hide the others' jobs.
    if (!listing && ++blind == viewers->size()) co_return std::unexpected(listing.error());
    for (const auto& row : listing ? listing->rows : std::vector<JobRow>{}) {
      for (auto [at, end] = places.equal_range(bound_id(row)); at != end; ++at) {
        const auto& job = jobs[at->second];
        const bool of_array = row.array || !row.array_id.empty();
        if (is_ours(job, row.name, row.user) && of_array != job.tasks.empty())
          put(statuses[at->second], status_in(row), tasks_of(row), job.tasks, subjob_id);
      }
    }
  }
  co_await explain_ends(&jobs, &statuses, deadline);
  co_return statuses;
}

/// Everything that this viewer sees under one of these names.
Task<Listing<JobRow>> PbsConnector::named(const std::vector<std::string>* names, bool arrays, Viewer viewer, Deadline deadline) {
  JobQuestion question{.viewer = viewer, .ids = {}, .history = true, .one_by_one = arrays};
  bool complete = true;
  for (const auto& name : *names) {  // never the whole history: one neighbour's odd record in it would hide ours
    auto ids = co_await commands_.select(viewer, {"-N", name}, deadline);
    if (!ids) co_return std::unexpected(ids.error());
    complete = complete && ids->complete && ids->dropped.empty();
    std::ranges::move(ids->rows, std::back_inserter(question.ids));
  }
  if (question.ids.empty()) co_return Listing<JobRow>{.rows = {}, .dropped = {}, .complete = complete};
  auto jobs = co_await commands_.jobs(std::move(question), deadline);
  if (!jobs) co_return std::unexpected(jobs.error());
  jobs->complete = jobs->complete && complete;
  std::erase_if(jobs->rows, [&](const JobRow& row) { return !std::ranges::binary_search(*names, row.name); });
  co_return jobs;
}

Task<ports::FindResult> PbsConnector::find(std::vector<SiteJob> wanted, Deadline deadline) {
  ports::FindResult found;
  if (wanted.empty()) co_return found;
  std::set<std::string> tags;
  for (const auto& job : wanted) tags.insert(job.tag.str());
  const std::vector<std::string> names(tags.begin(), tags.end());
  const auto server = co_await commands_.server(deadline);
  if (!server) co_return std::unexpected(server.error());
  const auto settings = co_await commands_.settings(deadline);  // by these the history was asked for, or not
  if (!settings) co_return std::unexpected(settings.error());
  const auto viewers = co_await commands_.viewers_of(wanted, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());

  found.queue_seen = true;
  std::optional<Error> failure;
  std::set<std::string> seen;
  for (const auto& viewer : *viewers) {
    const auto jobs = co_await named(&names, any_array(wanted), viewer, deadline);
    found.queue_seen = found.queue_seen && jobs && jobs->complete && jobs->dropped.empty();
    if (!jobs) failure = jobs.error();
    for (const auto& row : jobs ? jobs->rows : std::vector<JobRow>{}) {
      if (!seen.insert(row.id).second) continue;
      const SiteJobId id(bound_id(row));
      auto at = std::ranges::find(found.sightings, id, [](const auto& sighting) { return sighting.status.id; });
      if (at == found.sightings.end()) {
        found.sightings.push_back({.tag = Tag(row.name),
                                   .cluster = row.server,
                                   .account = account_of(wanted, row.name, row.user),
                                   .submitted_at = row.submitted_at,
                                   .status = JobStatus{}});
        at = std::prev(found.sightings.end());
        at->status.id = id;
      }
      const auto asked = std::ranges::find(wanted, at->tag, &SiteJob::tag);
      const bool of_array = row.array || !row.array_id.empty();
      const std::vector<std::int32_t> none;
      put(at->status, status_in(row), tasks_of(row), of_array && asked != wanted.end() ? asked->tasks : none, subjob_id);
    }
  }
  found.history_seen = found.queue_seen && server->keeps_history && settings->server.keeps_history;
  if (!found.queue_seen && found.sightings.empty() && failure) co_return std::unexpected(*failure);
  co_await explain_ends(&wanted, &found.sightings, deadline);  // as status() tells it
  co_return found;
}

Task<Listing<JobRow>> PbsConnector::runs_before_of(std::vector<JobRow> jobs, Deadline deadline) {
  Listing<JobRow> runs;
  if (options_.accounting.empty() || jobs.empty()) co_return runs;
  const auto told = co_await commands_.reruns(&options_.accounting, &jobs, deadline);
  if (!told) co_return std::unexpected(told.error());
  runs.complete = told->complete;
  for (const auto& job : jobs) std::ranges::move(runs_before(job, told->rows), std::back_inserter(runs.rows));
  co_return runs;
}

Task<ports::UsagePage> PbsConnector::usage(ports::UsageCursor from, Deadline deadline) {
  const auto settings = co_await commands_.settings(deadline);
  if (!settings) co_return std::unexpected(settings.error());
  if (!settings->server.keeps_history) co_return no_history();
  auto window = batch::next_window(from.text, scheduler_.now_utc(), options_.usage_history);
  if (!window) co_return std::unexpected(window.error());
  Result<Listing<JobRow>> jobs;
  std::vector<JobRow> runs;
  std::int64_t others = 0;
  while (true) {
    auto ids = co_await commands_.select({}, {"-s", "F", selecting("-tm.ge.", window->from), selecting("-tm.le.", window->to)},
                                         deadline);
    if (!ids) co_return std::unexpected(ids.error());
    jobs = Listing<JobRow>{};
    if ((!ids->complete || ids->rows.size() > kMostEnds) && window->can_be_halved()) {
      window->halve();
      continue;
    }
    if (ids->rows.empty()) break;
    jobs = co_await commands_.jobs({.viewer = {}, .ids = std::move(ids->rows), .history = true, .one_by_one = true}, deadline);
    if (!jobs) co_return std::unexpected(jobs.error());
    if (!jobs->complete && window->can_be_halved()) {
      window->halve();
      continue;
    }
    others = 0;
    std::erase_if(jobs->rows, [&](const JobRow& row) {
      if (row.array || phase_of(row.state) != Phase::ended || !row.ended_at) return true;
      if (domain::parse_tag(row.name)) return false;
      others += window->counts(*row.ended_at) ? 1 : 0;
      return true;
    });
    std::vector<JobRow> again;
    std::ranges::copy_if(jobs->rows, std::back_inserter(again), was_rerun);
    auto before = co_await runs_before_of(std::move(again), deadline);
    if (!before) co_return std::unexpected(before.error());
    if (before->complete) {
      runs = std::move(before->rows);
      break;
    }
    if (!window->can_be_halved()) co_return batch::cut_short("the accounting log");
    window->halve();
  }
  ports::UsagePage page;
  std::ranges::move(jobs->rows, std::back_inserter(runs));
  for (const auto& row : runs) {
    page.records.push_back(to_usage(row, options_.site));
    if (options_.own_account_only && row.user == own_account_) page.records.back().account = LocalAccount();
  }
  page.next.text = window->next_cursor;
  page.complete = window->reaches_now;
  page.others = others;
  co_return page;
}

// ---- submission

Task<ports::SubmitReceipt> PbsConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  auto arguments = qsub_arguments(request, options_.gpus);
  if (!arguments) co_return std::unexpected(arguments.error());
  transport::WrapperSpec wrapper;
  wrapper.launcher = transport::Launcher::pbs;
  wrapper.job_id_variable = "PBS_JOBID";
  wrapper.run_variable = "HANSA_NO_RUN";  // PBS tells a job nothing of its starts
  wrapper.task_variable = "PBS_ARRAY_INDEX";
  if (!request.spec.array.empty()) wrapper.array_variable = "PBS_ARRAY_ID";
  wrapper.writes_output = true;
  auto command = commands_.command({request.account, request.person}, "qsub", std::move(*arguments));
  co_return co_await send(std::move(request), std::move(wrapper), std::move(command), read_qsub_answer, deadline);
}

// ---- cancel

Task<> PbsConnector::change_job(SiteJob job, std::string program, std::vector<std::string> arguments, Deadline deadline) {
  auto command = commands_.command({job.account, job.person}, program, std::move(arguments));
  command.tag = job.tag.str();
  const auto result = co_await commands_.run(std::move(command), deadline);
  if (!result) co_return std::unexpected(result.error());
  co_return read_change(program, *result);
}

/// None: it is not seen, or another job has its id.
Task<std::optional<JobRow>> PbsConnector::row_of(SiteJob job, Deadline deadline) {
  const auto viewers = co_await commands_.viewers_of({job}, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  auto listing = co_await commands_.jobs({.viewer = viewers->front(), .ids = {job.id.str()}, .history = true}, deadline);
  if (!listing) co_return std::unexpected(listing.error());
  for (auto& row : listing->rows) {
    if (row.id == job.id.str() && is_ours(job, row.name, row.user)) co_return std::optional(std::move(row));
  }
  co_return std::optional<JobRow>();
}

Task<std::optional<CancelOutcome>> PbsConnector::outcome_so_far(SiteJob job, Deadline deadline) {
  const auto statuses = co_await status({job}, deadline);
  if (!statuses) co_return std::unexpected(statuses.error());
  co_return outcome_of(statuses->front());
}

Task<> PbsConnector::hold(SiteJob job, Deadline deadline) {
  auto id = job.id.str();
  return change_job(std::move(job), "qhold", {"-h", "u", std::move(id)}, deadline);
}

Task<> PbsConnector::release(SiteJob job, Deadline deadline) {
  auto id = job.id.str();
  return change_job(std::move(job), "qrls", {"-h", "u", std::move(id)}, deadline);
}

Task<bool> PbsConnector::waits_held(SiteJob job, Deadline deadline) {
  const auto row = co_await row_of(std::move(job), deadline);
  if (!row) co_return std::unexpected(row.error());
  co_return *row && (*row)->state == "H" && (*row)->held.contains('u');
}

/// Tasks by themselves, once some are over: qdel of the array purges their history (req_deletejob in req_delete.c, 23.06.06), and
/// with it how they ended and what they used. Those that wait go first, so that nothing starts where others are ended; in a call
/// for each range of them, for of a list of such the server takes the first and forgets the rest (qdel ends with 0). At most
/// kMostDeletions calls: the deadline is the whole cancellation's, which comes again.
Task<> PbsConnector::end_tasks(SiteJob job, Deadline deadline) {
  const auto viewers = co_await commands_.viewers_of({job}, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  const auto listing =
      co_await commands_.jobs({.viewer = viewers->front(), .ids = {job.id.str()}, .history = true, .one_by_one = true}, deadline);
  if (!listing) co_return std::unexpected(listing.error());
  std::vector<std::int32_t> waiting;
  std::vector<std::string> begun;
  bool any_over = !listing->complete || !listing->dropped.empty();  // what is not told may be over
  for (const auto& row : listing->rows) {
    if (row.array_id != job.id.str() || !is_ours(job, row.name, row.user)) continue;
    const auto phase = phase_of(row.state);
    any_over = any_over || phase == Phase::ended;
    if (!std::ranges::binary_search(job.tasks, row.task)) continue;
    if (phase == Phase::queued) waiting.push_back(row.task);
    if (phase == Phase::running) begun.push_back(row.id);
  }
  std::ranges::sort(waiting);
  std::vector<std::vector<std::string>> calls;
  if (!job.these_tasks_only && !any_over && waiting.size() + begun.size() > 0) {
    calls.push_back({job.id.str()});
  } else {
    for (const auto& range : ranges_of(waiting)) calls.push_back({part_of(job.id, range)});
    for (std::size_t at = 0; at < begun.size(); at += kMostDeleted) {
      const auto first = begun.begin() + static_cast<std::ptrdiff_t>(at);
      calls.emplace_back(first, first + static_cast<std::ptrdiff_t>(std::min(kMostDeleted, begun.size() - at)));
    }
  }
  calls.resize(std::min(calls.size(), kMostDeletions));
  for (auto& some : calls) {
    if (auto done = co_await change_job(job, "qdel", std::move(some), deadline); !done) co_return std::unexpected(done.error());
  }
  co_return Result<void>{};
}

Task<> PbsConnector::end_job(SiteJob job, Deadline deadline) {
  if (!job.tasks.empty()) co_return co_await end_tasks(std::move(job), deadline);
  // qdel knows ids only, which a server that was set up anew gives again: what it would end is looked at.
  const auto row = co_await row_of(job, deadline);
  if (!row) co_return std::unexpected(row.error());
  if (!*row || phase_of((*row)->state) == Phase::ended) co_return Result<void>{};
  co_return co_await change_job(job, "qdel", {job.id.str()}, deadline);
}

}  // namespace hansa::connectors::pbs
