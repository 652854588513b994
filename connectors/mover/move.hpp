// SPDX-License-Identifier: Apache-2.0
#pragma once
// One transfer, from its beginning to its end, in the process that calls it. Blocking.
//
// Beneath the destination's root, in .hansa (0700; <key> is of the destination's path, kept short):
//
//   <key>.mover -> <mover's id>    who is at this destination: made before the first byte, removed after the last step
//   <key>.copy/<hash>/             the copy as it grows. It becomes <path> by one rename, after every byte of it was read back
//   and the
//                                  manifest's hash was the dataset's. Nothing else ever makes <path>.
//
// Killed at any point and called again, it goes on: what the tool had copied is kept by the tool's own comparison (size and
// time), and the reading back is what decides. A mover whose id is another's is not disturbed.

#include "broker/core/clock.hpp"
#include "connectors/mover/order.hpp"

#include <string>

namespace hansa::connectors::mover {

/// Who looks on.
class Watch {
 public:
  virtual ~Watch() = default;
  virtual void tell(domain::TransferPhase phase, const domain::TransferProgress& progress) = 0;
  [[nodiscard]] virtual bool is_cancelled() = 0;
};

struct Workplace {
  std::string mover;                   // this mover's id
  std::string folder;                  // the transfer's own, in the spool: for the tool's configuration
  int lock = -1;                       // the destination's, held
};

domain::TransferOutcome move(const Order& order, const Workplace& workplace, const Clock& clock, Watch& watch);

}  // namespace hansa::connectors::mover
