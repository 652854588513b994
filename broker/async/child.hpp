// SPDX-License-Identifier: Apache-2.0
#pragma once
// Running a program: an argument vector, never a shell.

#include "broker/async/deadline.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::async {

struct ChildSpec {
  std::vector<std::string> argv;  // argv[0] is the program's absolute path; the rest arrives byte for byte
  std::vector<std::pair<std::string, std::string>> environment;  // exactly these, nothing inherited
  std::string working_directory;  // empty: "/"
  std::string input;              // standard input, from memory
  std::size_t output_limit = std::size_t{16} << 20;  // bytes kept of each of stdout and stderr; the rest is read and dropped
  /// alarm() in the child before it executes the program, which inherits it: the program dies by SIGALRM at that time
  /// even if nobody is left to kill it. 0: none.
  Seconds self_limit{0};
};

/// Exactly one of `exit_status` and `signal` is set once the child is known to have ended. Neither: it was killed and
/// the kernel has not let it go yet (a dead file system); it is reaped whenever that happens.
struct ChildResult {
  std::string out;
  std::string err;
  bool out_truncated = false;
  bool err_truncated = false;
  std::optional<int> exit_status;
  std::optional<int> signal;
  bool timed_out = false;  // the deadline passed before it ended, and it was killed for that
  bool cancelled = false;  // the caller was cancelled, and it was killed for that

  [[nodiscard]] bool succeeded() const { return exit_status == 0; }
};

/// How a program ended; neither: it was killed, and the kernel has not let it go yet.
struct ChildEnd {
  std::optional<int> exit_status;
  std::optional<int> signal;
};

/// Starts the program in a process group of its own with default signal dispositions and only descriptors 0 to 2, and
/// waits until it has ended and its output is read. At the deadline, or when the caller is cancelled, the group gets
/// SIGTERM and, kTermGrace later, SIGKILL. A process of the group that keeps the output open after the program's end is
/// given kDrainGrace, then killed.
///
/// An Error means that the program did not start, so nothing happened: not_found, permission_denied, invalid_argument
/// (a relative path, a NUL), unavailable (no memory, descriptors or processes), deadline_exceeded (passed beforehand).
/// Whatever happened after the start is a ChildResult: a program killed at its deadline may have done its work.
///
/// Any number may run at the same time. Needs SIGCHLD not to be ignored and nobody else to wait for any child (waitpid(-1)).
Task<ChildResult> run_child(Scheduler& scheduler, Deadline deadline, ChildSpec spec);

inline constexpr Milliseconds kTermGrace{2000};
inline constexpr Milliseconds kKillGrace{2000};
inline constexpr Milliseconds kDrainGrace{500};

}  // namespace hansa::async
