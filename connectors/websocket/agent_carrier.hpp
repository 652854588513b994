// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way to a site whose agent comes to us: the connection is there when it has arrived, and a pause ends when it does.

#include "broker/async/event.hpp"
#include "connectors/remote/carrier.hpp"
#include "connectors/websocket/berths.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace hansa::connectors::websocket {

class AgentCarrier final : public remote::Carrier {
 public:
  /// `strand` is that of its caller. `berths` outlives it.
  AgentCarrier(boost::asio::any_io_executor strand, Berths& berths, BerthId id);
  ~AgentCarrier() override;

  /// unavailable, AGENT_ABSENT: none is connected.
  async::Task<std::unique_ptr<protocol::Lines>> open(async::Deadline deadline) override;
  boost::asio::awaitable<void> rest(async::Scheduler& scheduler, MonotonicTime until) override;

 private:
  Berths& berths_;
  BerthId id_;
  std::shared_ptr<async::Event> arrived_;  // shared with what is posted to its strand
};

}  // namespace hansa::connectors::websocket
