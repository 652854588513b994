// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything that can happen to a job. Events are appended and never changed; the job's row is a projection of them.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/job.hpp"

#include <variant>

namespace hansa::domain {

/// The job exists, durably. First event of every job.
struct Accepted {
  Principal owner;
  std::string broker_id;
  JobSpec spec;
  bool operator==(const Accepted&) const = default;
};
/// In line for a site.
struct Waiting {
  Reason reason;
  bool operator==(const Waiting&) const = default;
};
/// No site may or can take it now, or its user holds it.
struct Held {
  Reason reason;
  bool by_user = false;
  bool operator==(const Held&) const = default;
};
struct Released {
  bool operator==(const Released&) const = default;
};
/// Its data are on their way to the site that was chosen for it.
struct Staging {
  Reason reason;
  bool operator==(const Staging&) const = default;
};
/// No site ever could.
struct Rejected {
  Reason reason;
  bool operator==(const Rejected&) const = default;
};
/// Committed before any byte leaves for the site.
struct AttemptIntended {
  std::int32_t attempt = 1;
  SiteId site;
  QueueName queue;
  LocalAccount account;
  std::string scheduler_account;
  std::string variant = {};
  bool operator==(const AttemptIntended&) const = default;
};
/// About to send again under the same tag (the first send needs no event: an intent may always have been sent).
struct AttemptResent {
  std::int32_t attempt = 1;
  bool operator==(const AttemptResent&) const = default;
};
/// The broker cannot say what the site did, or cannot see the site. A mark, no state.
struct AttemptUnknown {
  std::int32_t attempt = 1;
  Reason reason;
  bool operator==(const AttemptUnknown&) const = default;
};
/// The site is seen again and knows the job.
struct AttemptSeenAgain {
  std::int32_t attempt = 1;
  bool operator==(const AttemptSeenAgain&) const = default;
};
struct AttemptBound {
  std::int32_t attempt = 1;
  SiteJobId site_job_id;
  bool adopted = false;                // found at the site instead of returned by the submission; also in place of a duplicate
  bool operator==(const AttemptBound&) const = default;
};
/// A site job that carries our tag and is not ours, or is one too many. Recorded, shown, never adopted.
struct SightingQuarantined {
  std::int32_t attempt = 1;
  SiteJobId site_job_id;
  Reason reason;
  bool operator==(const SightingQuarantined&) const = default;
};
/// The attempt's fence now belongs to the broker: its payload can never start.
struct AttemptSealed {
  std::int32_t attempt = 1;
  bool operator==(const AttemptSealed&) const = default;
};
struct RunStarted {
  std::int32_t attempt = 1;
  std::int32_t task_index = 0;
  std::int32_t run = 0;
  UtcTime started_at{};
  bool operator==(const RunStarted&) const = default;
};
/// The site put a started job back into its queue.
struct RunRequeued {
  std::int32_t attempt = 1;
  std::int32_t task_index = 0;
  std::int32_t run = 0;
  bool operator==(const RunRequeued&) const = default;
};
/// What the site tells of an array's tasks: the runs that are new or have changed, each as it is now.
struct TasksSeen {
  std::int32_t attempt = 1;
  std::vector<Run> runs;
  bool operator==(const TasksSeen&) const = default;
};
/// What the site says that it gives the attempt, news to us; with a reason if that is not what was asked for (grant.hpp).
struct AttemptGranted {
  std::int32_t attempt = 1;
  Grant grant;
  Reason reason;
  bool operator==(const AttemptGranted&) const = default;
};
/// The payload is over, the site is still cleaning up.
struct RunFinishing {
  std::int32_t attempt = 1;
  bool operator==(const RunFinishing&) const = default;
};
/// The site's own word on how it ended; of an array, what all its tasks together come to (their runs are told before).
/// never_started sends the job back to waiting unless it is cancelled.
struct AttemptEnded {
  std::int32_t attempt = 1;
  std::int32_t task_index = 0;
  std::int32_t run = 0;
  Outcome outcome = Outcome::failed;
  std::optional<UtcTime> started_at;
  std::optional<UtcTime> ended_at;
  std::optional<std::int32_t> exit_code;
  std::optional<std::int32_t> signal;
  Reason reason;
  bool operator==(const AttemptEnded&) const = default;
};
struct CancelRequested {
  Principal by;
  bool operator==(const CancelRequested&) const = default;
};
/// Of these tasks of an array alone, rising; those that are in the broker's hands are left out of the next attempt.
struct TaskCancelRequested {
  Principal by;
  std::vector<std::int32_t> tasks;
  bool operator==(const TaskCancelRequested&) const = default;
};
struct CancelResolved {
  CancelOutcome outcome = CancelOutcome::unknown;
  bool operator==(const CancelResolved&) const = default;
};
/// The job ends here without the site's word: cancelled before it had a site, or given up by the broker with its reason.
struct Ended {
  JobState state = JobState::cancelled;  // cancelled | failed
  Reason reason;
  bool operator==(const Ended&) const = default;
};
/// Committed before the site hears of it: what waits there is to go to another site, if it can still be kept from starting.
struct MoveIntended {
  std::int32_t attempt = 1;
  Move move;
  bool operator==(const MoveIntended&) const = default;
};
/// An operator's word: the site is gone for good.
struct ResolvedLost {
  Principal by;
  std::string reason;
  bool operator==(const ResolvedLost&) const = default;
};

using EventBody =
    std::variant<Accepted, Waiting, Held, Released, Rejected, AttemptIntended, AttemptResent, AttemptUnknown, AttemptSeenAgain,
                 AttemptBound, SightingQuarantined, AttemptSealed, RunStarted, RunRequeued, RunFinishing, AttemptEnded,
                 CancelRequested, CancelResolved, Ended, ResolvedLost, MoveIntended, Staging, TasksSeen, AttemptGranted,
                 TaskCancelRequested>;

struct JobEvent {
  UtcTime at{};                        // the broker's clock
  EventBody body;
  bool operator==(const JobEvent&) const = default;
};

/// Stable snake_case name, as stored and as shown by the API: "attempt_bound".
std::string_view event_name(const EventBody& body);

Json to_json(const EventBody& body);
Result<EventBody> event_from_json(std::string_view name, const Json& json);

Json to_json(const Move& move);
Result<Move> move_from_json(const Json& json);

Json to_json(const JobSpec& spec);
Result<JobSpec> spec_from_json(const Json& json);

}  // namespace hansa::domain
