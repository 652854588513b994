// SPDX-License-Identifier: Apache-2.0
#pragma once
// The supervisor of one job: a process of its own that outlives the broker. One thread, no Asio.
//
//   hansa-local-run JOBDIR      JOBDIR is a job's folder of the spool (records.hpp)
//
// It leaves its caller's session and process group, takes the job's lock, makes the start durable, and only then lets the
// script run, in a session of its own. It ends what is left of the job at the wall-time limit, when told to (SIGTERM), and
// when the script has ended; as subreaper it also inherits the processes that have left the script's session. Then it
// writes the result. If it is killed itself, the script dies with it (PR_SET_PDEATHSIG) and the connector, which sees the
// lock free and no result, hunts for the rest.

#include <string>

namespace hansa::connectors::local {

/// Exit codes of hansa-local-run, to its caller.
inline constexpr int kSupervising = 0;      // the job has started; the supervisor goes on in the background
inline constexpr int kNotStarted = 1;       // with a sentence on stderr: nothing ran, and nothing will
inline constexpr int kStartedBefore = 3;    // another supervisor has, or had, the job; or it ended before it started

/// From SIGTERM to SIGKILL.
inline constexpr int kGraceSeconds = 5;

/// Returns in the caller's process and in the supervisor's: the code to exit with.
int supervise_in_background(const std::string& job_folder);

}  // namespace hansa::connectors::local
