// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the system asks of hansad. SIGTERM and SIGINT: the first asks for a graceful stop, the second ends the process at once.
// SIGHUP: read the certificate, the rules and what they ask about again.

#include <csignal>

namespace hansa::app {

class Signals {
 public:
  /// Blocks the three for this thread and all that it starts; ignores SIGPIPE. To be made before any thread.
  Signals();
  /// Blocks until one of them comes; its number.
  int wait();
  /// From now on a stop has its default action: the process dies by the signal.
  void next_stop_ends_at_once();

 private:
  sigset_t set_{};
};

}  // namespace hansa::app
