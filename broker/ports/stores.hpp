// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the broker remembers, by use case. A write returns when it is durable, and not before. Callable from any strand; resumes
// on the caller's. Errors: storage_full (nothing was written; try again when space returns), conflict, not_found, unavailable.

#include "broker/async/task.hpp"
#include "broker/domain/allocation.hpp"
#include "broker/domain/decision.hpp"
#include "broker/domain/event.hpp"
#include "broker/domain/site.hpp"
#include "broker/domain/usage.hpp"
#include "broker/ports/site_connector.hpp"

#include <map>
#include <string>
#include <vector>

namespace hansa::ports {

/// A client's key and the hash of what it asked, kept with the job.
struct Idempotency {
  std::string key;
  std::string request_hash;         // SHA-256, hex
};

/// One step of one job: its new events and what they make of it.
struct JobChange {
  domain::Job job;                          // after the events
  std::vector<domain::JobEvent> events;     // their last number is job.version
  std::optional<domain::Decision> decision; // taken in this step, if any
  domain::Documents documents;              // that the decision names: its input, reduced snapshots; those that may be new
  std::optional<domain::WaitScore> score;   // an attempt has started: what became of its estimate
  std::optional<domain::Hold> hold = {};    // what the attempt that is intended in this step needs (allocations.hpp)
};

struct NewJob {
  domain::Job job;                  // as new_job() made it
  domain::JobPayload payload;
  std::optional<JobChange> decided;  // its first step, if known already: durable in the same commit; neither ends nor cancels it
};

struct AcceptedJobs {
  std::vector<JobId> ids;  // in the order asked
  bool repeated = false;  // the key was known: these are the jobs of the first time
};

struct StoredEvent {
  std::int64_t sequence = 0;  // over all jobs, in commit order
  JobId job;
  std::int64_t version = 0;
  domain::JobEvent event;
};

/// Whose jobs somebody may see beside their own.
struct JobAudience {
  Principal person;
  std::vector<ProjectId> projects;
  std::vector<SiteId> sites;  // where a job is, or was last
};

struct JobQuery {
  std::optional<JobAudience> audience = {};  // none: everybody's
  std::optional<Principal> owner;  // none: everybody's
  std::optional<ProjectId> project;
  std::vector<domain::JobState> states;  // empty: all
  std::optional<UtcTime> accepted_since;
  std::optional<JobId> before;  // cursor: newest first, ids below this one
  std::size_t limit = 100;
};

/// Of all jobs that there have been.
struct Tally {
  std::int64_t accepted = 0;
  std::int64_t moves = 0;  // begun, whether they were made or came too late
};

class JobStore {
 public:
  virtual ~JobStore() = default;

  /// All or none. A known key of the same owner with the same hash returns the first answer; with another hash: conflict,
  /// code IDEMPOTENCY_KEY_REUSED.
  virtual async::Task<AcceptedJobs> accept_jobs(std::vector<NewJob> jobs, std::optional<Idempotency> idempotency) = 0;

  /// What accept_jobs would answer to a known key; none: it is not known. As that, it sees what was asked before it.
  virtual async::Task<std::optional<AcceptedJobs>> accepted_under(Principal owner, Idempotency idempotency) = 0;

  /// Refused (conflict) if the stored job is not at the version before the events (STALE_VERSION), was written by a later
  /// epoch (STALE_EPOCH), or there is no room for its hold (NOT_GRANTED, ALLOCATION_SPENT).
  virtual async::Task<> record(JobChange change) = 0;

