// SPDX-License-Identifier: Apache-2.0
#pragma once
// A simulated site: nodes, queues, a scheduler, an accounting database, and the fences in people's work folders.
//
// A discrete-event simulation that is only ever asked: it has its own clock, which moves when advance_to() is called, and
// plays everything that happened up to then. No thread, no task, no system time, no randomness: the same calls at the
// same times give the same site.
//
// The scheduler is first come, first served within a priority tier, with EASY backfilling: only the first job that
// cannot start has a reservation, computed from wall-time limits, and a later job starts before it if it cannot delay it.

#include "broker/core/error.hpp"
#include "broker/domain/snapshot.hpp"
#include "broker/domain/usage.hpp"
#include "connectors/model/behaviour.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hansa::connectors::model {

struct NodeGroup {
  std::int32_t count = 1;
  std::int32_t cores = 16;
  Mebibytes memory{65'536};
  std::int32_t gpus = 0;
  std::string gpu_model;
};

struct QueueLimits {
  QueueName name{"batch"};
  std::optional<Seconds> max_time;
  std::optional<std::int32_t> max_nodes;
  std::int32_t priority_tier = 1;
  std::vector<std::size_t> groups;    // indices of node groups; empty: all
};

/// Other people's work: the same job again and again, the first at the site's start.
struct BackgroundLoad {
  Seconds every{60};
  domain::Resources resources;
  Seconds run{60};
  Seconds time_limit{3600};
  QueueName queue;                    // "" is the default queue
};

struct ClusterRequest;

struct ClusterOptions {
  std::string name = "model";
  std::vector<NodeGroup> node_groups{NodeGroup{}};
  std::vector<QueueLimits> queues{QueueLimits{}};  // the first is the default
  std::vector<domain::Reservation> reservations;
  std::vector<BackgroundLoad> background;
  std::vector<LocalAccount> accounts;              // empty: anybody
  std::vector<std::string> scheduler_accounts;     // empty: any
  std::optional<domain::ArrayLimits> arrays = domain::ArrayLimits{};
  std::function<void(ClusterRequest&)> on_submission;  // may change it, as Slurm's job_submit and PBS's hooks do
  bool hides_jobs = false;                         // of anybody but us, as Slurm's PrivateData=jobs
  bool backfill = true;
  std::size_t backfill_depth = 500;                // waiting jobs that one pass looks at
  Milliseconds scheduling_delay{1000};             // from an event to the pass that it causes
  Milliseconds completing{0};                      // cleaning up after a payload; the nodes are held
  Milliseconds visibility_lag{0};                  // from acceptance to the first listing that shows the job
  Milliseconds accounting_lag{1000};               // from an event to its place in the history
  Seconds min_job_age{300};                        // from a job's end to its leaving the queue listing
  std::int64_t first_job_id = 1;
  std::int64_t last_job_id = 67'043'328;           // then first_job_id again (Slurm's MaxJobId recycles too)
};

/// Every fault of the options, each with its key.
Result<void> validate(const ClusterOptions& options);

/// What the site is asked to run.
struct ClusterRequest {
  std::string name;                   // the scheduler's job name: our tag
  LocalAccount account;
  std::string scheduler_account;
  QueueName queue;
  domain::Resources resources;
  Seconds time_limit{3600};
  bool requeue = false;
  bool singleton = false;             // not before earlier jobs of that name and account have ended
  bool fenced = false;                // runs inside our wrapper
  Behaviour behaviour;
  domain::TaskArray array = {};       // one job for each of its tasks
};

enum class ClusterState { pending, running, completing, ended };

/// One run as the accounting keeps it.
struct ClusterRun {
  std::int32_t number = 0;
  std::optional<UtcTime> started_at;
  UtcTime ended_at{};
  std::string site_state;
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  std::int32_t cores = 0, gpus = 0;   // in all
};

struct ClusterJob {
  std::int64_t serial = 0;            // never recycled, rises with acceptance
  SiteJobId id;                       // of a task: the array's, '_' and its index
  SiteJobId array_id;                 // of a task
  std::int32_t task = 0;
  ClusterRequest request;
  ClusterState state = ClusterState::pending;
  std::string site_state = "PENDING";
  std::string pending_reason = "Priority";
  bool held = false;
  UtcTime submitted_at{};
  std::int32_t run = 0;
  std::vector<domain::NodeShare> shares;
  std::optional<UtcTime> started_at;
  std::optional<UtcTime> ended_at;    // of the last run, if it is over
  std::optional<domain::Outcome> outcome;
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  domain::Reason reason;
  std::int32_t payload_starts = 0;    // how often it got past its fence
  bool forgotten = false;             // by its controller: no listing shows it and no cancel finds it
  bool purged = false;                // from the accounting
  std::vector<ClusterRun> past_runs;  // before a requeue
  std::int32_t cores = 0, gpus = 0;   // of the last run, in all
};

/// One line of the accounting: a finished run of a job.
struct AccountingLine {
  std::int64_t serial = 0;
  ClusterRun run;
};

/// The links in people's fence folders: (account, tag.task, or tag.array) -> "job:<id>:<run>" | "sealed".
using Fences = std::map<std::pair<std::string, std::string>, std::string>;

/// What Hansa's wrapper does before the payload: takes the fence, or says why the payload must not start.
std::optional<domain::Reason> take_fence(Fences& fences, const ClusterJob& job);
using Wrapper = std::function<std::optional<domain::Reason>(Fences&, const ClusterJob&)>;

enum class Killed { never_started, stopped, already_ended, not_pending, no_such_job };

class Cluster {
 public:
  /// `options` are valid; `start` is the site's own clock.
  Cluster(ClusterOptions options, UtcTime start);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// Plays what happens up to and including `t`. Never goes back.
  void advance_to(UtcTime t);
  [[nodiscard]] UtcTime now() const { return now_; }
  [[nodiscard]] const ClusterOptions& options() const { return options_; }

