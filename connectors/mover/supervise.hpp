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

#include <string>
#include <string_view>

namespace hansa::connectors::mover {

struct Answer {
  std::string text;
  bool is_error = false;
};

/// Returns in the caller's process; the supervisor's ends in here.
Answer answer(const std::string& spool, std::string_view question, const Clock& clock, Random& random);

}  // namespace hansa::connectors::mover
