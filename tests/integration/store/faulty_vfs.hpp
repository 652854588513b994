// SPDX-License-Identifier: Apache-2.0
#pragma once
// SQLite's own file layer, that fails when it is told to. For databases opened with Options::vfs = "faulty".

#include <atomic>

namespace hansa::store {

struct Faults {
  std::atomic<bool> disk_full{false};
  std::atomic<int> syncs{0};             // so far
  std::atomic<int> failing_sync{0};      // this one says EIO; what was written may or may not be on the disk

  void fail_sync(int from_now) { failing_sync = syncs + from_now; }
};

/// One for the whole program.
Faults& faults();
void register_faulty_vfs();

}  // namespace hansa::store
