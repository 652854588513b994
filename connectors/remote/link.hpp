// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one connection to a site, made anew when it broke: after a pause that doubles while it keeps breaking, and that chance
// spreads, so that brokers do not come back all at once. Strand: `executor`.

#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task_group.hpp"
#include "broker/core/strong.hpp"
#include "broker/ports/log.hpp"
#include "connectors/protocol/pauses.hpp"
#include "connectors/protocol/session.hpp"
#include "connectors/remote/carrier.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hansa::connectors::remote {

struct LinkOptions {
  SiteId site;
  std::string name;                     // what this end calls itself
  Milliseconds greet_within{30'000};
  protocol::PauseOptions pauses = {};
  bool once = false;                    // no second one: whoever wants it makes another link
  protocol::SessionOptions session = {.requests = 8, .backlog = std::size_t{64} << 20};  // a site may lie: little is kept for it
};

/// What the other end said of itself.
struct Peer {
  std::string name;
  bool code = false;  // it takes a job's code
  bool arrays = false;  // it runs job arrays
  bool doctor = false;  // it looks itself over
  bool secrets = false;  // it takes people's secrets for their jobs, and takes them away again
  bool facts = false;  // it asks what the broker's registers say of a job
  bool limits = false;  // it tells what projects have left by its scheduler's limits
};

/// What the other end told as an error, without the codes by which the broker knows what it has found or decided itself: its
/// rules, its budget of the site, a person's credential.
Error told_by_the_site(Error error);

class Link {
 public:
  struct Connection {
    std::shared_ptr<protocol::Session> session;
    Peer peer;
  };

  /// Begins at once.
  Link(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random, ports::Log& log,
       std::unique_ptr<Carrier> carrier, protocol::Session::Handler handler, LinkOptions options);

  /// The connection; waits while it is being made. Else why there is none: nothing has left for the site.
  async::Task<Connection> connection(async::Deadline deadline);

  async::Task<> close();

  /// Called whenever a connection has come about.
  void on_connected(std::function<void()> tell) { tell_connected_ = std::move(tell); }

 private:
  async::Task<> keep_up();
  async::Task<> greet(std::shared_ptr<protocol::Session> session);
  boost::asio::awaitable<std::optional<Error>> connect_once();
  void tell_waiters();

  boost::asio::any_io_executor executor_;
  async::Scheduler& scheduler_;
  ports::Log& log_;
  std::unique_ptr<Carrier> carrier_;
  protocol::Session::Handler handler_;
  LinkOptions options_;
  protocol::Pauses pauses_;
  std::optional<Connection> connection_;
  std::optional<Error> failure_;  // while there is none, and none is being made
  std::vector<std::shared_ptr<async::Event>> waiters_;
  std::function<void()> tell_connected_;
  async::TaskGroup tasks_;
};

}  // namespace hansa::connectors::remote
