// SPDX-License-Identifier: Apache-2.0
#pragma once
// A program that was started, until it is reaped: what child.cpp and live_child.cpp have in common.

#include "broker/async/scheduler.hpp"
#include "broker/async/spawn.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstddef>
#include <functional>

namespace hansa::async {

/// Stays a zombie until it is reaped, so that its process group's number belongs to nobody else while we signal it. Let go
/// before, it takes its group with it; what the kernel does not let go at once (a dead file system) is reaped when others are.
class ChildProcess {
 public:
  ChildProcess(const boost::asio::any_io_executor& executor, Spawned child);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// To its group.
  void signal(int number) const { signal_group(pid_, number); }
  [[nodiscard]] bool over() const;
  /// How it ended, if it has; the first time that it is over it is reaped.
  ChildEnd reap();

  boost::asio::posix::stream_descriptor pidfd;  // readable once it is over

 private:
  pid_t pid_;
  bool reaped_ = false;
  int status_ = 0;
};

/// Ends a child whose time is over, and its group: SIGTERM, kTermGrace later SIGKILL, also to what it leaves behind, and
/// kKillGrace for the kernel to let it go. `until_its_end` waits for that, no longer than to the time. Nothing here holds the
/// strand.
boost::asio::awaitable<void> end_group(Scheduler& scheduler, ChildProcess& process,
                                       std::function<boost::asio::awaitable<void>(MonotonicTime)> until_its_end);

/// Reaps what was let go and is over by now. How many are not.
std::size_t reap_forgotten();

}  // namespace hansa::async
