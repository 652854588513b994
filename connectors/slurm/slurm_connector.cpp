// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/slurm_connector.hpp"

#include "broker/core/time_text.hpp"
#include "connectors/slurm/job_state.hpp"
#include "connectors/slurm/snapshot.hpp"
#include "connectors/slurm/submission.hpp"
#include "connectors/slurm/usage_window.hpp"
#include "connectors/transport/wrapper.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
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
using transport::CommandResult;

constexpr std::size_t kMaxAnswer = std::size_t{100} << 20;
// One argument may have 128 KiB (MAX_ARG_STRLEN). Longer selections go in several calls of sacct; squeue is asked for everything
// then: it gets all jobs from the controller anyway and filters by itself.
constexpr std::size_t kMaxSelection = std::size_t{120} << 10;
constexpr Milliseconds kFirstPause{250};    // between two looks at a job that is being cancelled
constexpr Milliseconds kLongestPause{4000};

std::string join(const std::vector<std::string>& items) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += ',';
    text += item;
  }
  return text;
}

/// In as few comma-separated lists as fit.
std::vector<std::string> join_in_pieces(const std::vector<std::string>& items) {
  std::vector<std::string> pieces;
  for (const auto& item : items) {
    if (pieces.empty() || pieces.back().size() + 1 + item.size() > kMaxSelection) {
      pieces.push_back(item);
    } else {
      pieces.back().append(",").append(item);
    }
  }
  return pieces;
}

/// sacct's -S and -E: ISO, in the zone it is asked in (TZ=UTC).
std::string iso(UtcTime time) {
  auto text = format_utc(time);
  text.pop_back();  // the 'Z'
  return text;
}

/// A question that did not come to an answer.
std::unexpected<Error> no_answer(const std::string& program, const CommandResult& result) {
  const auto detail = program + ": " + result.err.substr(0, 1024);
  if (result.cancelled) return std::unexpected(Error{.kind = ErrorKind::cancelled, .code = "CANCELLED", .message = "cancelled"});
  if (result.timed_out) {
    return fail(ErrorKind::deadline_exceeded, "SITE_SILENT", "the site did not answer " + program + " in time", detail);
  }
  if (!result.exit_status) return fail(ErrorKind::unavailable, "SITE_SILENT", program + " was killed at the site", detail);
  const auto words = words_of(result.err);
  const auto said = words.empty() ? "exit code " + std::to_string(*result.exit_status) : words;
  if (result.err.contains("Access/permission denied") || result.err.contains("not authorized")) {
    return fail(ErrorKind::permission_denied, "SITE_DENIED", "the site does not allow " + program + ": " + said, detail);
  }
  return fail(ErrorKind::unavailable, "SITE_DOWN", program + " failed at the site: " + said, detail);
}

/// Repeating a question is harmless: an unknown outcome of the way to the site is only a failure.
Error as_question(Error error) {
  if (error.kind == ErrorKind::unknown_outcome) {
    error.kind = ErrorKind::unavailable;
    error.retryable = true;
  }
  return error;
}

std::string own_account() {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer{};
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return "";
  return entry.pw_name;
}

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
  if (!faults.empty()) {
    return std::unexpected(
        Error{.kind = ErrorKind::invalid_argument,
              .code = "SLURM_OPTIONS",
              .message = "site \"" + options.site.str() + "\": " + faults.front().where + ' ' + faults.front().message,
              .faults = std::move(faults)});
  }
  return std::unique_ptr<SlurmConnector>(new SlurmConnector(std::move(options), transport, scheduler, random));
}

SlurmConnector::SlurmConnector(Options options, transport::Transport& transport, async::Scheduler& scheduler, Random& random)
    : options_(std::move(options)), transport_(transport), scheduler_(scheduler), random_(random), own_account_(own_account()) {}

// ---- talking to the site

