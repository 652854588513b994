// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/session.hpp"

#include "connectors/switch/audit_log.hpp"
#include "connectors/switch/authorise.hpp"
#include "connectors/switch/child.hpp"
#include "connectors/switch/supervise.hpp"

#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace hansa::connectors::account_switch {
namespace {

/// Before and after the program there are waits that nobody else bounds (a directory server behind getpwnam, a syslog that is
/// full): a process that takes longer over them dies, and its place is free again.
constexpr unsigned kOwnWorkSeconds = 120;

std::string outcome_text(const ChildEnd& end) {
  std::string text = "not to be killed";
  if (end.wait_status) {
    text = WIFSIGNALED(*end.wait_status) ? "signal " + std::to_string(WTERMSIG(*end.wait_status))
                                         : "exit " + std::to_string(WEXITSTATUS(*end.wait_status));
  }
  return end.cut_because.empty() ? text : text + ": " + end.cut_because;
}

}  // namespace

int open_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGCHLD, SIGALRM})
    ::signal(number, SIG_DFL);  // a caller of the setuid program may have had them ignored
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, number);
  ::sigprocmask(SIG_SETMASK, &set, nullptr);
  return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void serve(Channel& channel, uid_t peer, const Result<Configuration>& configuration, int signals) {
  ::alarm(kOwnWorkSeconds);
  std::string caller = "uid " + std::to_string(peer);
  const Request* known = nullptr;
  const auto refuse = [&](const Error& error) {
    log_refused(known, caller, error);
    channel.send_error(error, false);
  };

  if (!configuration && configuration.error().code == kSwitchedOff) return refuse(configuration.error());
  if (!configuration) {  // and so nobody is known to be entitled to its faults
    log_refused(known, caller, configuration.error());
    channel.send_error(
        {.kind = ErrorKind::unavailable,
         .code = "SWITCH_CONFIGURATION",
         .message = "hansa-switch refuses everything: its configuration is not valid; hansa-switch --check says why"},
        false);
    return;
  }
  const auto caller_name = authorise_caller(peer, *configuration);
  if (!caller_name) return refuse(caller_name.error());
  caller = *caller_name;

  channel.expect_request_within(Seconds{configuration->request_time_s});
  const auto request = read_header(channel);
  if (!request) return refuse(request.error());
  known = &*request;
  const auto identity = authorise(*request, *configuration);
  if (!identity) return refuse(identity.error());
  auto input = read_input(channel);
  if (!input) return refuse(input.error());

  if (channel.caller_gone()) {  // maybe long ago, while this connection waited for its turn
    return refuse({.kind = ErrorKind::cancelled, .code = "CALLER_GONE", .message = "not started: the caller went away before"});
  }
  auto child = start_child(*request, *identity, *input);
  if (!child) return refuse(child.error());
  input->clear();
  input->shrink_to_fit();
  log_started(*request, caller, child->pid);
  ::alarm(0);
  const auto end = supervise(*child, channel, *request, signals);
  ::alarm(kOwnWorkSeconds);
  if (const auto failure = start_failure(*child, *request, *identity)) {
    log_ended(*request, caller, child->pid, failure->message);
    channel.send_error(*failure, false);
    return;
  }
  log_ended(*request, caller, child->pid, outcome_text(end));
  if (end.wait_status) {
    channel.send_end(*end.wait_status, end.out_truncated, end.err_truncated);
  } else {
    channel.send_error({.kind = ErrorKind::unknown_outcome,
                        .code = "PROGRAM_UNKILLABLE",
                        .message = request->program + " was killed, but the kernel has not let it go (is a file system dead?)"},
                       true);
  }
}

}  // namespace hansa::connectors::account_switch