  // What the scheduler's commands do.

  /// The job, accepted now; of an array the id of all. permission_denied for an account that the site does not have;
  /// invalid_argument, with the scheduler's words, for what it refuses.
  Result<SiteJobId> submit(ClusterRequest request);
  /// The same, but at `when`; a refusal then is nobody's to hear.
  void submit_later(UtcTime when, ClusterRequest request);
  Killed cancel(const SiteJobId& id, std::string_view name, bool only_while_pending);
  /// All tasks of an array; only_while_pending: none if one of them has started.
  /// All its tasks, or `only` those.
  Killed cancel_array(const SiteJobId& array, std::string_view name, bool only_while_pending,
                      const std::vector<std::int32_t>* only = nullptr);
  /// In the order of their indices; none: there is no such array.
  [[nodiscard]] std::vector<const ClusterJob*> tasks_of(const SiteJobId& array, std::string_view name) const;
  void describe(domain::SiteSnapshot& snapshot) const;
  /// What the queue listing and the accounting show now, oldest first.
  [[nodiscard]] std::vector<const ClusterJob*> listed(std::string_view name) const;
  [[nodiscard]] std::vector<const ClusterJob*> recorded(std::string_view name) const;
  [[nodiscard]] bool is_listed(const ClusterJob& job) const;
  /// The accounting knows of the job, of its start, of its end. Nobody tells it that the controller has forgotten one: Slurm's
  /// "runaway" jobs run there for ever.
  [[nodiscard]] bool is_recorded(const ClusterJob& job) const { return !job.purged && recorded_by_now(job.submitted_at); }
  [[nodiscard]] bool recorded_by_now(UtcTime event) const { return event + options_.accounting_lag <= now_; }
  /// The last job with that id and that name; an id alone may have been recycled.
  [[nodiscard]] const ClusterJob* job(const SiteJobId& id, std::string_view name) const;
  /// Finished runs in the order in which they entered the accounting; the history only grows.
  [[nodiscard]] const std::vector<AccountingLine>& accounting() const { return accounting_; }
  [[nodiscard]] const ClusterJob& job_of(const AccountingLine& line) const { return jobs_[index(line.serial)]; }
  [[nodiscard]] const std::deque<ClusterJob>& jobs() const { return jobs_; }
  /// Pending or running, everybody's: what MaxJobCount limits.
  [[nodiscard]] std::size_t alive_jobs() const { return waiting_.size() + running_.size(); }
  /// Payloads started since the beginning.
  [[nodiscard]] std::int64_t payload_starts() const { return payload_starts_; }
  /// What the site's wall clock showed at that moment: every time that it tells was read off that clock.
  [[nodiscard]] UtcTime told(UtcTime moment) const;

  // The account's work folder.

  /// `ln -sn sealed`: true if the link is now, or was before, ours. Else `holder` is who was first.
  bool seal(const LocalAccount& account, std::string_view tag, std::int32_t task, SiteJobId& holder) {
    return seal(account, std::string(tag) + "." + std::to_string(task), holder);
  }
  /// The same of an array's one right.
  bool seal_array(const LocalAccount& account, std::string_view tag, SiteJobId& holder) {
    return seal(account, std::string(tag) + ".array", holder);
  }

  // What the site's own people do.

