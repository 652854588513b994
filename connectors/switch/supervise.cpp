// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/supervise.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace hansa::connectors::account_switch {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::size_t kPiece = 65'536;
constexpr int kPipePieces = 17;  // a pipe holds a mebibyte at most (fs.pipe-max-size)
constexpr std::chrono::milliseconds kKillGrace{5000};  // after SIGKILL: then the kernel holds it, and we let go

class Supervision {
 public:
  Supervision(Child& child, Channel& channel, const Request& request, int signals)
      : child_(child),
        channel_(channel),
        signals_(signals),
        out_{child.out, 'o', request.output_limit},
        err_{child.err, 'e', request.output_limit},
        limit_(SteadyClock::now() + request.limit + kTerminationGrace) {}

  ChildEnd run() {
    while (!exited_ && !given_up_) {
      std::array<pollfd, 4> ready{{{signals_, POLLIN, 0},
                                   {out_.from.get(), POLLIN, 0},
                                   {err_.from.get(), POLLIN, 0},
                                   {watching_ ? channel_.watched() : -1, channel_.watched_events(), 0}}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_time() - SteadyClock::now()).count();
      if (::poll(ready.data(), ready.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000))) > 0) {
        if (ready[0].revents != 0) take_signals();
        if (ready[1].revents != 0) forward(out_);
        if (ready[2].revents != 0) forward(err_);
        if (ready[3].revents != 0) lose_caller((ready[3].revents & (POLLHUP | POLLERR)) == 0);
      }
      keep_time();
    }
    ChildEnd end{.cut_because = cut_because_};
    // The leader is a zombie until it is reaped, so its number and that of its group are still its own.
    signal_group(SIGKILL);
    drain(out_);
    drain(err_);
    if (int status = 0; exited_ && ::waitpid(child_.pid, &status, 0) == child_.pid) end.wait_status = status;
    end.out_truncated = out_.truncated;
    end.err_truncated = err_.truncated;
    return end;
  }

 private:
  struct Stream {
    Descriptor& from;
    char type;
    std::size_t left;
    bool truncated = false;
  };

  /// One piece of output; false if there is none now.
  bool forward(Stream& stream) {
    std::array<char, kPiece> bytes;
    const auto got = ::read(stream.from.get(), bytes.data(), bytes.size());
    if (got < 0) return errno == EINTR;
    if (got == 0) {
      stream.from.close();
      return false;
    }
    const std::string_view piece(bytes.data(), static_cast<std::size_t>(got));
    const auto kept = piece.substr(0, stream.left);
    stream.left -= kept.size();
    stream.truncated = stream.truncated || kept.size() < piece.size();
    if (caller_reads_ && !channel_.send(stream.type, kept)) lose_caller(false);
    return true;
  }

  /// What stood in the pipe at the program's end; what has left its group and writes on is not waited for.
  void drain(Stream& stream) {
    for (int pieces = 0; pieces < kPipePieces && stream.from && forward(stream); ++pieces) {}
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo != SIGCHLD) cut("hansa-switch was told to stop");
    }
    siginfo_t state{};
    exited_ =
        ::waitid(P_PID, static_cast<id_t>(child_.pid), &state, WEXITED | WNOHANG | WNOWAIT) == 0 && state.si_pid == child_.pid;
  }

  /// It has closed its side, and maybe still reads what we have to say.
  void lose_caller(bool still_reads) {
    watching_ = false;
    caller_reads_ = caller_reads_ && still_reads;
    cut("its caller went away");
  }

  void cut(const char* why) {
    if (!cut_because_.empty()) return;
    cut_because_ = why;
    signal_group(SIGTERM);
    kill_at_ = SteadyClock::now() + kTerminationGrace;
  }

  void keep_time() {
    const auto now = SteadyClock::now();
    if (now >= limit_) cut("its time limit passed");
    if (!kill_at_ || now < *kill_at_) return;
    given_up_ = killed_;
    killed_ = true;
    signal_group(SIGKILL);
    kill_at_ = now + kKillGrace;
  }

  [[nodiscard]] SteadyClock::time_point next_time() const { return kill_at_ ? *kill_at_ : limit_; }

  void signal_group(int number) const {
    // Before the child has made its group there is none: then it is alone.
    if (::kill(-child_.pid, number) != 0) ::kill(child_.pid, number);
  }

  Child& child_;
  Channel& channel_;
  int signals_;
  Stream out_;
  Stream err_;
  SteadyClock::time_point limit_;  // a little past the child's own alarm, which its descendants do not inherit
  std::optional<SteadyClock::time_point> kill_at_;
  std::string cut_because_;
  bool watching_ = true;
  bool caller_reads_ = true;
  bool killed_ = false;
  bool given_up_ = false;
  bool exited_ = false;
};

}  // namespace

ChildEnd supervise(Child& child, Channel& channel, const Request& request, int signals) {
  return Supervision(child, channel, request, signals).run();
}

}  // namespace hansa::connectors::account_switch
