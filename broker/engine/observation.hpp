// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a site's word about a job means for the job. Pure.

#include "broker/domain/transition.hpp"
#include "broker/engine/job_book.hpp"
#include "broker/ports/site_connector.hpp"

#include <string>
#include <vector>

namespace hansa::engine {

/// Codes of AttemptUnknown for a bound attempt that the site does not show.
inline constexpr std::string_view kNotSeen = "NOT_SEEN";       // it is looked for
inline constexpr std::string_view kRanUnseen = "RAN_UNSEEN";  // it has started, and nothing shows it: only a person can end it

/// Code of an attempt that ended because the broker took the job elsewhere.
inline constexpr std::string_view kMoved = "MOVED";

/// The move that the job's live attempt is in the middle of, as far as is known; none: it has none, or it is too late for it.
const domain::Move* move_under_way(const domain::Job& job);
/// Why the broker is to take the job's site job out of its site's line, before it starts: for its move, or because the site would
/// charge another account than ours (docs/adr/0045). None: it is not, or it is too late.
std::optional<domain::Reason> taking_back(const domain::Job& job);
/// The same of a live attempt whose fence is sealed, whatever is known of its site job: why it ends.
std::optional<domain::Reason> why_taken_back(const domain::Job& job);
/// The fence of the job's live attempt is sealed. If that site job was to be taken back, it never started, and that is why.
void read_as_taken_back(const domain::Job& job, ports::JobStatus& status);

/// What the site says of its job need not be so for the attempt: another job may have the fence.
bool asks_for_the_fence(const domain::Job& job, const ports::JobStatus& status);

/// Code of AttemptUnknown for an array of which the site shows some tasks, and not all that it should.
inline constexpr std::string_view kTasksNotSeen = "TASKS_NOT_SEEN";

/// What a site says of an array, which tells of tasks that are not over: with those that are, as the job has them. Others' are left
/// as they are.
ports::JobStatus as_a_whole(const domain::Job& job, ports::JobStatus status);

/// What the site grants, in GPUs as a program sees them, as jobs ask for them.
void count_devices(ports::JobStatus& status, std::int32_t devices_per_gpu);

/// The events that `status`, of an array as a whole, of the job's live, bound attempt gives rise to; none if it tells nothing new.
/// Absence (Phase::not_seen) is never an end: it is at most a mark.
std::vector<domain::EventBody> observe(const domain::Job& job, const ports::JobStatus& status);

/// A sighting is ours if it is on the right account and was not submitted before the intent, give or take the clocks.
/// Otherwise the reason why it is not.
std::optional<domain::Reason> why_foreign(const domain::Attempt& attempt, const ports::Sighting& sighting,
                                          const std::string& cluster, Milliseconds clock_skew);

/// The site will not have it, or the broker will not give it: it is not sent again, but sealed, in case an earlier send arrived.
bool is_refused(const domain::Reason& reason);

/// A live attempt that can never start any more: it ends, and the job with it if its cancel was asked for.
Step end_never_started(const domain::Job& job, domain::Reason reason, bool sealed);

}  // namespace hansa::engine
