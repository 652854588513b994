// SPDX-License-Identifier: Apache-2.0
#include "broker/async/child_process.hpp"

#include "broker/async/child.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <mutex>
#include <utility>
#include <vector>

namespace hansa::async {

namespace {

constexpr int kUsuallyGoneInMs = 20;  // after a SIGKILL; the strand waits no longer

struct Forgotten {
  std::mutex mutex;
  std::vector<pid_t> pids;
};
Forgotten& forgotten() {
  static Forgotten all;
  return all;
}

bool is_readable(int fd, int within_ms) {
  pollfd gone{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&gone, 1, within_ms) == 1;
}

}  // namespace

std::size_t reap_forgotten() {
  auto& all = forgotten();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.pids, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  return all.pids.size();
}

ChildProcess::ChildProcess(const boost::asio::any_io_executor& executor, Spawned child)
    : pidfd(executor, child.pidfd.release()), pid_(child.pid) {
  reap_forgotten();
}

ChildProcess::~ChildProcess() {
  if (reaped_) return;
  signal(SIGKILL);
  is_readable(pidfd.native_handle(), kUsuallyGoneInMs);
  reap();
  if (reaped_) return;
  auto& all = forgotten();
  const std::lock_guard lock(all.mutex);
  all.pids.push_back(pid_);
}

bool ChildProcess::over() const {
  return reaped_ || is_readable(const_cast<boost::asio::posix::stream_descriptor&>(pidfd).native_handle(), 0);
}

boost::asio::awaitable<void> end_group(Scheduler& scheduler, ChildProcess& process,
                                       std::function<boost::asio::awaitable<void>(MonotonicTime)> until_its_end) {
  if (!process.over()) {
    process.signal(SIGTERM);
    co_await until_its_end(scheduler.now_monotonic() + kTermGrace);
  }
  process.signal(SIGKILL);
  if (!process.over()) co_await until_its_end(scheduler.now_monotonic() + kKillGrace);
}

ChildEnd ChildProcess::reap() {
  reaped_ = reaped_ || ::waitpid(pid_, &status_, WNOHANG) == pid_;
  ChildEnd end;
  if (reaped_ && WIFEXITED(status_)) end.exit_status = WEXITSTATUS(status_);
  if (reaped_ && WIFSIGNALED(status_)) end.signal = WTERMSIG(status_);
  return end;
}

}  // namespace hansa::async
