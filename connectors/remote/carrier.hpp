// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a connection to a site's end of the protocol comes about.

#include "broker/async/deadline.hpp"
#include "broker/async/scheduler.hpp"
#include "connectors/protocol/lines.hpp"

#include <memory>

namespace hansa::connectors::remote {

class Carrier {
 public:
  virtual ~Carrier() = default;
  /// A new connection, on the caller's strand. That it is there says nothing of the other end yet.
  virtual async::Task<std::unique_ptr<protocol::Lines>> open(async::Deadline deadline) = 0;
  /// Between two attempts: to that time, or until the carrier knows that another is worth it.
  virtual boost::asio::awaitable<void> rest(async::Scheduler& scheduler, MonotonicTime until) {
    return scheduler.sleep_until(until);
  }
};

}  // namespace hansa::connectors::remote
