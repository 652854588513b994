// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/agent_carrier.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace hansa::connectors::websocket {

AgentCarrier::AgentCarrier(boost::asio::any_io_executor strand, Berths& berths, BerthId id)
    : berths_(berths), id_(std::move(id)), arrived_(std::make_shared<async::Event>(strand)) {
  berths_.watch(id_,
                [strand = std::move(strand), arrived = arrived_] { boost::asio::post(strand, [arrived] { arrived->set(); }); });
}

AgentCarrier::~AgentCarrier() { berths_.watch(id_, {}); }

async::Task<std::unique_ptr<protocol::Lines>> AgentCarrier::open(async::Deadline) {
  auto lines = berths_.take(id_);
  if (lines) co_return lines;
  co_return fail(ErrorKind::unavailable, "AGENT_ABSENT",
                 "no agent of site " + id_.site.str() +
                     " is connected: it connects by itself, if it runs there (systemctl status " +
                     "hansa-agent) and is enrolled; \"hansa site show " + id_.site.str() + "\" says what its last failure was");
}

boost::asio::awaitable<void> AgentCarrier::rest(async::Scheduler& scheduler, MonotonicTime until) {
  (void)co_await arrived_->wait_until(scheduler, until);
}

}  // namespace hansa::connectors::websocket