Task<CommandResult> SlurmConnector::run(Viewer viewer, std::string program, std::vector<std::string> arguments, std::string input,
                                        Deadline deadline) {
  transport::Command command{.program = options_.bin_dir + '/' + program,
                             .arguments = std::move(arguments),
                             .environment = {{"TZ", "UTC"}, {"LC_ALL", "C"}, {"SLURM_TIME_FORMAT", "%s"}},
                             .working_directory = "",
                             .input = std::move(input),
                             .output_limit = kMaxAnswer,
                             .account = std::move(viewer.account),
                             .person = std::move(viewer.person),
                             .tag = ""};
  if (!options_.slurm_conf.empty()) command.environment.emplace_back("SLURM_CONF", options_.slurm_conf);
  auto result = co_await transport_.run(std::move(command), deadline);
  if (!result) co_return std::unexpected(as_question(std::move(result.error())));
  co_return std::move(*result);
}

Task<Listing<QueueRow>> SlurmConnector::ask_queue(QueueQuestion question, Deadline deadline) {
  const auto separator = make_separator(random_);
  // Array tasks one by one; in the order in which Slurm looks at them.
  std::vector<std::string> arguments{"--noheader", "--all", "--array", "--sort=-p,i", "--Format=" + queue_format(separator)};
  if (question.ended_too) arguments.emplace_back("--states=all");
  if (auto names = join(question.names); !names.empty() && names.size() <= kMaxSelection) arguments.push_back("--name=" + names);
  auto result = co_await run(question.viewer, "squeue", std::move(arguments), "", deadline);
  if (!result) co_return std::unexpected(result.error());
  // An unknown field is only a complaint on stderr (rc 0), and every row lacks it.
  if (!result->succeeded() || result->timed_out || result->cancelled) co_return no_answer("squeue", *result);
  auto listing = parse_squeue(result->out, separator);
  listing.complete = listing.complete && !result->out_truncated;
  if (listing.rows.empty() && !listing.dropped.empty()) {
    co_return fail(ErrorKind::internal, "SITE_GARBLED", "squeue's answer is not understood: " + listing.dropped.front().why,
                   result->err.substr(0, 512) + " / " + result->out.substr(0, 512));
  }
  co_return listing;
}

Task<Listing<HistoryRow>> SlurmConnector::ask_history(HistoryQuestion question, Deadline deadline) {
  const auto separator = make_separator(random_);
  // Asked plainly, 22.05 leaves out what was cancelled before it became eligible; asked by all states with an end, it has
  // everything but the pending, which squeue has. Times are UTC (TZ); -X: no steps; -D: every run of a requeued job.
  std::string states = "CA,CD,F,TO,NF,OOM,PR,DL,BF,RQ,RS,RV";
  if (!question.only_ended) states += ",R,S,PD";
  std::vector<std::string> arguments{"--allusers",
                                     "--allocations",
                                     "--duplicates",
                                     "--noheader",
                                     "--noconvert",
                                     "--parsable",
                                     "--delimiter=" + separator,
                                     "--format=" + history_format(),
                                     "--state=" + states,
                                     "--starttime=" + iso(question.from),
                                     "--endtime=" + (question.to ? iso(*question.to) : "now")};
  std::ranges::move(question.selection, std::back_inserter(arguments));
  auto result = co_await run(question.viewer, "sacct", std::move(arguments), "", deadline);
  if (!result) co_return std::unexpected(result.error());
  // With slurmdbd down sacct complains and fails (dbddown.sacct); a complaint with rc 0 is not trusted either.
  if (!result->succeeded() || result->timed_out || result->cancelled || result->err.contains("error:"))
    co_return no_answer("sacct", *result);
  auto listing = parse_sacct(result->out, separator);
  listing.complete = listing.complete && !result->out_truncated;
  if (listing.rows.empty() && !listing.dropped.empty()) {
    co_return fail(ErrorKind::internal, "SITE_GARBLED", "sacct's answer is not understood: " + listing.dropped.front().why,
                   result->err.substr(0, 512) + " / " + result->out.substr(0, 512));
  }
  co_return listing;
}

