// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the connections that agents have opened lie, until the broker's end of the site's connection (remote::Link) takes them:
// one at each berth. A second one of the same agent is let in only if the first is dead: then it takes its place at once, however
// long the first would still be waited for; while the first answers, the second is refused, so that two of them never drive each
// other away in turn.
//
// Thread-safe; each connection is touched on its own executor only.

#include "broker/async/scheduler.hpp"
#include "broker/core/strong.hpp"
#include "connectors/protocol/lines.hpp"
#include "connectors/websocket/web_socket.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace hansa::connectors::websocket {

/// Whose agent: the site's own, or one that a person started there.
struct BerthId {
  SiteId site;
  Principal person = {};
  friend auto operator<=>(const BerthId&, const BerthId&) = default;
};

/// Who has come, as the door has found out.
struct Visitor {
  BerthId berth;
  std::string key;  // its key's id
  std::string name;  // what it calls itself
  std::string peer;  // from where
};

class Berths {
 public:
  struct Watchers {
    std::function<void(const Visitor&)> arrived = {};
    std::function<void(const Visitor&, const Error& why)> left = {};
  };

  /// The watchers are told on any thread, in order; they must not call back.
  /// A connection that does not answer a ping within `probe_within` is dead, if another comes.
  Berths(async::Scheduler& scheduler, Watchers watchers, Milliseconds probe_within = Milliseconds{3'000})
      : scheduler_(scheduler), watchers_(std::move(watchers)), probe_within_(probe_within) {}

  /// Somebody is about to come in, and nobody else until it is given up.
  using Room = std::shared_ptr<void>;

  /// On the connections' executor. conflict, AGENT_CONNECTED: a living one is there, or one comes in at this moment.
  async::Task<Room> make_room(Visitor visitor);
  /// Returns what lay there: it waited when the room was made, and may have been taken since. The caller cuts it (replaced()).
  [[nodiscard]] std::shared_ptr<WebSocket> moor(const Room& room, Visitor visitor, std::shared_ptr<WebSocket> connection);
  static Error replaced();

  /// The connection that waits at the berth, for use on the caller's strand; null: none. Taken once.
  std::unique_ptr<protocol::Lines> take(const BerthId& id);

  /// Whether one waits there.
  [[nodiscard]] bool waits(const BerthId& id);

  /// Calls `arrived`, on the thread of what arrives, whenever one waits there; empty: no more.
  void watch(const BerthId& id, std::function<void()> arrived);
  /// The same of all people's at a site.
  void watch_people(const SiteId& site, std::function<void(const Principal& person)> arrived);

  /// Ends the connection there at once, if any; whoever uses it is told why, and so is the agent.
  boost::asio::awaitable<void> cut(BerthId id, Error why);

  /// Forgets all, before the connections' executor goes: nobody uses any.
  void clear();

  /// Forgets a connection that has ended.
  void gone(const BerthId& id, const WebSocket* connection, const Error& why);

 private:
  struct Berth {
    Visitor visitor;
    std::shared_ptr<WebSocket> connection;
    bool taken = false;
    bool mooring = false;  // somebody is being let in
    std::function<void()> arrived;
  };

  async::Scheduler& scheduler_;
  const Watchers watchers_;
  const Milliseconds probe_within_;
  std::mutex mutex_;
  std::map<BerthId, Berth> berths_;
  std::map<SiteId, std::function<void(const Principal&)>> people_arrived_;
};

}  // namespace hansa::connectors::websocket