  virtual async::Task<domain::Job> job(JobId id) = 0;
  virtual async::Task<domain::JobPayload> payload(JobId id) = 0;
  virtual async::Task<std::vector<domain::Job>> jobs(JobQuery query) = 0;  // newest first
  /// Jobs that are not terminal, oldest first, ids above `after`: to load at start.
  virtual async::Task<std::vector<domain::Job>> active_jobs(std::optional<JobId> after, std::size_t limit) = 0;
  virtual async::Task<std::vector<StoredEvent>> events(JobId id) = 0;
  /// Events of all jobs in commit order, above `after`.
  virtual async::Task<std::vector<StoredEvent>> events_after(std::int64_t after, std::size_t limit) = 0;
  virtual async::Task<Tally> tally() = 0;
  /// Sequence of the newest event of all jobs; 0 if there is none.
  virtual async::Task<std::int64_t> last_event() = 0;
  /// The last decision about the job; not_found if there is none yet.
  virtual async::Task<domain::Decision> decision(JobId id) = 0;
  /// What a decision was taken from, by hash; not_found, NO_DOCUMENT.
  virtual async::Task<std::string> document(std::string hash) = 0;
};

enum class UsageGroup { project, owner, site, country, queue, account, day, month, state };

struct UsageQuery {
  std::optional<UtcTime> from;  // ended at or after
  std::optional<UtcTime> to;  // ended before
  std::optional<Principal> owner;  // none: everybody's
  std::vector<UsageGroup> by;
};

struct UsageRow {
  std::vector<std::string> keys;  // in the order of `by`
  std::int64_t runs = 0;
  Seconds elapsed{0};
  CoreSeconds core_seconds{0};
  GpuSeconds gpu_seconds{0};
  NodeSeconds node_seconds{0};
};

/// What the jobs of a project that asked for a model of GPU have used of it; "" is any model.
struct GpuUse {
  ProjectId project;
  std::string gpu_model;
  GpuSeconds gpu_seconds{0};
};
struct GpuUsePage {
  std::vector<GpuUse> uses;
  std::int64_t last = 0;  // of the records that are in it or in an earlier one
};

class UsageStore {
 public:
  virtual ~UsageStore() = default;
  /// Books into the ledger the records whose tag belongs to an attempt of ours with that site, site job id and account; the
  /// others, and those that cannot be, are counted and left out (UsageRefusal). Repeats are harmless; one that its site has
  /// changed since is taken back and booked anew. The cursor moves in the same commit. `at`: now. Returns how many were new or
  /// changed.
  virtual async::Task<std::size_t> book_usage(SiteId site, std::vector<domain::UsageRecord> records, UsageCursor next,
                                              UtcTime at) = 0;
  virtual async::Task<UsageCursor> usage_cursor(SiteId site) = 0;
  virtual async::Task<std::vector<UsageRow>> usage_report(UsageQuery query) = 0;
  virtual async::Task<std::vector<domain::UsageRecord>> usage_of(JobId id) = 0;
  /// Of the records booked after the one that an earlier page ended with; 0: of all.
  virtual async::Task<GpuUsePage> gpu_use_after(std::int64_t last) = 0;
};

/// What a site's load budget counts by the minute.
enum class CallBudget { queries, submits, cancels };

/// A call to a site that is about to be made.
struct SiteCall {
  SiteId site;
  CallBudget budget = CallBudget::queries;
  MonotonicTime leaves_by{};  // at this time at the latest, or not at all
  std::int64_t epoch = 0;  // of the broker process that makes it
};

class SiteStore {
 public:
  virtual ~SiteStore() = default;
  virtual async::Task<std::vector<domain::SiteState>> site_states() = 0;
  virtual async::Task<> record_site_state(domain::SiteState state) = 0;

  /// Durable before the call is made: a site's budget outlives the process. Refused (conflict, STALE_EPOCH) once a later process
  /// has begun.
  virtual async::Task<> record_call(SiteCall call) = 0;
  /// The recorded calls that may have been made in the minute before `now`, oldest first, each `leaves_by` now at the latest.
  /// Those from before this machine was booted, whose times say nothing here, are taken as made now.
  virtual async::Task<std::vector<SiteCall>> recent_calls(MonotonicTime now) = 0;
};

/// policy_officer: of rules, labels, facts, approvals and erasures. agent: a site's own program; no token has it.
enum class Role { user, operator_, auditor, policy_officer, agent };

struct ApiToken {
  std::string id;  // public: "tok_..."
  std::string hash;  // SHA-256 of the token, hex
  Principal principal;
  Role role = Role::user;
  std::vector<SiteId> sites = {};  // of an operator: these alone; empty: all
  std::string note;
  UtcTime created_at{};
  std::optional<UtcTime> expires_at;
  std::optional<UtcTime> revoked_at;
  std::vector<Principal> makers = {};  // who made it, by tokens that these made, ...; none: the broker itself, at its first start
};

class TokenStore {
 public:
  virtual ~TokenStore() = default;
  virtual async::Task<> create_token(ApiToken token) = 0;
  virtual async::Task<ApiToken> token_by_hash(std::string hash) = 0;  // not_found; revoked ones are returned with their mark
  virtual async::Task<std::vector<ApiToken>> tokens() = 0;
  virtual async::Task<ApiToken> revoke_token(std::string id, UtcTime at) = 0;
};

}  // namespace hansa::ports