Task<Inventory> SlurmConnector::ask_inventory(Deadline deadline) {
  const bool first = !configuration_;
  auto result = co_await run({}, "scontrol", {"--all", "--oneliner", "--quiet"}, inventory_questions(first), deadline);
  if (!result) co_return std::unexpected(result.error());
  if (result->timed_out || result->cancelled || !result->exit_status) co_return no_answer("scontrol", *result);
  auto inventory = parse_inventory(result->out);
  // scontrol says what failed with its exit code only; one of the answers being there does not make the others complete.
  if (!result->succeeded() || result->out_truncated) co_return no_answer("scontrol", *result);
  if (first && inventory.configuration.cluster.empty()) {
    co_return fail(ErrorKind::internal, "SITE_GARBLED", "scontrol does not say the cluster's name", result->out.substr(0, 512));
  }
  if (first) {
    // slurmdbd hides jobs on its own account. No sacctmgr, no answer: then what slurm.conf says is taken for both.
    const auto accounting = co_await run({}, "sacctmgr", {"--noheader", "show", "configuration"}, "", deadline);
    history_hides_jobs_ = inventory.configuration.hides_jobs;
    if (accounting && accounting->succeeded()) history_hides_jobs_ = parse_inventory(accounting->out).configuration.hides_jobs;
    configuration_ = inventory.configuration;
  }
  co_return inventory;
}

Task<> SlurmConnector::learn_configuration(Deadline deadline) {
  if (configuration_) co_return Result<void>{};
  const auto inventory = co_await ask_inventory(deadline);
  if (!inventory) co_return std::unexpected(inventory.error());
  co_return Result<void>{};
}

/// The broker sees everybody's jobs where it may; else each account is asked for its own.
Task<std::vector<SlurmConnector::Viewer>> SlurmConnector::viewers_of(std::vector<SiteJob> jobs, Deadline deadline) {
  if (auto known = co_await learn_configuration(deadline); !known) co_return std::unexpected(known.error());
  std::set<LocalAccount> seen;
  std::vector<Viewer> viewers;
  if (!configuration_->hides_jobs && !history_hides_jobs_) co_return std::vector<Viewer>(1);
  for (const auto& job : jobs) {
    if (seen.insert(job.account).second) viewers.push_back({job.account, job.person});
  }
  co_return viewers;
}

bool SlurmConnector::is_ours(const SiteJob& job, std::string_view name, const std::string& user, UtcTime submitted_at) const {
  const auto& account = job.account.empty() ? own_account_ : job.account.str();
  return name == job.tag.str() && user == account && submitted_at >= job.intended_at - options_.clock_skew - Seconds{1};
}

// ---- questions

Task<domain::SiteSnapshot> SlurmConnector::snapshot(Deadline deadline) {
  const auto taken_at = scheduler_.now_utc();
  auto jobs = co_await ask_queue({.viewer = {}, .names = {}, .ended_too = false}, deadline);
  if (!jobs) co_return std::unexpected(jobs.error());
  const auto inventory = co_await ask_inventory(deadline);
  if (!inventory) co_return std::unexpected(inventory.error());
  co_return build_snapshot(*inventory, *configuration_, *jobs, taken_at);
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
      if (!is_ours(jobs[at->second], row.name, row.user, row.submitted_at)) continue;
      statuses[at->second] = status;
      kept = true;
    }
    return kept;
  };
  const auto viewers = co_await viewers_of(jobs, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  bool answered = false;
  for (const auto& viewer : *viewers) {
    auto queue = co_await ask_queue({.viewer = viewer, .names = names, .ended_too = true}, deadline);
    if (!queue) co_return std::unexpected(queue.error());
    for (const auto& row : queue->rows) answered = keep(row, to_status(row)) || answered;
  }

  std::vector<SiteJob> forgotten;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (statuses[i].phase == Phase::not_seen && parse_count(jobs[i].id.str())) forgotten.push_back(jobs[i]);
  }
  if (!forgotten.empty()) {
    const auto history = co_await ask_history_of(forgotten, deadline);
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
    statuses[i] = co_await explain_end(jobs[i], std::move(statuses[i]), deadline);
  }
  co_return statuses;
}

