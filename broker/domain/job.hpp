// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a user submits and what becomes of it: job -> attempt (one binding to a site) -> run (one execution of one array task).
// Values only. The one way a Job changes is apply(Job&, JobEvent) in transition.hpp.

#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/ulid.hpp"
#include "broker/domain/grant.hpp"
#include "broker/domain/label.hpp"
#include "broker/domain/secret_use.hpp"
#include "broker/domain/task_array.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::domain {

struct Resources {
  std::int32_t nodes = 1;              // >= 1
  std::int32_t tasks = 1;              // >= nodes; spread evenly, the first nodes take one more
  std::int32_t cpus_per_task = 1;      // >= 1
  Mebibytes memory_per_node{0};        // 0: what the site gives by default
  std::int32_t gpus_per_node = 0;
  std::string gpu_model;               // "" takes any
  bool exclusive = false;              // its nodes are its own, whole

  /// Cores that the fullest node needs.
  [[nodiscard]] std::int32_t cores_per_node() const { return (tasks + nodes - 1) / nodes * cpus_per_task; }
  friend bool operator==(const Resources&, const Resources&) = default;
};

/// What a script runs in.
struct Software {
  std::string image;                   // pinned (software.hpp); "": no container
  std::vector<std::string> binds;      // "SOURCE[:TARGET[:ro]]"
  bool processes_only = false;         // the script runs beside the container, and what hansa-launch starts in it
  std::vector<std::string> modules;    // names that a site's profile maps to its own
  bool outbound = false;               // its nodes must reach the network outside
  friend bool operator==(const Software&, const Software&) = default;
};

/// What a variant asks of the place; "" takes any.
struct Condition {
  std::string gpu_vendor;
  std::string gpu_model;
  std::string architecture;            // of the processors
  SiteId site;
  std::string country;
  friend bool operator==(const Condition&, const Condition&) = default;
};

/// How a job runs where `when` holds; complete: what it does not say stands in it as the job says it (variant.hpp).
struct Variant {
  std::string name;                    // unique within the job
  Condition when;
  Resources resources;
  Software software;
  std::map<std::string, std::string> environment;  // wins over the job's
  friend bool operator==(const Variant&, const Variant&) = default;
};

/// The user's own narrowing; empty means anywhere that the rules allow.
struct Placement {
  std::vector<SiteId> sites;
  std::vector<std::string> countries;  // ISO 3166-1 alpha-2
  friend bool operator==(const Placement&, const Placement&) = default;
};

/// What decides where a job can go. Light: the engine keeps one for every job that is not over.
struct JobSpec {
  std::string name;                    // a label for people; the scheduler's job name is the tag
  ProjectId project;
  Resources resources;
  Software software;
  std::vector<Variant> variants;       // the first that holds of a queue counts there; none: as above, everywhere
  Seconds time_limit{3600};
  Placement placement;
  std::vector<DatasetId> datasets;     // what it reads, in the register of datasets; each once
  Labels labels;                       // what the submission says of its own script; can only narrow
  std::map<std::string, std::string> outputs;  // files that it leaves, to be fetched: name -> path beneath its working folder
  CodeId code;                         // unpacked into its working folder before it starts; empty: none
  std::vector<SecretUse> secrets;      // of its owner's, by name; each file once
  TaskArray array;                     // resources and time limit are those of each task
  std::vector<JobId> after;            // jobs of its owner that must have succeeded before it goes to any site; each once
  bool requeue = false;                // the site may start it again after a node failure
  friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

/// What runs. Opaque: stored, handed on byte for byte, never interpreted.
struct JobPayload {
  std::string script;                  // starts with "#!", no NUL
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;
  friend bool operator==(const JobPayload&, const JobPayload&) = default;
};

struct Submission {
  JobSpec spec;
  JobPayload payload;
  std::vector<std::size_t> after_earlier = {};  // comes after these of the same request as well: their places in it
  friend bool operator==(const Submission&, const Submission&) = default;
};

enum class JobState {
  accepted,
  waiting,
  held,
  staging,
  submitting,
  queued,
  running,
  finishing,
  succeeded,
  failed,
  timed_out,
  cancelled,
  lost,
  rejected,  // terminal: final
};
enum class AttemptState { intended, sent, bound, ended };

/// How an attempt ended. Only never_started lets the job go elsewhere.
enum class Outcome { succeeded, failed, timed_out, cancelled, never_started };

enum class CancelOutcome { never_started, stopped, already_ended, unknown };

bool is_terminal(JobState state);
std::string_view to_string(JobState state);
std::string_view to_string(AttemptState state);
std::string_view to_string(Outcome outcome);
std::string_view to_string(CancelOutcome outcome);
std::optional<JobState> parse_job_state(std::string_view text);
std::optional<AttemptState> parse_attempt_state(std::string_view text);
std::optional<Outcome> parse_outcome(std::string_view text);
std::optional<CancelOutcome> parse_cancel_outcome(std::string_view text);

/// Why a job is where it is: a stable code and a sentence for people.
struct Reason {
  std::string code;
  std::string message;
  friend bool operator==(const Reason&, const Reason&) = default;
};

/// Code of the reason why a job is held that waits for others to succeed.
inline constexpr std::string_view kDependency = "DEPENDENCY";

/// One execution of one array task. A requeue at the site is a new run of the same attempt.
struct Run {
  std::int32_t task_index = 0;         // 0 for a job without an array
  std::int32_t number = 0;             // 0 for the first, the site's restart count
  std::optional<UtcTime> started_at;
  std::optional<UtcTime> ended_at;
  std::optional<std::int32_t> exit_code;
  std::optional<std::int32_t> signal;
  std::optional<Outcome> outcome;
  /// A task's that its attempt was begun without.
  [[nodiscard]] bool left_out() const { return outcome == Outcome::cancelled && !started_at && !ended_at; }
  friend bool operator==(const Run&, const Run&) = default;
};

/// The broker has set out to take the job to another site: its site job is sealed, and cancelled if it is still pending.
struct Move {
  SiteId to;
  SiteJobId from;                      // the site job that it was about: of a duplicate's that took its place it says nothing
  std::string why;                     // with the numbers, for people
  friend bool operator==(const Move&, const Move&) = default;
};

struct Attempt {
  std::int32_t number = 1;             // 1, 2, ... within the job
  SiteId site;
  QueueName queue;
  LocalAccount account;                // empty: the broker's own account at that site
  std::string scheduler_account;       // the project's account in the site's scheduler, or ""
  std::string variant;                 // of the job's, by name; "": it has none
  AttemptState state = AttemptState::intended;
  UtcTime intended_at{};
  SiteJobId site_job_id;               // empty until bound
  std::int32_t sends = 0;              // submissions that left for the site, all under one tag
  bool sealed = false;                 // its fence is taken by the broker: its payload can never start
  std::optional<UtcTime> unknown_since;
  std::optional<Outcome> outcome;
  Reason reason;
  std::optional<Grant> granted;        // as the site says; none: it has not been read back yet
  std::optional<Move> move;            // begun; made only if the attempt never started. One in a job's life
  std::vector<Run> runs;

