// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/slurm_site.hpp"

#include "connectors/batch/answers.hpp"
#include "connectors/batch/usage_window.hpp"
#include "connectors/slurm/job_state.hpp"
#include "connectors/slurm/snapshot.hpp"
#include "connectors/transport/wrapper.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace hansa::connectors::slurm {

namespace {

using domain::CancelOutcome;
using ports::Deadline;
using ports::JobStatus;
using ports::Phase;
using ports::SiteJob;
using ports::Task;

// What is asked for by name is looked for from before its intent on: a site's clock may be that far behind without its jobs being
// overlooked.
constexpr Seconds kLookBack{86'400};

UtcTime oldest_intent(const std::vector<SiteJob>& jobs, UtcTime now) {
  for (const auto& job : jobs) now = std::min(now, job.intended_at);
  return now;
}

/// The array's own id, if the row is of its tasks.
const std::string& bound_id(const QueueRow& row) { return row.array_id.empty() ? row.id : row.array_id; }
const std::string& bound_id(const HistoryRow& row) { return row.id; }
bool of_array(const QueueRow& row) { return !row.array_id.empty(); }
bool of_array(const HistoryRow& row) { return row.of_array; }

/// Not all of it is told.
bool has_gaps(const JobStatus& status, const SiteJob& job) {
  return job.tasks.empty() ? status.phase == Phase::not_seen : status.tasks.size() < job.tasks.size();
}

/// An array that ended before any of its tasks started: sacct tells it in one row under its number, as if it were none.
bool is_all_of_array(const HistoryRow& row, const JobStatus& status, const std::vector<std::int32_t>& tasks) {
  return !tasks.empty() && !row.of_array && status.phase == Phase::ended && !row.started_at;
}

std::vector<std::int32_t> untold(const JobStatus& status, std::vector<std::int32_t> tasks) {
  std::erase_if(tasks,
                [&](std::int32_t task) { return std::ranges::binary_search(status.tasks, task, {}, &JobStatus::task_index); });
  return tasks;
}

}  // namespace

SlurmSite::SlurmSite(SiteFacts facts, std::string work_dir, transport::SiteProfile profile, std::string own_account,
                     transport::Transport& transport, async::Scheduler& scheduler)
    : BatchConnector(facts.site, std::move(work_dir), std::move(profile), std::move(own_account), transport, scheduler),
      facts_(std::move(facts)) {}

bool SlurmSite::is_job_id(std::string_view id) const { return parse_count(id).has_value(); }

// ---- questions

Task<domain::SiteSnapshot> SlurmSite::snapshot(Deadline deadline) {
  const auto taken_at = scheduler_.now_utc();
  auto jobs = co_await questions().queue({.viewer = {}, .names = {}, .ended_too = false}, deadline);
  if (!jobs) co_return std::unexpected(jobs.error());
  if (!jobs->complete) co_return batch::cut_short("Slurm");
  const auto inventory = co_await questions().inventory(deadline);
  if (!inventory) co_return std::unexpected(inventory.error());
  const auto configuration = co_await questions().configuration(deadline);
  if (!configuration) co_return std::unexpected(configuration.error());
  co_return build_snapshot(*inventory, *configuration, *jobs, taken_at);
}

Task<std::vector<JobStatus>> SlurmSite::status(std::vector<SiteJob> jobs, Deadline deadline) {
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
    for (auto [at, end] = places.equal_range(bound_id(row)); at != end; ++at) {
      const auto& job = jobs[at->second];
      if (!is_ours(job, row.name, row.user) || of_array(row) == job.tasks.empty()) continue;
      status.id = SiteJobId(bound_id(row));
      put(statuses[at->second], status, row.tasks, job.tasks, transport::task_id);
      kept = true;
    }
    return kept;
  };
  const auto viewers = co_await questions().viewers_of(jobs, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  bool answered = false;
  std::size_t blind = 0;
  std::map<std::string, JobStatus> untold_wait;  // by the array's id: of those of its tasks that nobody else tells of
  for (const auto& viewer : *viewers) {
    auto queue = co_await questions().queue({.viewer = viewer, .names = names, .ended_too = true}, deadline);
    // One account that may not ask any more does not hide the others' jobs.
    if (!queue && ++blind == viewers->size()) co_return std::unexpected(queue.error());
    for (const auto& row : queue ? queue->rows : std::vector<QueueRow>{}) {
      answered = keep(row, to_status(row)) || answered;
      if (row.more_tasks) untold_wait.insert_or_assign(row.array_id, to_status(row));
    }
  }

  std::vector<SiteJob> forgotten;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (has_gaps(statuses[i], jobs[i]) && parse_count(jobs[i].id.str())) forgotten.push_back(jobs[i]);
  }
  std::set<std::pair<std::string, std::int32_t>> in_queue;  // of arrays: what the controller knows, it knows better
  for (const auto& status : statuses) {
    for (const auto& task : status.tasks) in_queue.emplace(status.id.str(), task.task_index);
  }
  if (!forgotten.empty()) {
    auto history = co_await history_of(forgotten, deadline);
    if (!history && !answered) co_return std::unexpected(history.error());
    const auto rows = history ? std::move(*history) : std::vector<HistoryRow>{};
    for (auto row : rows) {
      auto told = to_status(row);  // the last run is the last row
      std::erase_if(row.tasks, [&](std::int32_t task) { return in_queue.contains({row.id, task}); });
      // The accounting alone calls it alive: its end may be on its way there. That proves nothing.
      if (told.phase != Phase::ended) told.phase = Phase::not_seen;
      keep(row, std::move(told));
    }
    for (const auto& row : rows) {
      auto told = to_status(row);
      told.id = SiteJobId(row.id);
      for (auto [at, end] = places.equal_range(row.id); at != end; ++at) {
        const auto& job = jobs[at->second];
        auto& status = statuses[at->second];
        if (!is_ours(job, row.name, row.user) || !is_all_of_array(row, told, job.tasks)) continue;
        put(status, told, untold(status, job.tasks), job.tasks, transport::task_id);
      }
    }
    for (auto& status : statuses) std::erase_if(status.tasks, [](const auto& task) { return task.phase == Phase::not_seen; });
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto waits = untold_wait.find(jobs[i].id.str());
    if (waits == untold_wait.end() || jobs[i].tasks.empty() || statuses[i].tasks.empty()) continue;
    waits->second.id = jobs[i].id;
    put(statuses[i], waits->second, untold(statuses[i], jobs[i].tasks), jobs[i].tasks, transport::task_id);
  }
  co_await explain_ends(&jobs, &statuses, deadline);
  co_return statuses;
}

