// SPDX-License-Identifier: Apache-2.0
#pragma once
// The pure state machine of DESIGN section 3.
//
// Invariants, whatever the order of events:
//  - a terminal state never changes again (marks on the cancel intent may be completed);
//  - at most one attempt is not ended; attempt numbers are 1, 2, 3, ...;
//  - an attempt is bound to one site job at a time; only the holder of its fence takes the place of another (ADR 0008);
//  - a job that comes after others goes to no site before it was told, by Waiting, that they have succeeded;
//  - a run that is over stays as it is, and tasks are those of the array;
//  - a task whose cancel was asked for before an attempt is none of it: its run there is over, cancelled, and never began;
//  - a job moves once: one move is begun in its life, from an attempt that waits at its site;
//  - unknown_since is a mark: it changes no state;
//  - version counts the events.

#include "broker/core/error.hpp"
#include "broker/domain/event.hpp"

#include <span>

namespace hansa::domain {

/// A job with its Accepted event applied.
Job new_job(const JobId& id, std::int64_t epoch, UtcTime at, const Accepted& accepted);

/// Changes `job` or refuses (ErrorKind::conflict, code ILLEGAL_TRANSITION) and leaves it as it was.
Result<void> apply(Job& job, const JobEvent& event);

/// Rebuilds a job from its events; the first must be Accepted.
Result<Job> replay(const JobId& id, std::int64_t epoch, std::span<const JobEvent> events);

}  // namespace hansa::domain
