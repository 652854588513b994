// SPDX-License-Identifier: Apache-2.0
#include "broker/app/stop_signal.hpp"

#include <pthread.h>

namespace hansa::app {

StopSignal::StopSignal() {
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int StopSignal::wait() {
  int signal = 0;
  while (sigwait(&set_, &signal) != 0) {}
  return signal;
}

void StopSignal::next_ends_at_once() {
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
}

}  // namespace hansa::app
