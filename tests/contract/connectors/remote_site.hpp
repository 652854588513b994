// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site behind the connector protocol, under the suite: whatever program is started for it.

#include "broker/async/real_scheduler.hpp"
#include "connectors/remote/child_carrier.hpp"
#include "connectors/remote/remote_connector.hpp"
#include "tests/contract/connectors/connector_contract.hpp"
#include "tests/testbed/temporary_folder.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <csignal>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hansa::contract {

class RemoteSite : public ConnectorUnderTest {
 public:
  RemoteSite() { std::signal(SIGPIPE, SIG_IGN); }
  ~RemoteSite() override { close(); }
  RemoteSite(const RemoteSite&) = delete;
  RemoteSite& operator=(const RemoteSite&) = delete;

  ports::SiteConnector& connector() override { return *connector_; }
  async::Scheduler& scheduler() override { return scheduler_; }
  /// The connection has tasks of its own, which go on between calls.
  void run(boost::asio::awaitable<void> work) override {
    bool done = false;
    std::exception_ptr escaped;
    boost::asio::co_spawn(context_, std::move(work), [&](std::exception_ptr error) {
      done = true;
      escaped = std::move(error);
    });
    context_.restart();
    while (!done) context_.run_one();
    if (escaped) std::rethrow_exception(escaped);
  }
  void advance(Milliseconds step) override {
    context_.restart();
    context_.run_for(step);
  }
  domain::JobPayload payload(const Behaviour& behaviour) override {
    return {.script = behaving_script(behaviour), .arguments = {}, .environment = {}};
  }

 protected:
  void open(const SiteId& site, std::unique_ptr<connectors::remote::Carrier> carrier) {
    connector_ = std::make_unique<connectors::remote::RemoteConnector>(
        context_.get_executor(), scheduler_, random_, log_, std::move(carrier),
        connectors::remote::LinkOptions{.site = site, .name = "the contract suite", .pauses = {.first = Milliseconds{100}}});
  }
  void open(const SiteId& site, std::vector<std::string> command) {
    auto explain = [program = command.front()](async::ChildEnd end, std::string words, Error why) {
      return connectors::remote::explain_program(program, end, std::move(words), std::move(why));
    };
    open(site,
         std::make_unique<connectors::remote::ChildCarrier>(scheduler_, log_, site, std::move(command), std::move(explain)));
  }
  void close() {
    if (!connector_) return;
    run([](connectors::remote::RemoteConnector* connector) -> boost::asio::awaitable<void> {
      (void)co_await connector->close();
    }(connector_.get()));
    connector_.reset();
  }

  async::RealScheduler scheduler_;
  async::SystemRandom random_;
  test::SilentLog log_;
  boost::asio::io_context context_{1};

 private:
  std::unique_ptr<connectors::remote::RemoteConnector> connector_;
};

}  // namespace hansa::contract
