// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site that runs scripts, in real time: what all of them offer the suite.

#include "broker/async/real_scheduler.hpp"
#include "tests/contract/connectors/connector_contract.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <thread>
#include <utility>

namespace hansa::contract {

class RealTimeSite : public ConnectorUnderTest {
 public:
  async::Scheduler& scheduler() override { return scheduler_; }
  void run(boost::asio::awaitable<void> work) override {
    std::exception_ptr escaped;
    boost::asio::co_spawn(context_, std::move(work), [&](std::exception_ptr error) { escaped = std::move(error); });
    context_.restart();
    context_.run();
    if (escaped) std::rethrow_exception(escaped);
  }
  void advance(Milliseconds step) override { std::this_thread::sleep_for(step); }
  domain::JobPayload payload(const Behaviour& behaviour) override {
    return {.script = behaving_script(behaviour), .arguments = {}, .environment = {}};
  }

 protected:
  boost::asio::io_context context_;
  async::RealScheduler scheduler_;
  async::SystemRandom random_;
};

}  // namespace hansa::contract
