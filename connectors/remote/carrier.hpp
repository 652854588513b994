// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a connection to a site's end of the protocol comes about.

#include "broker/async/deadline.hpp"
#include "connectors/protocol/lines.hpp"

#include <memory>

namespace hansa::connectors::remote {

class Carrier {
 public:
  virtual ~Carrier() = default;
  /// A new connection, on the caller's strand. That it is there says nothing of the other end yet.
  virtual async::Task<std::unique_ptr<protocol::Lines>> open(async::Deadline deadline) = 0;
};

}  // namespace hansa::connectors::remote
