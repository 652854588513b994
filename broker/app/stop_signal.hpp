// SPDX-License-Identifier: Apache-2.0
#pragma once
// SIGTERM and SIGINT: the first asks for a graceful stop, the second ends the process at once.

#include <csignal>

namespace hansa::app {

class StopSignal {
 public:
  /// Blocks both signals for this thread and all that it starts; ignores SIGPIPE. To be made before any thread.
  StopSignal();
  /// Blocks until one of them comes; its number.
  int wait();
  /// From now on the default action: the process dies by the signal.
  void next_ends_at_once();

 private:
  sigset_t set_{};
};

}  // namespace hansa::app