Task<std::vector<HistoryRow>> SlurmConnector::ask_history_of(std::vector<SiteJob> jobs, Deadline deadline) {
  std::vector<std::string> ids;
  auto oldest = scheduler_.now_utc();
  for (const auto& job : jobs) {
    ids.push_back(job.id.str());
    oldest = std::min(oldest, job.intended_at);
  }
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  const auto viewers = co_await viewers_of(jobs, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  std::vector<HistoryRow> rows;
  for (const auto& viewer : *viewers) {
    for (const auto& piece : join_in_pieces(ids)) {
      auto listing = co_await ask_history({.viewer = viewer,
                                           .selection = {"--jobs=" + piece},
                                           .from = oldest - options_.clock_skew,
                                           .to = {},
                                           .only_ended = false},
                                          deadline);
      if (!listing) co_return std::unexpected(listing.error());
      for (auto& row : listing->rows) {
        if (std::ranges::binary_search(ids, row.id)) rows.push_back(std::move(row));
      }
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

  const auto viewers = co_await viewers_of(wanted, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  found.queue_seen = found.history_seen = true;
  std::optional<Error> failure;
  std::set<std::string> in_queue;
  for (const auto& viewer : *viewers) {
    auto queue = co_await ask_queue({.viewer = viewer, .names = names, .ended_too = true}, deadline);
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
    for (const auto& piece : join_in_pieces(names)) {
      auto history =
          co_await ask_history({.viewer = viewer,
                                .selection = {"--name=" + piece},  // compared without regard to case: looked at again below
                                .from = oldest - options_.clock_skew,
                                .to = {},
                                .only_ended = false},
                               deadline);
      found.history_seen = found.history_seen && history && history->complete && history->dropped.empty();
      if (!history && !failure) failure = history.error();
      for (const auto& row : history ? history->rows : std::vector<HistoryRow>{}) {
        if (!is_wanted(row.name) || in_queue.contains(row.id)) continue;  // the controller knows better
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
  }
  if (!found.queue_seen && !found.history_seen && found.sightings.empty() && failure) co_return std::unexpected(*failure);
  co_return found;
}

Task<ports::UsagePage> SlurmConnector::usage(ports::UsageCursor from, Deadline deadline) {
  auto window = next_window(from.text, scheduler_.now_utc(), options_.usage_history);
  if (!window) co_return std::unexpected(window.error());
  auto history =
      co_await ask_history({.viewer = {}, .selection = {}, .from = window->from, .to = window->to, .only_ended = true}, deadline);
  while (history && !history->complete && window->can_be_halved()) {
    window->halve();
    history = co_await ask_history({.viewer = {}, .selection = {}, .from = window->from, .to = window->to, .only_ended = true},
                                   deadline);
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
  const auto work_dir = work_dir_of(request.account);
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
                               .script = std::move(request.payload.script),
                               .arguments = std::move(request.payload.arguments),
                               .environment = std::move(request.payload.environment)});
  if (!script) co_return std::unexpected(script.error());

  if (auto prepared = co_await prepare_work_dir(request.account, request.person, request.tag.str(), deadline); !prepared) {
    auto error = prepared.error();  // nothing of the job has left yet
    if (error.kind == ErrorKind::unknown_outcome) error.kind = ErrorKind::unavailable;
    co_return std::unexpected(std::move(error));
  }
  // sbatch ends itself a moment before the deadline: also when the broker dies meanwhile, no submission is under way past it.
  const auto lifetime = std::chrono::floor<Seconds>(deadline.remaining(scheduler_)) - Seconds{1};
  if (lifetime < Seconds{1}) {
    co_return fail(ErrorKind::deadline_exceeded, "DEADLINE", "no time left to submit to site \"" + options_.site.str() + "\"");
  }
  transport::Command command{.program = options_.bin_dir + "/sbatch",
                             .arguments = std::move(*arguments),
                             .environment = {{"TZ", "UTC"}, {"LC_ALL", "C"}},
                             .working_directory = "",
                             .input = std::move(*script),
                             .output_limit = std::size_t{64} << 10,
                             .self_limit = lifetime,
                             .account = request.account,
                             .person = request.person,
                             .tag = request.tag.str()};
  if (!options_.slurm_conf.empty()) command.environment.emplace_back("SLURM_CONF", options_.slurm_conf);
  const auto result = co_await transport_.run(std::move(command), deadline);
  if (!result) co_return std::unexpected(result.error());
  auto receipt = read_sbatch_answer(*result);
  if (!receipt) prepared_.erase(request.account);
  co_return receipt;
}

Task<> SlurmConnector::prepare_work_dir(LocalAccount account, Principal person, std::string tag, Deadline deadline) {
  if (prepared_.contains(account)) co_return Result<void>{};
  const auto files = files_of(account, person, std::move(tag));
  const auto root = work_dir_of(account);
  if (auto made = co_await files.make_directory(root, deadline); !made) co_return std::unexpected(made.error());
  for (const auto& folder : transport::work_folders()) {
    if (auto made = co_await files.make_directory(root + '/' + folder, deadline); !made) co_return std::unexpected(made.error());
  }
  prepared_.insert(account);
  co_return Result<void>{};
}

std::string SlurmConnector::work_dir_of(const LocalAccount& account) const {
  auto work_dir = options_.work_dir;
  if (const auto at = work_dir.find("{account}"); at != std::string::npos) {
    work_dir.replace(at, 9, account.empty() ? own_account_ : account.str());
  }
  return work_dir;
}

transport::FilesAt SlurmConnector::files_of(const LocalAccount& account, const Principal& person, std::string tag) {
  return {transport_, account, person, std::move(tag)};
}

/// A start that ran nothing ends like a payload with that exit code; the account's own files tell the two apart.
boost::asio::awaitable<JobStatus> SlurmConnector::explain_end(SiteJob job, JobStatus status, Deadline deadline) {
  if (status.reason.code == "LAUNCH_FAILED") prepared_.erase(job.account);
  const auto code = status.exit_code.value_or(0);
  if (status.outcome != domain::Outcome::failed || code < transport::kExitDuplicate || code > transport::kExitDeliveryFailed) {
    co_return status;
  }
  const auto files = files_of(job.account, job.person, job.tag.str());
  const auto root = work_dir_of(job.account) + '/';
  auto refusal = co_await files.read_link(root + transport::refusal_path(job.tag, 0, job.id, status.run), deadline);
  if (refusal && !*refusal && code == transport::kExitDuplicate) {
    // It could not even leave its note (a full disk): then a fence in other hands says the same.
    refusal = co_await files.read_link(root + transport::fence_path(job.tag, 0), deadline);
    if (refusal && *refusal) {
      if (transport::holder_of(**refusal) == job.id) co_return status;
      (*refusal)->insert(0, "DUPLICATE:");
    }
  }
  if (!refusal) {
    // Out of reach for now: not told to be over before it is known how. Never to be read: then the exit code is all there is.
    if (refusal.error().retryable) {
      co_return JobStatus{.id = status.id,
                          .phase = Phase::finishing,
                          .run = status.run,
                          .site_state = status.site_state,
                          .pending_reason = "",
                          .started_at = status.started_at,
                          .ended_at = {},
                          .outcome = {},
                          .exit_code = {},
                          .signal = {},
                          .reason = {}};
    }
    co_return status;
  }
  if (!*refusal) co_return status;
  prepared_.erase(job.account);
  status.exit_code.reset();
  const std::string& note = **refusal;
  const auto colon = std::min(note.find(':'), note.size());
  status.reason.code = note.substr(0, colon);
  if (status.reason.code == "DUPLICATE") {
    status.reason.message =
        "its payload did not run: the job's fence is held by " + words_of(std::string_view(note).substr(colon + 1));
  } else if (status.reason.code == "SITE_REQUEUED") {
    status.reason.message = "the site started it again, which the job did not ask for: the second start ran nothing";
  } else {
    status.reason = {"FENCE_FAILED", "its payload did not run: the fence could not be taken in the account's work_dir"};
  }
  co_return status;
}

// ---- cancel and seal

Task<> SlurmConnector::change_job(SiteJob job, std::string program, std::vector<std::string> arguments, Deadline deadline) {
  const auto result = co_await run({job.account, job.person}, program, std::move(arguments), "", deadline);
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
    const auto history = co_await ask_history_of({job}, deadline);
    if (history && !history->empty() && is_ours(job, history->back().name, history->back().user, history->back().submitted_at)) {
      const auto last = to_status(history->back());
      if (last.phase == Phase::ended) now = last;
    }
  }
  if (now.phase != Phase::ended) co_return std::nullopt;
  if (now.outcome != domain::Outcome::cancelled) {
    co_return now.outcome == domain::Outcome::never_started ? CancelOutcome::never_started : CancelOutcome::already_ended;
  }
  co_return now.started_at ? CancelOutcome::stopped : CancelOutcome::never_started;
}

/// True: it is pending, held by us, and cannot start. False: it is not pending, and not held.
Task<bool> SlurmConnector::hold_while_pending(SiteJob job, Deadline deadline) {
  const auto held = co_await change_job(job, "scontrol", {"hold", job.id.str()}, deadline);
  if (!held) co_return std::unexpected(held.error());
  const auto viewers = co_await viewers_of({job}, deadline);
  if (!viewers) co_return std::unexpected(viewers.error());
  const auto queue = co_await ask_queue({.viewer = viewers->front(), .names = {job.tag.str()}, .ended_too = true}, deadline);
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
  const auto path = work_dir_of(fence.account) + '/' + transport::fence_path(fence.tag, fence.task_index);
  const auto files = files_of(fence.account, fence.person, fence.tag.str());
  if (auto prepared = co_await prepare_work_dir(fence.account, fence.person, fence.tag.str(), deadline); !prepared) {
    co_return std::unexpected(prepared.error());
  }
  auto link = co_await files.make_link(std::string(transport::kSealed), path, deadline);
  if (!link && link.error().kind == ErrorKind::not_found) {  // the folder was removed since: make it again, once
    prepared_.erase(fence.account);
    if (auto prepared = co_await prepare_work_dir(fence.account, fence.person, fence.tag.str(), deadline); !prepared) {
      co_return std::unexpected(prepared.error());
    }
    link = co_await files.make_link(std::string(transport::kSealed), path, deadline);
  }
  if (!link) co_return std::unexpected(as_question(std::move(link.error())));
  if (link->target == transport::kSealed) co_return ports::SealOutcome{.sealed = true, .holder = {}};
  auto holder = transport::holder_of(link->target);
  if (holder.empty()) {
    co_return fail(ErrorKind::internal, "FENCE_GARBLED",
                   "the fence of " + fence.tag.str() + " is held by something that is no job", link->target);
  }
  co_return ports::SealOutcome{.sealed = false, .holder = std::move(holder)};
}

// ---- output

Task<ports::OutputChunk> SlurmConnector::read_output(SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                                     Deadline deadline) {
  const auto path = work_dir_of(job.account) + '/' + transport::output_path(job.tag, stream == ports::Stream::err);
  const auto files = files_of(job.account, job.person, job.tag.str());
  auto bytes = co_await files.read_range(path, offset, std::max<std::size_t>(1, limit), deadline);
  if (!bytes) co_return std::unexpected(bytes.error());
  if (!*bytes) co_return ports::OutputChunk{.bytes = "", .next_offset = offset, .exists = false};
  if (limit == 0) (*bytes)->clear();
  ports::OutputChunk chunk{.bytes = std::move(**bytes), .next_offset = offset, .exists = true};
  chunk.next_offset += chunk.bytes.size();
  co_return chunk;
}

}  // namespace hansa::connectors::slurm