/// All runs of these ids, whoever's they are.
Task<std::vector<HistoryRow>> SlurmSite::history_of(std::vector<SiteJob> jobs, Deadline deadline) {
  std::vector<std::string> ids;
  for (const auto& job : jobs) ids.push_back(job.id.str());
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  const auto viewers = co_await questions().viewers_of(jobs, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  std::vector<HistoryRow> rows;
  std::size_t blind = 0;
  for (const auto& viewer : *viewers) {
    auto listing = co_await questions().history(
        {.viewer = viewer, .names = {}, .ids = ids, .from = oldest_intent(jobs, scheduler_.now_utc()) - kLookBack}, deadline);
    if (!listing && ++blind == viewers->size()) co_return std::unexpected(listing.error());
    for (auto& row : listing ? listing->rows : std::vector<HistoryRow>{}) {
      if (std::ranges::binary_search(ids, row.id)) rows.push_back(std::move(row));
    }
  }
  co_return rows;
}

Task<ports::FindResult> SlurmSite::find(std::vector<SiteJob> wanted, Deadline deadline) {
  ports::FindResult found;
  if (wanted.empty()) co_return found;
  std::vector<std::string> names;
  const auto oldest = oldest_intent(wanted, scheduler_.now_utc());
  for (const auto& job : wanted) names.push_back(job.tag.str());
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  const auto is_wanted = [&](const std::string& name) { return std::ranges::binary_search(names, name); };
  const auto viewers = co_await questions().viewers_of(wanted, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  found.queue_seen = found.history_seen = true;
  // A row is a job, or some tasks of one; a later row of the same is a later run, whose submit time is the requeue's, so that the
  // first one's counts.
  const auto sight = [&](const auto& row, JobStatus status) {
    const SiteJobId id(bound_id(row));
    auto at = std::ranges::find_if(found.sightings, [&](const auto& s) { return s.status.id == id && s.tag.str() == row.name; });
    if (at == found.sightings.end()) {
      found.sightings.push_back({.tag = Tag(row.name),
                                 .cluster = row.cluster,
                                 .account = account_of(wanted, row.name, row.user),
                                 .submitted_at = row.submitted_at,
                                 .status = JobStatus{}});
      at = std::prev(found.sightings.end());
      at->status.id = id;
    }
    const auto asked = std::ranges::find(wanted, at->tag, &SiteJob::tag);
    const auto tasks = asked == wanted.end() ? std::vector<std::int32_t>{} : asked->tasks;
    status.id = id;
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(row)>, HistoryRow>) {
      if (is_all_of_array(row, status, tasks)) {
        put(at->status, status, untold(at->status, tasks), tasks, transport::task_id);
        return;
      }
    }
    put(at->status, std::move(status), row.tasks, of_array(row) ? tasks : std::vector<std::int32_t>{}, transport::task_id);
  };
  std::optional<Error> failure;
  std::set<std::string> in_queue;
  for (const auto& viewer : *viewers) {
    auto queue = co_await questions().queue({.viewer = viewer, .names = names, .ended_too = true}, deadline);
    found.queue_seen = found.queue_seen && queue && queue->complete && queue->dropped.empty();
    if (!queue) failure = queue.error();
    for (const auto& row : queue ? queue->rows : std::vector<QueueRow>{}) {
      const auto& shown = of_array(row) ? row.display_id : row.id;
      if (is_wanted(row.name) && in_queue.insert(shown).second) sight(row, to_status(row));
    }
  }
  for (const auto& viewer : *viewers) {
    const auto history =
        co_await questions().history({.viewer = viewer, .names = names, .ids = {}, .from = oldest - kLookBack}, deadline);
    found.history_seen = found.history_seen && history && history->complete && history->dropped.empty();
    if (!history && !failure) failure = history.error();
    for (const auto& row : history ? history->rows : std::vector<HistoryRow>{}) {
      // sacct compares names without regard to case. What is in the queue as well, the controller knows better.
      if (!is_wanted(row.name) || in_queue.contains(of_array(row) ? row.shown_id : row.id)) continue;
      auto status = to_status(row);
      if (status.phase != Phase::ended) status.phase = Phase::not_seen;
      if (of_array(row) && status.phase == Phase::not_seen) continue;  // tasks that wait: in the queue one by one
      sight(row, std::move(status));
    }
  }
  if (!found.queue_seen && !found.history_seen && found.sightings.empty() && failure) co_return std::unexpected(*failure);
  co_await explain_ends(&wanted, &found.sightings, deadline);  // as status() tells it
  co_return found;
}

Task<ports::UsagePage> SlurmSite::usage(ports::UsageCursor from, Deadline deadline) {
  auto window = batch::next_window(from.text, scheduler_.now_utc(), facts_.usage_history);
  if (!window) co_return std::unexpected(window.error());
  const auto ask = [&] {
    return questions().history({.viewer = {}, .names = {}, .ids = {}, .from = window->from, .to = window->to, .only_ended = true},
                               deadline);
  };
  auto history = co_await ask();
  while (history && !history->complete && window->can_be_halved()) {
    window->halve();
    history = co_await ask();
  }
  if (!history) co_return std::unexpected(history.error());
  ports::UsagePage page;
  std::int64_t others = 0;
  for (const auto& row : history->rows) {
    const bool over = phase_of(row.state) == Phase::ended || state_word(row.state) == "REQUEUED";
    if (!over || !row.ended_at) continue;
    if (!domain::parse_tag(row.name)) {
      others += window->counts(*row.ended_at) ? 1 : 0;
      continue;
    }
    page.records.push_back(to_usage(row, facts_.site));
    if (facts_.own_account_only && row.user == own_account_) page.records.back().account = LocalAccount();
  }
  page.next.text = window->next_cursor;
  page.complete = window->reaches_now;
  page.others = others;
  co_return page;
}

// ---- cancel

Task<std::optional<CancelOutcome>> SlurmSite::outcome_so_far(SiteJob job, Deadline deadline) {
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
  co_return outcome_of(now);
}

Task<bool> SlurmSite::waits_held(SiteJob job, Deadline deadline) {
  const auto viewers = co_await questions().viewers_of({job}, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  auto queue = co_await questions().queue({.viewer = viewers->front(), .names = {job.tag.str()}, .ended_too = true}, deadline);
  if (!queue) co_return std::unexpected(queue.error());
  std::erase_if(queue->rows, [&](const QueueRow& row) { return bound_id(row) != job.id.str(); });
  co_return !queue->rows.empty() && std::ranges::all_of(queue->rows, [](const QueueRow& row) {
    return phase_of(row.state) == Phase::queued && row.nodes.empty() && row.priority == 0;
  });
}

}  // namespace hansa::connectors::slurm