  /// As `scontrol requeue`: a running job starts again from the queue, whatever it asked for.
  bool requeue(const SiteJobId& id);
  bool hold(const SiteJobId& id, bool held);
  /// A node goes down with what runs on it, or comes back.
  void set_node_usable(std::size_t node, bool usable);
  void set_queue_up(const QueueName& name, bool up);
  /// The controller dies and starts again. What it had accepted in the last `lost` was not on its disk yet: jobs of that time
  /// that have not ended are forgotten, and the nodes kill what runs of them when they register.
  void restart_controller(Milliseconds lost);
  /// The accounting forgets what ended so long ago, as Slurm's PurgeJobAfter has it do.
  void purge_history(Milliseconds older_than);
  /// The wall clock steps, as for summer time on a machine that keeps local time. The site's doings do not notice.
  void step_clock(Milliseconds by);
  /// Another wrapper than Hansa's: for tests that show what Hansa's is good for.
  void set_wrapper(Wrapper wrapper) { wrapper_ = std::move(wrapper); }
  void set_accounting_lag(Milliseconds lag) { options_.accounting_lag = lag; }

 private:
  struct Place {                      // a node's free capacity
    std::int32_t cores = 0;
    std::int64_t memory = 0;
    std::int32_t gpus = 0;
  };

  struct Shadow {                     // the reservation of the first job that cannot start
    UtcTime starts_at = UtcTime::max();
    std::vector<Place> left_free;     // at that time, beside it; empty if nothing is known of it
  };

  bool seal(const LocalAccount& account, const std::string& fence, SiteJobId& holder);
  static std::size_t index(std::int64_t serial) { return static_cast<std::size_t>(serial - 1); }
  void at(UtcTime when, std::function<void()> what);
  void wake_scheduler();
  void schedule();
  [[nodiscard]] std::optional<std::size_t> queue_index(const QueueName& name) const;
  [[nodiscard]] Result<void> admissible(const ClusterRequest& request) const;
  ClusterJob& make_job(ClusterRequest request, const SiteJobId& id);
  void keep_failed(ClusterRequest request);
  /// The limit of its queue that keeps it from ever starting; "" if none does.
  [[nodiscard]] std::string_view beyond_its_queue(const ClusterJob& job) const;
  [[nodiscard]] bool first_of_its_name(const ClusterJob& job) const;
  [[nodiscard]] SiteJobId take_id();
  void leave_alive(const ClusterJob& job);
  /// Nodes for the job from `from` to its limit, or none; `beside`, if any, must have room for it as well.
  [[nodiscard]] std::vector<domain::NodeShare> place(const ClusterJob& job, const std::vector<Place>& free, UtcTime from,
                                                     const std::vector<Place>* beside = nullptr) const;
  [[nodiscard]] Shadow shadow_of(const ClusterJob& head) const;
  [[nodiscard]] std::pair<std::int32_t, std::int64_t> turn_of(const ClusterJob& job) const;
  void start(ClusterJob& job, std::vector<domain::NodeShare> shares);
  void end_run(ClusterJob& job, std::string_view site_state, domain::Outcome outcome, std::int32_t exit_code, std::int32_t signal,
               domain::Reason reason);
  void back_to_queue(ClusterJob& job, std::string_view site_state);
  void node_failed(ClusterJob& job);
  void release_nodes(ClusterJob& job);
  void record_run(const ClusterJob& job, std::string_view site_state, std::int32_t exit_code, std::int32_t signal);
  void plan_background(std::size_t which);

  ClusterOptions options_;
  UtcTime now_;
  std::vector<domain::Node> nodes_;
  std::vector<domain::Queue> queues_;
  std::vector<Place> free_;           // per node
  std::map<std::pair<UtcTime, std::uint64_t>, std::function<void()>> agenda_;
  std::uint64_t planned_ = 0;
  std::optional<UtcTime> pass_at_;    // the pass that is planned
  std::deque<ClusterJob> jobs_;       // by serial
  std::set<std::pair<std::int32_t, std::int64_t>> waiting_;  // (-tier, serial): the scheduler's order
  std::set<std::int64_t> running_;    // completing ones included
  std::unordered_map<std::string, std::int32_t> running_tasks_;  // of arrays, by their id and name
  std::unordered_map<std::string, std::vector<std::int64_t>> by_name_;
  std::unordered_map<std::string, std::vector<std::int64_t>> by_id_;
  std::map<std::pair<std::string, std::string>, std::set<std::int64_t>> alive_by_name_;  // name, account
  std::int64_t next_id_;
  std::int64_t payload_starts_ = 0;
  std::vector<std::pair<UtcTime, Milliseconds>> clock_steps_;  // from when on the wall clock is so far off
  std::vector<AccountingLine> accounting_;
  Fences fences_;
  Wrapper wrapper_ = take_fence;
};

}  // namespace hansa::connectors::model
