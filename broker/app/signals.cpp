// SPDX-License-Identifier: Apache-2.0
#include "broker/app/signals.hpp"

#include <pthread.h>

#include <initializer_list>

namespace hansa::app {

Signals::Signals() {
  sigemptyset(&set_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int Signals::wait() {
  int signal = 0;
  while (sigwait(&set_, &signal) != 0) {}
  return signal;
}

void Signals::next_stop_ends_at_once() {
  sigdelset(&set_, SIGHUP);  // stays blocked: there is nothing to read again
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
}

}  // namespace hansa::app
