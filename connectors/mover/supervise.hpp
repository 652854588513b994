// SPDX-License-Identifier: Apache-2.0
#pragma once
// hansa-move-run: what the mover's host runs. Each call is one question on standard input and one answer on standard output,
// JSON:
//
//   {"do": "start", "order": {...}}                     {"transfers": [{...}]}
//   {"do": "status" | "cancel" | "forget", "ids": [...]}  {"transfers": [{...}, ...]}, in the order asked
//   an error                                            {"error": {"kind", "code", "message", "detail"}}, exit status 1
//
// `start` leaves a supervisor behind: a process in a session of its own that outlives its caller, holds the destination's lock,
// runs the tool, and writes progress and result into the spool (spool.hpp). Killed itself, its tool dies with it, the lock is
// free once the last process of the tool is gone, and another `start` goes on.

#include "broker/core/clock.hpp"
#include "connectors/mover/order.hpp"

#include <string>
#include <string_view>

namespace hansa::connectors::mover {

struct Answer {
  std::string text;
  bool is_error = false;
};

/// Returns in the caller's process; the supervisor's ends in here.
Answer answer(const std::string& spool, std::string_view question, const Clock& clock, Random& random);

// As a job of a site's (job_mover.hpp): `hansa-move-run --job move|discard SPOOL ORDER` supervises in its own process, and tells
// how it goes in kJobStatus (a domain::TransferStatus) in its working folder; the last word there has the outcome. Ended from
// outside it leaves what it copied, and another job with the same spool goes on.

enum class JobTask { move, discard };  // discard: takes away what earlier jobs have copied

inline constexpr const char* kJobStatus = "transfer.json";
inline constexpr int kExitNotOver = 75;  // nothing was done, or it was not finished: standard error says why

/// Returns the exit status: 0 once kJobStatus has the outcome.
int run_as_job(JobTask task, const std::string& spool, const Order& order, const Clock& clock, Random& random);

}  // namespace hansa::connectors::mover