  /// The last of a task that is known; null: none.
  [[nodiscard]] const Run* last_run(std::int32_t task_index) const;
  /// Nothing of it has been seen to run.
  [[nodiscard]] bool none_began() const { return std::ranges::all_of(runs, &Run::left_out); }
  friend bool operator==(const Attempt&, const Attempt&) = default;
};

struct CancelIntent {
  Principal by;
  UtcTime at{};
  std::optional<CancelOutcome> outcome;
  friend bool operator==(const CancelIntent&, const CancelIntent&) = default;
};

struct Job {
  JobId id;
  Principal owner;
  std::string broker_id;
  std::int64_t epoch = 0;              // of the broker process that wrote it last
  std::int64_t version = 0;            // number of its last event; 1 is Accepted
  JobSpec spec;
  JobState state = JobState::accepted;
  Reason reason;
  bool held_by_user = false;
  std::optional<CancelIntent> cancel;
  std::vector<std::int32_t> cancelled_tasks = {};  // of an array: whose own cancel was asked for, rising
  std::vector<Attempt> attempts;
  UtcTime accepted_at{};
  std::optional<UtcTime> started_at;   // of the run that counts
  std::optional<UtcTime> ended_at;
  std::optional<std::int32_t> exit_code;
  std::optional<std::int32_t> signal;

  /// The attempt that is not over, if any. At most one is.
  [[nodiscard]] const Attempt* live_attempt() const;
  /// It was not told yet that the jobs it comes after have succeeded: until then it is in no line, and goes to no site.
  [[nodiscard]] bool awaits_others() const;
  /// Its one move was begun, however that ended.
  [[nodiscard]] bool move_begun() const;
  /// Tasks of the array of which no end is known in that attempt, rising; none if the job is no array.
  [[nodiscard]] std::vector<std::int32_t> open_tasks(const Attempt& attempt) const;
  /// Of those: which `attempt` has still to be rid of.
  [[nodiscard]] std::vector<std::int32_t> tasks_to_cancel(const Attempt& attempt) const;
  /// Of the array: what the next attempt has; as it is if no task's cancel was asked for.
  [[nodiscard]] TaskArray array_left() const;
  /// How much of it runs at a time at most: tasks of what is left of an array, else 1.
  [[nodiscard]] std::int32_t side_by_side() const;
  /// Its site has, or will have, to be told to end it, or some of its tasks.
  [[nodiscard]] bool to_be_cancelled() const { return cancel.has_value() || !cancelled_tasks.empty(); }
  [[nodiscard]] const Attempt* last_attempt() const { return attempts.empty() ? nullptr : &attempts.back(); }
  friend bool operator==(const Job&, const Job&) = default;
};

/// "hansa-<job id>-<attempt>": the scheduler's job name.
Tag make_tag(const JobId& job, std::int32_t attempt);

struct TagParts {
  JobId job;
  std::int32_t attempt = 0;
};
/// Nothing but a well-formed tag; a user can give any name to a job of their own.
std::optional<TagParts> parse_tag(std::string_view text);

}  // namespace hansa::domain
