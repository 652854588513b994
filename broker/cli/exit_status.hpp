// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `hansa` tells the shell. The numbers are a promise to scripts.

#include "broker/core/error.hpp"

#include <string_view>

namespace hansa::cli {

enum class ExitStatus : int {
  done = 0,
  job_failed = 1,    // a job that was waited for ended otherwise than well
  differs = 1,       // policy diff: some past decision would change
  fault_found = 1,   // site doctor
  usage = 2,         // the command line, the script or the job is wrong: repeating it will not help
  not_found = 3,
  denied = 4,
  unreachable = 5,   // the broker cannot be reached or cannot serve now
  rejected = 6,      // no site could ever hold the job
  timed_out = 7,     // wait --timeout
  conflict = 8,      // it collides with what is stored, or a limit of the rate is reached
  output = 74,       // standard output, or what is fetched, cannot be written (EX_IOERR of sysexits)
  interrupted = 130, // SIGINT, as shells have it
};

ExitStatus exit_status(ErrorKind kind);

/// What becomes of a job that was waited for, by its state; `done` for a state that is not terminal.
ExitStatus exit_status(std::string_view job_state);

/// Of several results the one that the shell should know.
ExitStatus worse(ExitStatus a, ExitStatus b);

}  // namespace hansa::cli
