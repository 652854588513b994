// SPDX-License-Identifier: Apache-2.0
#pragma once
// Running a command at a site: an argument vector as an account, whatever way leads there.

#include "broker/async/child.hpp"
#include "broker/async/deadline.hpp"
#include "broker/async/task.hpp"
#include "broker/core/strong.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace hansa::connectors::transport {

struct Command {
  std::string program;                 // absolute
  std::vector<std::string> arguments;  // without argv[0]; they arrive byte for byte
  std::vector<std::pair<std::string, std::string>> environment;  // besides HOME, USER, LOGNAME, SHELL and PATH
  std::string working_directory;       // beneath the account's home; "": the home itself
  std::string input;                   // standard input
  std::size_t output_limit = std::size_t{16} << 20;  // bytes kept of each of stdout and stderr; the rest is dropped
  Seconds self_limit{0};               // the program's own alarm(); 0: a little past the deadline
  LocalAccount account;                // empty: the broker's own
  Principal person;                    // on whose behalf; "broker:..." for the broker itself
  std::string tag;                     // the job's, for the log of the account's switch
};

using CommandResult = async::ChildResult;

/// Strand: the caller's. What may run at the same time is the caller's business (a site's load budget).
class Transport {
 public:
  virtual ~Transport() = default;

  /// As async::run_child: an Error other than unknown_outcome means that the program was not started, for certain. What was
  /// started is a CommandResult, `timed_out` or `cancelled` if it was cut; without exit status and signal its end is not known.
  /// unknown_outcome: the way to it broke.
  virtual async::Task<CommandResult> run(Command command, async::Deadline deadline) = 0;
};

/// What no transport takes: a relative program, NUL characters, a working directory that leaves the home.
Result<void> check(const Command& command);

/// The alarm() of a command: its own, or a second past the deadline, so that it dies even if nobody is left to end it.
Seconds limit_of(const Command& command, async::Deadline deadline, const Clock& clock);

/// Of what was not started, or had nothing to change: the deadline passed, the caller was cancelled.
Error deadline_passed();
Error caller_cancelled();

inline constexpr Seconds kMaxSelfLimit{86'400};

}  // namespace hansa::connectors::transport
