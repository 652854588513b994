// SPDX-License-Identifier: Apache-2.0
#pragma once
// A door for agents on loopback, with everything behind it but a scheduler: certificates, keys, a broker's end that takes the
// connections. The door's own thread runs by itself, all else on the test's.

#include "broker/async/real_scheduler.hpp"
#include "broker/async/with_deadline.hpp"
#include "broker/http/client_socket.hpp"
#include "connectors/protocol/session.hpp"
#include "connectors/websocket/agent_carrier.hpp"
#include "connectors/websocket/agent_key.hpp"
#include "connectors/websocket/dialler.hpp"
#include "connectors/websocket/listener.hpp"
#include "tests/testbed/certificates.hpp"
#include "tests/unit/connectors_websocket/test_door.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace hansa::connectors::websocket::test {

using namespace std::chrono_literals;

class Harbour {
  // First, so that they go last: the door's thread notes and logs until the listener has gone.
  hansa::test::SilentLog log_;
  std::mutex mutex_;
  std::vector<std::string> notes_;

  void note(std::string what) {
    const std::scoped_lock lock(mutex_);
    notes_.push_back(std::move(what));
  }

 public:
  explicit Harbour(ListenerOptions options = {}, Milliseconds probe_within = 200ms)
      : berths(scheduler,
               {.arrived = [this](const Visitor& visitor) { note("+" + visitor.name); },
                .left = [this](const Visitor&, const Error& why) { note("-" + why.code); }},
               probe_within) {
    certificates.make("broker", "IP:127.0.0.1,DNS:localhost");
    options.tls = {.certificate = certificates.certificate("broker"), .key = certificates.key("broker")};
    listener = std::make_unique<Listener>(options, door, berths, scheduler, log_);
    REQUIRE(listener->listen());
    listener->start();
    key_file = certificates.folder() + "/agent.key";
    REQUIRE(make_key_file(key_file));
    door.known = *key_id_of_key_file(key_file);
  }

  [[nodiscard]] DialOptions dial_options() const {
    return {.broker = {.tls = true, .host = "127.0.0.1", .port = listener->port()},
            .pin = listener->key_id(),
            .key_file = key_file,
            .site = SiteId("alpha"),
            .name = "hansa-agent test"};
  }
  Result<std::unique_ptr<protocol::Lines>> dial(DialOptions options) {
    Dialler dialler(scheduler, std::move(options));
    return run(dialler.open(async::Deadline::in(scheduler, 10s)));
  }
  Result<std::unique_ptr<protocol::Lines>> dial() { return dial(dial_options()); }
  Result<void> enrol(DialOptions options, const char* token) {
    Dialler dialler(scheduler, std::move(options));
    return run(dialler.enrol(Secret(token), async::Deadline::in(scheduler, 10s)));
  }
  std::string code_of(DialOptions options) {
    const auto lines = dial(std::move(options));
    return lines ? "OK" : lines.error().code;
  }
  /// The broker's end of what has come in.
  std::unique_ptr<protocol::Lines> take() {
    for (int i = 0; i < 500; ++i) {
      if (auto lines = berths.take({.site = SiteId("alpha")})) return lines;
      wait_a_moment();
    }
    return nullptr;
  }

  /// For what other threads do.
  void wait_a_moment() {
    context.restart();
    context.poll();
    std::this_thread::sleep_for(10ms);
    context.restart();
    context.poll();
  }
  template <class T>
  Result<T> run(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(context, async::detail::keep(&outcome, std::move(task)), [](const std::exception_ptr&) {});
    context.restart();
    while (!outcome) context.run_one_for(10s);
    return std::move(*outcome);
  }
  Error end(protocol::Lines& lines) {
    auto ended = [](protocol::Lines* of) -> async::Task<Error> {
      co_return co_await of->end(fail(ErrorKind::unavailable, "DONE", "done").error());
    };
    auto why = *run(ended(&lines));
    wait_a_moment();  // what was under way on it has ended before it goes
    return why;
  }
  [[nodiscard]] std::vector<std::string> notes() {
    const std::scoped_lock lock(mutex_);
    return notes_;
  }
  bool noted(const std::string& what) {
    for (int i = 0; i < 500; ++i) {
      const auto all = notes();
      if (std::find(all.begin(), all.end(), what) != all.end()) return true;
      wait_a_moment();
    }
    return false;
  }

  async::RealScheduler scheduler;
  boost::asio::io_context context{1};
  hansa::test::Certificates certificates;
  std::string key_file;
  TestDoor door;
  Berths berths;
  std::unique_ptr<Listener> listener;
};

}  // namespace hansa::connectors::websocket::test
